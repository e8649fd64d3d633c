package io.github.tconv.opencl;

import io.github.tconv.op.Problem;

/** Counting in tiles: the arithmetic that the kernels' ND-ranges share. */
final class Grid {
    private Grid() {}

    /** How many tiles cover some elements. */
    static long tiles(long elements, long tile) {
        return (elements + tile - 1) / tile;
    }

    /**
     * The points of the phase grid on one axis: output element {@code o} is phase {@code o mod stride} of grid point
     * {@code o / stride}.
     */
    static long points(Problem rank3, int axis) {
        return tiles(rank3.outputSize(axis), rank3.layer().axes().get(axis).stride());
    }

    /** The positions of the input, of all images. */
    static double positions(Problem rank3) {
        return (double) rank3.batch() * rank3.inputSize(0) * rank3.inputSize(1) * rank3.inputSize(2);
    }

    static int greatestCommonDivisor(int a, int b) {
        return b == 0 ? a : greatestCommonDivisor(b, a % b);
    }
}
