package io.github.tconv.op;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;

/**
 * A dense float32 tensor in C order (the last axis varies fastest), in native memory outside the Java heap so that a
 * device can use it in place.
 *
 * <p>The memory belongs to the tensor, is aligned to 64 bytes unless it was {@linkplain #wrap wrapped}, and is freed by
 * the garbage collector. The shape is immutable, the values are not: a tensor may be shared between threads that only
 * read it.
 */
public final class Tensor implements Operand {
    /** The most elements a tensor can have: a Java buffer addresses less than 2 GiB, of which some go to alignment. */
    public static final long MAX_ELEMENTS = (Integer.MAX_VALUE - 2 * Tensor.ALIGNMENT_BYTES) / Float.BYTES;

    private static final int ALIGNMENT_BYTES = 64;

    private final int[] shape;
    private final ByteBuffer memory;
    private final FloatBuffer floats;
    /** Stands for the memory: the same object in all tensors that were made over it. */
    private final Object owner;

    private Tensor(int[] shape, ByteBuffer memory, Object owner) {
        this.shape = shape;
        this.memory = memory;
        this.owner = owner;
        this.floats = memory.asFloatBuffer();
    }

    /**
     * Makes a tensor of zeros.
     *
     * @param shape the sizes, outermost first, each at least 1
     * @return a new tensor
     * @throws IllegalArgumentException if a size is not positive or there are more than {@link #MAX_ELEMENTS}
     */
    public static Tensor zeros(int... shape) {
        int bytes = checkShape("tensor", shape) * Float.BYTES;
        // An aligned slice loses up to one alignment at either end.
        ByteBuffer memory = ByteBuffer.allocateDirect(bytes + 2 * ALIGNMENT_BYTES)
                .alignedSlice(ALIGNMENT_BYTES)
                .slice(0, bytes)
                .order(ByteOrder.nativeOrder());
        return new Tensor(shape.clone(), memory, new Object());
    }

    /**
     * Makes a tensor of the given values.
     *
     * @param values the values in C order, which are copied
     * @param shape the sizes, outermost first, each at least 1
     * @return a new tensor
     * @throws IllegalArgumentException if the shape is impossible or has another number of elements
     */
    public static Tensor of(float[] values, int... shape) {
        checkCount(checkShape("tensor", shape), values.length, shape);
        Tensor tensor = zeros(shape);
        tensor.floats.put(0, values);
        return tensor;
    }

    /**
     * Makes a tensor over memory of the caller's, without a copy. Writes through either are seen by the other; the
     * buffer's position and limit are taken now and not touched.
     *
     * @param memory a direct buffer in native byte order, whose remaining bytes are the values in C order
     * @param shape the sizes, outermost first, each at least 1
     * @return a tensor over that memory
     * @throws IllegalArgumentException if the buffer is not direct, of the wrong order, or of another length
     */
    public static Tensor wrap(ByteBuffer memory, int... shape) {
        if (!memory.isDirect() || memory.isReadOnly()) {
            throw new IllegalArgumentException("a tensor's buffer must be direct and writable: " + memory);
        }
        if (memory.order() != ByteOrder.nativeOrder()) {
            throw new IllegalArgumentException("a tensor's buffer must be in native byte order: " + memory.order());
        }
        long elements = checkShape("tensor", shape);
        if (memory.remaining() != elements * Float.BYTES) {
            throw new IllegalArgumentException("a tensor of shape %s must have %d bytes: %d"
                    .formatted(Arrays.toString(shape), elements * Float.BYTES, memory.remaining()));
        }
        ByteBuffer view = memory.slice().order(ByteOrder.nativeOrder());
        return new Tensor(shape.clone(), view, memory);
    }

    /**
     * Counts the elements of a shape.
     *
     * @param shape the sizes, outermost first, each at least 1
     * @return the number of elements
     * @throws IllegalArgumentException if a size is not positive or there are more than {@link #MAX_ELEMENTS}
     */
    public static int elementsOf(int... shape) {
        return checkShape("tensor", shape);
    }

