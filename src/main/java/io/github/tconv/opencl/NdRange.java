package io.github.tconv.opencl;

import java.util.Arrays;

/**
 * How many work-items run, in which groups. The group size is always given: a driver that is left to choose it may
 * compile the kernel anew for every image size.
 *
 * @param global the work-items on each axis, multiples of {@code local}
 * @param local the work-items of a group on each axis
 */
@SuppressWarnings("ArrayRecordComponent") // OpenCL takes arrays, and nobody compares or shares these.
record NdRange(long[] global, long[] local) {
    /** Lanes enough for a GPU's wave and a CPU's widest vector, few enough that rounding up wastes little. */
    private static final int LANES = 64;

    /** One work-item for each of some elements. */
    static NdRange of(long elements) {
        return new NdRange(new long[] {roundUp(elements)}, new long[] {LANES});
    }

    /** One work-item for each of some elements of each of some blocks. */
    static NdRange of(long elements, long blocks) {
        return new NdRange(new long[] {roundUp(elements), blocks}, new long[] {LANES, 1});
    }

    /** One work-item for each of some elements of each channel of each image. */
    static NdRange of(long elements, long channels, long images) {
        return new NdRange(new long[] {roundUp(elements), channels, images}, new long[] {LANES, 1, 1});
    }

    /** One work-item for each element of a tensor (n, c, d, h, w): the pixels of an image, and the images. */
    static NdRange ofImage(int[] shape) {
        long pixels = (long) shape[2] * shape[3] * shape[4];
        return new NdRange(new long[] {roundUp(pixels), (long) shape[0] * shape[1]}, new long[] {LANES, 1});
    }

    /** One work-item for each of some elements and not one more, in groups of one. */
    static NdRange exactly(long... elements) {
        long[] local = new long[elements.length];
        Arrays.fill(local, 1);
        return new NdRange(elements, local);
    }

    /** The first of some equal shares along the last axis. */
    NdRange first(long count, long shares) {
        long[] fewer = global.clone();
        fewer[fewer.length - 1] = fewer[fewer.length - 1] / shares * count;
        return new NdRange(fewer, local);
    }

    /** How many work-items there are. */
    long items() {
        long items = 1;
        for (long size : global) {
            items *= size;
        }
        return items;
    }

    private static long roundUp(long elements) {
        return (elements + LANES - 1) / LANES * LANES;
    }

    @Override
    public String toString() {
        return Arrays.toString(global) + " by " + Arrays.toString(local);
    }
}
