package io.github.tconv.opencl;

/**
 * What the rules for a device whose lanes are work-items need to know of it.
 *
 * @param units its compute units
 * @param localBytes local memory of a work-group
 * @param groupItems work-items that a group may have, whichever way they lie on its first two axes
 */
record Gpu(int units, long localBytes, int groupItems) {
    /** Tells whether a device's lanes are work-items. */
    static boolean is(Device device) {
        return switch (device.info().type()) {
            case GPU, ACCELERATOR -> true;
            case CPU, OTHER -> false;
        };
    }

    static Gpu of(Device device) {
        return new Gpu(device.info().computeUnits(), device.info().localMemoryBytes(), device.groupItems());
    }
}
