package io.github.tconv.opencl;

import io.github.tconv.op.Axis;
import io.github.tconv.op.TransposedConvolution;

/**
 * A layer of rank 3 in the names that the kernels use for it.
 *
 * @param ic input channels of a group
 * @param oc output channels of a group
 * @param groups the groups
 * @param depth the outermost axis
 * @param height the middle axis
 * @param width the innermost axis
 */
record LayerShape(int ic, int oc, int groups, Axis depth, Axis height, Axis width) {
    static LayerShape of(TransposedConvolution rank3) {
        return new LayerShape(
                rank3.inChannels() / rank3.groups(),
                rank3.outChannels() / rank3.groups(),
                rank3.groups(),
                rank3.axes().get(0),
                rank3.axes().get(1),
                rank3.axes().get(2));
    }

    /** How far apart the input positions are that the first {@code taps} taps of an axis read for one grid point. */
    static long span(Axis axis, long taps) {
        return shift(axis, taps - 1) - shift(axis, 0);
    }

    /** How many positions before its grid point a tap reads the input, as {@code TAP_SHIFT} in the kernels. */
    static long shift(Axis axis, long tap) {
        return Math.floorDiv(tap * axis.dilation() - axis.padBegin(), axis.stride());
    }

    /** The phases of an axis that meet any tap: a common factor of stride and dilation leaves gaps, as a short kernel does. */
    static int phasesWithTaps(Axis axis) {
        return Math.min(axis.kernel(), period(axis));
    }

    /** After how many taps of an axis the phases repeat. */
    private static int period(Axis axis) {
        return axis.stride() / Grid.greatestCommonDivisor(axis.stride(), axis.dilation());
    }

    /** The taps of the whole kernel. */
    long taps() {
        return (long) depth.kernel() * height.kernel() * width.kernel();
    }

    /** The taps of the phase that has most of them. */
    long mostTaps() {
        return mostTaps(depth) * mostTaps(height) * mostTaps(width);
    }

    private static long mostTaps(Axis axis) {
        return Grid.tiles(axis.kernel(), period(axis));
    }

    /** The terms of the sum behind one output element, on average over the phases. */
    long terms() {
        return Math.max(1, ic * taps() / ((long) depth.stride() * height.stride() * width.stride()));
    }
}