    /**
     * Checks that a tensor of a shape can exist.
     *
     * @param name what the tensor is, for the message
     * @param shape the sizes
     * @return the number of elements
     */
    static int checkShape(String name, int... shape) {
        if (shape.length == 0) {
            throw new IllegalArgumentException(name + " must have at least one axis: 0");
        }
        long elements = 1;
        for (int size : shape) {
            if (size < 1) {
                throw new IllegalArgumentException(
                        "%s sizes must be positive: %s".formatted(name, Arrays.toString(shape)));
            }
            // At most 2^29 * 2^31 before the check, which 64 bits hold.
            elements *= size;
            if (elements > MAX_ELEMENTS) {
                throw new IllegalArgumentException("%s must have at most %d elements (2 GiB): shape %s"
                        .formatted(name, MAX_ELEMENTS, Arrays.toString(shape)));
            }
        }
        return (int) elements;
    }

    private static void checkCount(long expected, long actual, int[] shape) {
        if (expected != actual) {
            throw new IllegalArgumentException(
                    "a tensor of shape %s must have %d values: %d".formatted(Arrays.toString(shape), expected, actual));
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
        return floats.capacity();
    }

    @Override
    public boolean hasShape(int... expected) {
        return Arrays.equals(shape, expected);
    }

    /**
     * Tells whether two tensors are over the same memory: one made of the other by {@link #reshape}, or both of the same
     * buffer by {@link #wrap}. Slices of one buffer that overlap are not noticed.
     *
     * @param other another tensor
     * @return whether a write to one may change the other
     */
    @Override
    public boolean sharesMemoryWith(Operand other) {
        return other instanceof Tensor that ? owner == that.owner : other.sharesMemoryWith(this);
    }

    /**
     * Gives the same memory another shape.
     *
     * @param newShape sizes with the same product
     * @return a tensor over this tensor's memory
     * @throws IllegalArgumentException if the number of elements differs
     */
    public Tensor reshape(int... newShape) {
        checkCount(checkShape("tensor", newShape), elements(), newShape);
        return new Tensor(newShape.clone(), memory, owner);
    }

    /**
     * Returns one value.
     *
     * @param index its place in C order
     * @return the value
     * @throws IndexOutOfBoundsException if there is no such place
     */
    public float get(int index) {
        return floats.get(index);
    }

    /**
     * Sets one value.
     *
     * @param index its place in C order
     * @param value the value
     * @throws IndexOutOfBoundsException if there is no such place
     */
    public void set(int index, float value) {
        floats.put(index, value);
    }

    /**
     * Returns the values as a buffer over this tensor's memory.
     *
     * @return a new view from the first value to the last, its position 0
     */
    public FloatBuffer floats() {
        return floats.duplicate();
    }

    /**
     * Returns the memory as bytes, for backends and file formats.
     *
     * @return a new view in native order, its position 0
     */
    public ByteBuffer memory() {
        return memory.duplicate().order(ByteOrder.nativeOrder());
    }

    /**
     * Copies the values out.
     *
     * @return a new array in C order
     */
    public float[] toArray() {
        float[] values = new float[elements()];
        floats.get(0, values);
        return values;
    }

    /**
     * Copies this tensor.
     *
     * @return a tensor of the same shape and values in memory of its own
     */
    public Tensor copy() {
        Tensor copy = zeros(shape);
        copy.floats.put(0, floats, 0, elements());
        return copy;
    }

    /**
     * Returns the shape, not the values.
     *
     * @return for instance {@code float32(1, 3, 16, 16)}
     */
    @Override
    public String toString() {
        return describe(shape);
    }

    static String describe(int[] shape) {
        return "float32" + Arrays.toString(shape).replace('[', '(').replace(']', ')');
    }
}
