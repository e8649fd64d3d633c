package io.github.tconv.op;

/**
 * How padding is derived when it is not given, after ONNX {@code ConvTranspose} (operator set 11 and later).
 *
 * <p>With {@code total = stride * (input - 1) + outputPadding + extent - output}, an even total is halved. An odd one
 * has its surplus element at the end for {@link #SAME_UPPER} and at the beginning for everything else, as the equations
 * of the operator say; runtimes before 2022 had the sides exchanged. A negative total (an output larger than the natural
 * one) becomes negative padding by the same rule, where runtimes clamp it to zero and then return another shape than
 * the one asked for.
 */
public enum AutoPad {
    /** Padding is given explicitly. */
    NOTSET,
    /** No padding. */
    VALID,
    /**
     * The output is {@code input * stride} on every axis, the odd element at the end. Output padding counts into the
     * total and is cut off again, so that the size rule holds with it too, as in the operator's equations.
     */
    SAME_UPPER,
    /** The output is {@code input * stride} on every axis, the odd element at the beginning. */
    SAME_LOWER;

    boolean isSame() {
        return this == SAME_UPPER || this == SAME_LOWER;
    }

    /**
     * Splits a total padding over both ends of an axis.
     *
     * @param axis the axis whose padding is replaced
     * @param total the elements to cut off, negative to add
     * @return the axis with that padding
     */
    Axis split(Axis axis, long total) {
        long smaller = total / 2;
        long larger = total - smaller;
        return this == SAME_UPPER ? axis.withPadding(smaller, larger) : axis.withPadding(larger, smaller);
    }
}
