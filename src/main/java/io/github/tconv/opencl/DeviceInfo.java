package io.github.tconv.opencl;

import org.jspecify.annotations.Nullable;

/**
 * What a device says of itself.
 *
 * @param index its place in the list of devices, by which a user chooses it
 * @param type {@code GPU}, {@code ACCELERATOR}, {@code CPU} or {@code OTHER}
 * @param name the device's name
 * @param platform the name of the platform (the driver) it belongs to
 * @param version the OpenCL version it reports
 * @param driver the driver's version
 * @param computeUnits the number of its parallel compute units
 * @param memoryBytes its global memory
 * @param localMemoryBytes its local memory for each work-group
 * @param unusable why this library cannot use it, or null if it can
 */
public record DeviceInfo(
        int index,
        Type type,
        String name,
        String platform,
        String version,
        String driver,
        int computeUnits,
        long memoryBytes,
        long localMemoryBytes,
        @Nullable String unusable) {

    /** The kinds of devices, in the order in which they are preferred. */
    public enum Type {
        /** A graphics processor. */
        GPU,
        /** A dedicated accelerator. */
        ACCELERATOR,
        /** A host processor. */
        CPU,
        /** Anything else. */
        OTHER
    }

    /**
     * Tells whether this is Oclgrind, which simulates a device inside the process and survives no second thread: neither
     * one that compiles nor one on which JOCL waits for a copy.
     */
    boolean isSimulator() {
        return platform.equals("Oclgrind");
    }
}
