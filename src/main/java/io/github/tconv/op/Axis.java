package io.github.tconv.op;

import org.apache.commons.lang3.Validate;
import org.jspecify.annotations.Nullable;

/**
 * One spatial axis of a transposed convolution, all values in elements.
 *
 * <p>Input element {@code i} and tap {@code k} meet at output element {@code i * stride - padBegin + k * dilation}. So
 * padding <em>removes</em> output elements, stride <em>spreads</em> the input over the output, and output padding adds
 * elements at the end, to which the taps that reach them still contribute (Dumoulin and Visin, "A guide to convolution
 * arithmetic for deep learning", 2016, chapter 4).
 *
 * @param kernel the number of taps, at least 1
 * @param stride the output elements between neighbouring input elements, at least 1
 * @param dilation the output elements between neighbouring taps, at least 1
 * @param padBegin the output elements cut off at the beginning; negative adds elements
 * @param padEnd the output elements cut off at the end; negative adds elements
 * @param outputPadding the output elements added at the end, at least 0 and less than the larger of stride and dilation
 */
public record Axis(int kernel, int stride, int dilation, int padBegin, int padEnd, int outputPadding) {

    /**
     * Checks the rules named at the components.
     *
     * @param kernel at least 1
     * @param stride at least 1
     * @param dilation at least 1
     * @param padBegin any
     * @param padEnd any
     * @param outputPadding at least 0, less than the larger of stride and dilation
     * @throws IllegalArgumentException if a rule is broken; the message states the rule and the value
     */
    public Axis {
        Validate.isTrue(kernel >= 1, "kernel must be positive: %d", kernel);
        Validate.isTrue(stride >= 1, "stride must be positive: %d", stride);
        Validate.isTrue(dilation >= 1, "dilation must be positive: %d", dilation);
        Validate.isTrue(outputPadding >= 0, "output padding must not be negative: %d", outputPadding);
        if (outputPadding >= Math.max(stride, dilation)) {
            throw new IllegalArgumentException(
                    "output padding must be less than max(stride, dilation) = max(%d, %d): %d"
                            .formatted(stride, dilation, outputPadding));
        }
    }

    /** The axis that a problem of lower rank has in place of a missing one. */
    static final Axis UNIT = new Axis(1, 1, 1, 0, 0, 0);

    /**
     * Returns the span of the dilated kernel, {@code (kernel - 1) * dilation + 1}.
     *
     * @return the number of elements from the first tap to the last, both included
     */
    public long extent() {
        return (kernel - 1L) * dilation + 1;
    }

    /**
     * Returns the output size for an input size. This is the one place where the formula stands.
     *
     * @param inputSize the input size
     * @return {@code (inputSize - 1) * stride - padBegin - padEnd + extent + outputPadding}; not positive where nothing
     *     is left
     */
    public long outputSize(long inputSize) {
        return (inputSize - 1) * stride - padBegin - padEnd + extent() + outputPadding;
    }

    /**
     * Returns the largest input size whose output is not longer than {@code outputSize}. Without output padding it is the
     * size that the adjoint convolution makes of {@code outputSize}.
     *
     * @param outputSize the output size
     * @return the input size; not positive where there is none
     */
    public long inputSize(long outputSize) {
        return Math.floorDiv(outputSize - outputSize(1), stride) + 1;
    }

    Axis withOutputPadding(long padding) {
        return new Axis(kernel, stride, dilation, padBegin, padEnd, Math.toIntExact(padding));
    }

    Axis withPadding(long begin, long end) {
        return new Axis(kernel, stride, dilation, checkPadding(begin), checkPadding(end), outputPadding);
    }

    private static int checkPadding(long padding) {
        if (padding != (int) padding) {
            throw new IllegalArgumentException(
                    "padding must be between %d and %d: %d".formatted(Integer.MIN_VALUE, Integer.MAX_VALUE, padding));
        }
        return (int) padding;
    }

    // Those that Java makes for a record are linked at their first use, which takes a young process 20 ms.

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof Axis that
                && kernel == that.kernel
                && stride == that.stride
                && dilation == that.dilation
                && padBegin == that.padBegin
                && padEnd == that.padEnd
                && outputPadding == that.outputPadding;
    }

    @Override
    public int hashCode() {
        int hash = kernel;
        hash = 31 * hash + stride;
        hash = 31 * hash + dilation;
        hash = 31 * hash + padBegin;
        hash = 31 * hash + padEnd;
        return 31 * hash + outputPadding;
    }
}
