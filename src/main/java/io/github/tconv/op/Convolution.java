package io.github.tconv.op;

/**
 * A convolution layer (in the sense of the field: a cross-correlation), as the adjoint of a transposed convolution.
 *
 * <p>The input is {@code (n, inChannels, spatial...)}, the weight {@code (outChannels, inChannels / groups, kernel...)},
 * the bias {@code (outChannels)} and the output {@code (n, outChannels, spatial...)}, the layouts of PyTorch's
 * {@code conv1d/2d/3d}. Per axis {@code out = floor((in + padBegin + padEnd - extent) / stride) + 1}. Immutable.
 *
 * @param adjoint the transposed convolution whose matrix is the transpose of this layer's; the weight is the same memory
 */
public record Convolution(TransposedConvolution adjoint) {

    /**
     * Starts a layer over one spatial axis.
     *
     * @return a builder whose tensors are {@code (n, channels, width)}
     */
    public static LayerBuilder<Convolution> of1d() {
        return ofRank(1);
    }

    /**
     * Starts a layer over two spatial axes.
     *
     * @return a builder whose tensors are {@code (n, channels, height, width)}
     */
    public static LayerBuilder<Convolution> of2d() {
        return ofRank(2);
    }

    /**
     * Starts a layer over three spatial axes.
     *
     * @return a builder whose tensors are {@code (n, channels, depth, height, width)}
     */
    public static LayerBuilder<Convolution> of3d() {
        return ofRank(3);
    }

    /**
     * Starts a layer of a rank known at run time.
     *
     * @param rank the number of spatial axes, 1 to 3
     * @return a builder
     * @throws IllegalArgumentException if the rank is none of these
     */
    public static LayerBuilder<Convolution> ofRank(int rank) {
        return new LayerBuilder<>(
                rank,
                mirrored -> new Convolution(new TransposedConvolution(
                        mirrored.outChannels(), mirrored.inChannels(), mirrored.groups(), mirrored.axes())));
    }

    /**
     * Returns the number of channels that this layer reads.
     *
     * @return the adjoint's output channels
     */
    public int inChannels() {
        return adjoint.outChannels();
    }

    /**
     * Returns the number of channels that this layer writes.
     *
     * @return the adjoint's input channels
     */
    public int outChannels() {
        return adjoint.inChannels();
    }

    /**
     * Returns the number of independent channel groups.
     *
     * @return at least 1
     */
    public int groups() {
        return adjoint.groups();
    }

    /**
     * Returns the number of spatial axes.
     *
     * @return 1, 2 or 3
     */
    public int rank() {
        return adjoint.rank();
    }

    /**
     * Returns the shape of the weight.
     *
     * @return {@code (outChannels, inChannels / groups, kernel...)}
     */
    public int[] weightShape() {
        return adjoint.weightShape();
    }

    /**
     * Fixes the batch and the spatial sizes of this layer's input. The result is a problem of the adjoint, whose
     * <em>output</em> is what this layer reads.
     *
     * @param batch the number of images, at least 1
     * @param inputSize the spatial sizes of this layer's input, one an axis, each at least 1
     * @return the problem of the adjoint
     * @throws IllegalArgumentException if there is no output, or a tensor would be too large
     */
    public Problem problem(int batch, int... inputSize) {
        return adjoint.problemOfOutput(batch, inputSize);
    }

    /**
     * Returns {@code conv_} and the channels as this layer sees them, otherwise as
     * {@link TransposedConvolution#toString()}.
     *
     * @return the descriptor
     */
    @Override
    public String toString() {
        return "conv_"
                + new TransposedConvolution(
                        adjoint.outChannels(), adjoint.inChannels(), adjoint.groups(), adjoint.axes());
    }
}
