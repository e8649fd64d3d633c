package io.github.tconv.op;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A dense float32 tensor in C order that stays where one backend computes, so that the next layer reads what the one
 * before wrote without a way through the host. Made by an {@code Engine}, and used with that engine only.
 *
 * <p>Close it to give its memory back; closing again does nothing, and closing the engine closes it too. A tensor that
 * is never closed is freed after the garbage collector found it, with a warning. The shape is immutable, the values are
 * not: calls that use one tensor run in the order in which they were made, whichever threads made them, and a tensor
 * that is closed serves the calls that were made before.
 */
public final class DeviceTensor implements Operand, AutoCloseable {
    private final Backend backend;
    private final int[] shape;
    private final int elements;
    private final @Nullable Tensor lent;
    private final Backend.Memory memory;
    private final Lifetime lifetime;

    /**
     * Makes a tensor over a backend's memory, which it then owns. Users have an {@code Engine} make it.
     *
     * @param backend whose memory it is
     * @param memory room for the elements, or the values of {@code lent}
     * @param lent the tensor whose memory may be used in place, or null
     * @param shape the sizes, outermost first, each at least 1
     */
    public DeviceTensor(Backend backend, Backend.Memory memory, @Nullable Tensor lent, int... shape) {
        this.backend = backend;
        this.shape = shape.clone();
        this.elements = Tensor.checkShape("device tensor", shape);
        this.lent = lent;
        this.memory = memory;
        this.lifetime = new Lifetime(this, toString(), Lifetime.Frequency.OFTEN, memory::isOpen, memory::close);
    }

    /**
     * Tells whose memory this is.
     *
     * @param other a backend
     * @return whether that backend computes with this tensor
     */
    public boolean isOn(Backend other) {
        return backend == other;
    }

    /**
     * Returns the memory, for its backend.
     *
     * @return what the backend made
     * @throws IllegalStateException if this is closed
     */
    public Backend.Memory memory() {
        checkOpen();
        return memory;
    }

    /**
     * Checks that this is open.
     *
     * @throws IllegalStateException if it is closed
     */
    public void checkOpen() {
        if (!lifetime.isOpen()) {
            throw new IllegalStateException("the device tensor is closed: " + this);
        }
    }

    @Override
    public int[] shape() {
        return shape.clone();
    }

    @Override
    public int rank() {
        return shape.length;
    }

    @Override
    public int size(int axis) {
        return shape[axis];
    }

    @Override
    public int elements() {
        return elements;
    }

    @Override
    public boolean hasShape(int... expected) {
        return Arrays.equals(shape, expected);
    }

    /**
     * Tells whether a write to one tensor may change another: this tensor itself, or the tensor that was lent for it.
     *
     * @param other another tensor
     * @return whether both may be over the same memory
     */
    @Override
    public boolean sharesMemoryWith(Operand other) {
        if (other instanceof DeviceTensor that) {
            return this == that || (lent != null && that.lent != null && lent.sharesMemoryWith(that.lent));
        }
        return lent != null && lent.sharesMemoryWith(other);
    }

    /** Gives the memory back, once the calls that were made with it are done. Idempotent. */
    @Override
    public void close() {
        lifetime.close();
    }

    /**
     * Returns the shape, not the values.
     *
     * @return for instance {@code float32(1, 3, 16, 16) on the device}
     */
    @Override
    public String toString() {
        return Tensor.describe(shape) + " on the device";
    }
}
