package io.github.tconv.op;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A layer together with a batch and spatial sizes: all that determines the work of one call. Both directions of a layer
 * are the same problem, so a {@link Convolution} has one too: that of its adjoint. Immutable.
 */
public final class Problem {
    private static final List<String> AXIS_NAMES = List.of("depth", "height", "width");

    private final TransposedConvolution layer;
    private final int batch;
    private final int[] inputSize;
    private final int[] outputSize;

    /** The same of rank 3, once somebody has asked. */
    private volatile @Nullable Problem rank3;

    Problem(TransposedConvolution layer, int batch, int[] inputSize) {
        if (batch < 1) {
            throw new IllegalArgumentException("batch must be positive: " + batch);
        }
        if (inputSize.length != layer.rank()) {
            throw new IllegalArgumentException("input size must have one value for each of the %d axes: %d"
                    .formatted(layer.rank(), inputSize.length));
        }
        this.layer = layer;
        this.batch = batch;
        this.inputSize = inputSize.clone();
        this.outputSize = new int[layer.rank()];
        for (int a = 0; a < layer.rank(); a++) {
            String name = axisName(layer.rank(), a);
            if (inputSize[a] < 1) {
                throw new IllegalArgumentException("input %s must be positive: %d".formatted(name, inputSize[a]));
            }
            long size = layer.axes().get(a).outputSize(inputSize[a]);
            if (size < 1) {
                throw new IllegalArgumentException("output %s must be positive: %d for an input of %d (layer %s)"
                        .formatted(name, size, inputSize[a], layer));
            }
            if (size > Integer.MAX_VALUE) {
                throw new IllegalArgumentException("output %s must be at most %d: %d for an input of %d (layer %s)"
                        .formatted(name, Integer.MAX_VALUE, size, inputSize[a], layer));
            }
            outputSize[a] = (int) size;
        }
        Tensor.checkShape("input", inputShape());
        Tensor.checkShape("weight", layer.weightShape());
        Tensor.checkShape("output", outputShape());
    }

    /**
     * Reads a problem from its descriptor, the inverse of {@link #toString()}.
     *
     * @param descriptor for instance {@code n8_ic256_oc128_i16x16_k4x4_s2x2_p1x1}
     * @return the problem
     * @throws IllegalArgumentException if the text is no descriptor of a problem
     */
    public static Problem parse(String descriptor) {
        return Descriptor.parse(descriptor).problem();
    }

    static String axisName(int rank, int axis) {
        return AXIS_NAMES.get(AXIS_NAMES.size() - rank + axis);
    }

    /**
     * Returns the layer.
     *
     * @return the layer, its output padding being this problem's
     */
    public TransposedConvolution layer() {
        return layer;
    }

    /**
     * Returns the number of images.
     *
     * @return at least 1
     */
    public int batch() {
        return batch;
    }

    /**
     * Returns a spatial size of the layer's input.
     *
     * @param axis the axis, 0 being the outermost
     * @return at least 1
     */
    public int inputSize(int axis) {
        return inputSize[axis];
    }

    /**
     * Returns a spatial size of the layer's output.
     *
     * @param axis the axis, 0 being the outermost
     * @return at least 1
     */
    public int outputSize(int axis) {
        return outputSize[axis];
    }

    /**
     * Returns the shape of the layer's input.
     *
     * @return {@code (batch, inChannels, spatial...)}
     */
    public int[] inputShape() {
        return shape(layer.inChannels(), inputSize);
    }

    /**
     * Returns the shape of the layer's output.
     *
     * @return {@code (batch, outChannels, spatial...)}
     */
    public int[] outputShape() {
        return shape(layer.outChannels(), outputSize);
    }

    /**
     * Tells whether a shape is the input's, without making an array.
     *
     * @param tensor the tensor whose shape is asked for
     * @return whether it is {@code (batch, inChannels, spatial...)}
     */
    public boolean hasInput(Operand tensor) {
        return matches(tensor, layer.inChannels(), inputSize);
    }

    /**
     * Tells whether a shape is the output's, without making an array.
     *
     * @param tensor the tensor whose shape is asked for
     * @return whether it is {@code (batch, outChannels, spatial...)}
     */
    public boolean hasOutput(Operand tensor) {
        return matches(tensor, layer.outChannels(), outputSize);
    }

    private boolean matches(Operand tensor, int channels, int[] spatial) {
        boolean same = tensor.rank() == spatial.length + 2 && tensor.size(0) == batch && tensor.size(1) == channels;
        for (int a = 0; same && a < spatial.length; a++) {
            same = tensor.size(a + 2) == spatial[a];
        }
        return same;
    }

    private int[] shape(int channels, int[] spatial) {
        int[] shape = new int[spatial.length + 2];
        shape[0] = batch;
        shape[1] = channels;
        System.arraycopy(spatial, 0, shape, 2, spatial.length);
        return shape;
    }

    /**
     * Returns the equivalent problem of rank 3: the missing outer axes have size, kernel and stride 1. The tensors are
     * the same memory.
     *
     * @return a problem of rank 3
     */
    public Problem asRank3() {
        int missing = 3 - layer.rank();
        if (missing == 0) {
            return this;
        }
        Problem known = rank3;
        if (known == null) {
            int[] size = new int[3];
            Arrays.fill(size, 0, missing, 1);
            System.arraycopy(inputSize, 0, size, missing, inputSize.length);
            known = layer.asRank3().problem(batch, size);
            rank3 = known;
        }
        return known;
    }

    /**
     * Returns the work of one call by the usual count: two operations for each input element and each weight it meets,
     * those that padding cuts off included.
     *
     * @return {@code 2 * batch * inChannels * outChannels / groups * product(input) * product(kernel)}
     */
    public double flops() {
        double flops = 2.0 * batch * layer.inChannels() * layer.outChannels() / layer.groups();
        for (int a = 0; a < layer.rank(); a++) {
            flops *= (double) inputSize[a] * layer.axes().get(a).kernel();
        }
        return flops;
    }

    @Override
    public boolean equals(Object other) {
        if (this == other) {
            return true;
        }
        return other instanceof Problem that
                && layer.equals(that.layer)
                && batch == that.batch
                && Arrays.equals(inputSize, that.inputSize);
    }

    @Override
    public int hashCode() {
        return 31 * (31 * layer.hashCode() + batch) + Arrays.hashCode(inputSize);
    }

    /**
     * Returns the problem's descriptor: {@code n} batch (left out if 1), the layer's, with {@code i} input sizes.
     *
     * @return the descriptor, which {@link #parse} reads
     */
    @Override
    public String toString() {
        return Descriptor.of(this);
    }
}
