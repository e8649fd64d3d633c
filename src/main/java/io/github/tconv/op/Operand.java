package io.github.tconv.op;

/**
 * A float32 tensor that an operation reads or writes: a {@link Tensor} in the host's memory, or a {@link DeviceTensor}
 * where a backend computes. Both are dense and in C order, so an operation may mix them.
 */
public sealed interface Operand permits Tensor, DeviceTensor {
    /**
     * Returns the sizes.
     *
     * @return a new array, outermost first
     */
    int[] shape();

    /**
     * Returns the number of axes.
     *
     * @return at least 1
     */
    int rank();

    /**
     * Returns one size.
     *
     * @param axis the axis, 0 being the outermost
     * @return at least 1
     */
    int size(int axis);

    /**
     * Returns the number of elements.
     *
     * @return the product of all sizes
     */
    int elements();

    /**
     * Tells whether this tensor has a certain shape.
     *
     * @param expected the sizes, outermost first
     * @return whether all sizes are equal
     */
    boolean hasShape(int... expected);

    /**
     * Tells whether a write to one tensor may change another.
     *
     * @param other another tensor
     * @return whether both are over the same memory, as far as that is known
     */
    boolean sharesMemoryWith(Operand other);
}
