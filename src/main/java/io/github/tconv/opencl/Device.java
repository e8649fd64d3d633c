package io.github.tconv.opencl;

import org.jocl.cl_device_id;
import org.jocl.cl_platform_id;

/**
 * A device with its native handles, which the driver owns.
 *
 * @param info what it says of itself
 * @param platform its platform
 * @param id the device
 * @param hostMemory how it reaches the host's memory
 * @param maxAllocationBytes the largest buffer it allows
 * @param vectorWidth the floats in the vector that its instructions take
 * @param groupItems the work-items that a group may have, whichever way they lie on its first two axes
 */
record Device(
        DeviceInfo info,
        cl_platform_id platform,
        cl_device_id id,
        HostMemory hostMemory,
        long maxAllocationBytes,
        int vectorWidth,
        int groupItems) {

    /** How a device reaches the host's memory. */
    enum HostMemory {
        /** Not at all: tensors are copied there and back. */
        APART,
        /** In place, and the host sees what kernels wrote after mapping it, as the standard asks for. */
        MAPPED,
        /** In place and always the same: the kernels are the host's own code, and mapping would do nothing. */
        SAME
    }

    /** The same device, reached in another way. Every device can be treated as one apart. */
    Device reached(HostMemory other) {
        return new Device(info, platform, id, other, maxAllocationBytes, vectorWidth, groupItems);
    }

    @Override
    public String toString() {
        return "%s (%s, %s)".formatted(info.name(), info.platform(), info.version());
    }
}
