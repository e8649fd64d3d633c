package io.github.tconv.opencl;

import io.github.tconv.op.DeviceException;
import org.jocl.CL;
import org.jocl.CLException;

/** Tells a device that has no room from one that has another fault. */
final class Shortage {
    private Shortage() {}

    /**
     * Tells whether a status may mean that there was no memory. Drivers allocate late, so a launch may have it too; some
     * use {@code CL_OUT_OF_RESOURCES} for other faults as well.
     */
    static boolean isMemory(int status) {
        return switch (status) {
            case CL.CL_MEM_OBJECT_ALLOCATION_FAILURE,
                    CL.CL_OUT_OF_RESOURCES,
                    CL.CL_OUT_OF_HOST_MEMORY,
                    CL.CL_INVALID_BUFFER_SIZE -> true;
            default -> false;
        };
    }

    static boolean isMemory(DeviceException failure) {
        return failure.getCause() instanceof CLException cause
                ? isMemory(cause.getStatus())
                : failure.getCause() instanceof DeviceException explained && isMemory(explained);
    }

    /**
     * Says of what a part would have room.
     *
     * @param what what is too large
     * @param rule which limit it breaks
     */
    static DeviceException of(String what, IllegalArgumentException rule) {
        String message = "no room for %s: %s".formatted(what, rule.getMessage());
        return new DeviceException(message, new CLException(message, CL.CL_INVALID_BUFFER_SIZE));
    }

    /**
     * Says how much was needed and how much there is.
     *
     * @param failure what the device said
     * @param device the device
     * @param what what was to be computed
     * @param bytes what its tensors take
     */
    static DeviceException explained(DeviceException failure, Device device, String what, long bytes) {
        String message = "no room on the device for %s: its tensors alone need %d bytes, and the device has %d,"
                + " at most %d in one buffer (%s)";
        return new DeviceException(
                message.formatted(
                        what, bytes, device.info().memoryBytes(), device.maxAllocationBytes(), failure.getMessage()),
                failure);
    }
}
