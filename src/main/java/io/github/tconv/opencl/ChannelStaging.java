package io.github.tconv.opencl;

import io.github.tconv.op.Axis;
import io.github.tconv.op.Problem;

/** The staged input of {@code channels.cl}: all rows, channels innermost, and one row of zeros. */
final class ChannelStaging {
    /** Input channels that a work-item stages at once, as {@code STAGE_IC}. */
    private static final int STAGED_CHANNELS = 16;

    private ChannelStaging() {}

    /**
     * Returns the size of the staged input.
     *
     * @param width the staged positions of a row
     */
    static long floats(Problem problem, long width) {
        int channels = problem.layer().inChannels();
        // As PIXEL in the kernel: pixels must not share cache sets.
        long pixel = channels % 16 == 0 ? channels + 4L : channels;
        return rows(problem) * width * pixel;
    }

    /** Returns the work-items that stage the input. */
    static NdRange range(Problem problem) {
        return NdRange.exactly(Grid.tiles(problem.layer().inChannels(), STAGED_CHANNELS), rows(problem));
    }

    private static long rows(Problem problem) {
        return (long) problem.batch() * problem.inputSize(0) * problem.inputSize(1) + 1;
    }

    /** Returns how far apart the least and the greatest input offset are that taps of the width take. */
    static long reach(Axis width) {
        long firstTap = width.padBegin() - (width.kernel() - 1L) * width.dilation();
        long least = -Math.floorDiv(-firstTap, width.stride());
        long greatest = Math.floorDiv(width.stride() - 1L + width.padBegin(), width.stride());
        return greatest - least;
    }
}
