package io.github.tconv.op;

import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.apache.commons.lang3.Validate;
import org.jspecify.annotations.Nullable;

/**
 * A transposed convolution layer: everything that is known before the batch and the spatial sizes are.
 *
 * <p>The input is {@code (n, inChannels, spatial...)}, the weight {@code (inChannels, outChannels / groups, kernel...)},
 * the bias {@code (outChannels)} and the output {@code (n, outChannels, spatial...)}, the layouts of PyTorch's
 * {@code conv_transpose1d/2d/3d}. The mathematics per axis is at {@link Axis}; channel group {@code g} of the output sees
 * channel group {@code g} of the input only. Immutable.
 *
 * @param inChannels the input's channels, a positive multiple of {@code groups}
 * @param outChannels the output's channels, a positive multiple of {@code groups}
 * @param groups the independent channel groups, at least 1
 * @param axes the one to three spatial axes, outermost first: (width), (height, width) or (depth, height, width)
 */
public record TransposedConvolution(int inChannels, int outChannels, int groups, List<Axis> axes) {

    /**
     * Checks the rules named at the components.
     *
     * @param inChannels a positive multiple of {@code groups}
     * @param outChannels a positive multiple of {@code groups}
     * @param groups at least 1
     * @param axes one to three
     * @throws IllegalArgumentException if a rule is broken; the message states the rule and the value
     */
    public TransposedConvolution {
        axes = List.copyOf(axes);
        Validate.isTrue(axes.size() >= 1 && axes.size() <= 3, "rank must be 1, 2 or 3: %d", axes.size());
        Validate.isTrue(groups >= 1, "groups must be positive: %d", groups);
        checkChannels("input", inChannels, groups);
        checkChannels("output", outChannels, groups);
    }

    private static void checkChannels(String side, int channels, int groups) {
        Validate.isTrue(channels >= 1, side + " channels must be positive: %d", channels);
        if (channels % groups != 0) {
            throw new IllegalArgumentException(
                    "groups must divide the %s channels: %d does not divide %d".formatted(side, groups, channels));
        }
    }

    /**
     * Starts a layer over one spatial axis.
     *
     * @return a builder whose tensors are {@code (n, channels, width)}
     */
    public static LayerBuilder<TransposedConvolution> of1d() {
        return ofRank(1);
    }

    /**
     * Starts a layer over two spatial axes.
     *
     * @return a builder whose tensors are {@code (n, channels, height, width)}
     */
    public static LayerBuilder<TransposedConvolution> of2d() {
        return ofRank(2);
    }

    /**
     * Starts a layer over three spatial axes.
     *
     * @return a builder whose tensors are {@code (n, channels, depth, height, width)}
     */
    public static LayerBuilder<TransposedConvolution> of3d() {
        return ofRank(3);
    }

    /**
     * Starts a layer of a rank known at run time.
     *
     * @param rank the number of spatial axes, 1 to 3
     * @return a builder
     * @throws IllegalArgumentException if the rank is none of these
     */
    public static LayerBuilder<TransposedConvolution> ofRank(int rank) {
        return new LayerBuilder<>(rank, UnaryOperator.identity());
    }

    /**
     * Reads a layer from its descriptor, the inverse of {@link #toString()}.
     *
     * @param descriptor for instance {@code ic256_oc128_k4x4_s2x2_p1x1}
     * @return the layer
     * @throws IllegalArgumentException if the text is no descriptor of a layer
     */
    public static TransposedConvolution parse(String descriptor) {
        return Descriptor.parse(descriptor).layer();
    }

    /**
     * Returns the number of spatial axes.
     *
     * @return 1, 2 or 3
     */
    public int rank() {
        return axes.size();
    }

    /**
     * Returns the convolution whose matrix is the transpose of this layer's. It reads this layer's output and writes
     * this layer's input, and its weight {@code (its outChannels, its inChannels / groups, kernel...)} is the same
     * memory as this layer's weight.
     *
     * @return the adjoint layer
     */
    public Convolution adjoint() {
        return new Convolution(this);
    }

    /**
     * Returns the equivalent layer of rank 3: the missing outer axes have kernel and stride 1. The tensors are the same
     * memory.
     *
     * @return a layer of rank 3
     */
    public TransposedConvolution asRank3() {
        List<Axis> all = new java.util.ArrayList<>(java.util.Collections.nCopies(3 - rank(), Axis.UNIT));
        all.addAll(axes);
        return new TransposedConvolution(inChannels, outChannels, groups, all);
    }

    /**
     * Returns the shape of the weight.
     *
     * @return {@code (inChannels, outChannels / groups, kernel...)}
     */
    public int[] weightShape() {
        int[] shape = new int[2 + axes.size()];
        shape[0] = inChannels;
        shape[1] = outChannels / groups;
        for (int a = 0; a < axes.size(); a++) {
            shape[2 + a] = axes.get(a).kernel();
        }
        return shape;
    }

    /**
     * Fixes the batch and the spatial input sizes.
     *
     * @param batch the number of images, at least 1
     * @param inputSize the input's spatial sizes, one an axis, each at least 1
     * @return the problem
     * @throws IllegalArgumentException if there is no output, or a tensor would be too large
     */
    public Problem problem(int batch, int... inputSize) {
        return new Problem(this, batch, inputSize);
    }

    /**
     * Finds the problem with which this layer makes {@code outputSize}, whatever its own output padding: the input size
     * is the adjoint convolution's, and what remains becomes output padding.
     *
     * @param batch the number of images, at least 1
     * @param outputSize the output's spatial sizes, one an axis
     * @return a problem whose output sizes are {@code outputSize}
     * @throws IllegalArgumentException if no input reaches that output
     */
    public Problem problemOfOutput(int batch, int... outputSize) {
        checkCount("output size", outputSize);
        int[] inputSize = new int[rank()];
        for (int a = 0; a < rank(); a++) {
            long size = axes.get(a).withOutputPadding(0).inputSize(outputSize[a]);
            if (size < 1) {
                throw new IllegalArgumentException("the convolution has no output: %s of a size of %d is %d (layer %s)"
                        .formatted(Problem.axisName(rank(), a), outputSize[a], size, this));
            }
            if (size > Integer.MAX_VALUE) {
                throw new IllegalArgumentException(
                        "the convolution's output %s must be at most %d: %d for a size of %d (layer %s)"
                                .formatted(Problem.axisName(rank(), a), Integer.MAX_VALUE, size, outputSize[a], this));
            }
            inputSize[a] = (int) size;
        }
        return problemBetween(batch, inputSize, outputSize);
    }

    /**
     * Finds the problem with which this layer makes {@code outputSize}, its output padding as it is.
     *
     * @param batch the number of images, at least 1
     * @param outputSize the output's spatial sizes, one an axis
     * @return the problem of this layer whose output sizes are {@code outputSize}
     * @throws IllegalArgumentException if the layer makes no such output
     */
    public Problem problemMaking(int batch, int... outputSize) {
        checkCount("output size", outputSize);
        int[] inputSize = new int[rank()];
        for (int a = 0; a < rank(); a++) {
            Axis axis = axes.get(a);
            long size = axis.inputSize(outputSize[a]);
            if (size < 1 || size > Integer.MAX_VALUE || axis.outputSize(size) != outputSize[a]) {
                throw new IllegalArgumentException("output %s must be a size that the layer %s makes: %d"
                        .formatted(Problem.axisName(rank(), a), this, outputSize[a]));
            }
            inputSize[a] = (int) size;
        }
        return problem(batch, inputSize);
    }

    /**
     * Finds the problem that leads from one size to another, whatever this layer's own output padding.
     *
     * @param batch the number of images, at least 1
     * @param inputSize the input's spatial sizes, one an axis
     * @param outputSize the output's spatial sizes, one an axis
     * @return a problem with these sizes, its output padding set accordingly
     * @throws IllegalArgumentException if no valid output padding leads from the one to the other
     */
    public Problem problemBetween(int batch, int[] inputSize, int[] outputSize) {
        return withOutputSize(inputSize, outputSize).problem(batch, inputSize);
    }

    /**
     * Chooses the output padding that makes a certain output size, PyTorch's {@code output_size}.
     *
     * @param inputSize the input's spatial sizes, one an axis
     * @param outputSize the wanted spatial sizes, one an axis
     * @return the layer with that output padding
     * @throws IllegalArgumentException if the needed output padding is negative or not less than
     *     {@code max(stride, dilation)}
     */
    public TransposedConvolution withOutputSize(int[] inputSize, int[] outputSize) {
        checkCount("input size", inputSize);
        checkCount("output size", outputSize);
        return withAxes(a -> {
            Validate.isTrue(inputSize[a] >= 1, "input size must be positive: %d", inputSize[a]);
            Axis axis = axes.get(a);
            long least = axis.withOutputPadding(0).outputSize(inputSize[a]);
            long most = least + Math.max(axis.stride(), axis.dilation()) - 1;
            if (outputSize[a] < least || outputSize[a] > most) {
                throw new IllegalArgumentException(
                        "output %s must be between %d and %d for an input of %d (layer %s): %d"
                                .formatted(
                                        Problem.axisName(rank(), a), least, most, inputSize[a], this, outputSize[a]));
            }
            return axis.withOutputPadding(outputSize[a] - least);
        });
    }

    /**
     * Chooses the padding that makes a certain output size, ONNX's {@code output_shape}. This layer's own padding is
     * replaced; its output padding is kept and counts into the total, as {@link AutoPad} says.
     *
     * @param inputSize the input's spatial sizes, one an axis
     * @param outputSize the wanted spatial sizes, one an axis, at least 1; larger than natural makes the padding
     *     negative
     * @param autoPad which end gets the odd element
     * @return the layer with that padding
     * @throws IllegalArgumentException if a size is not positive
     */
    public TransposedConvolution withOutputShape(int[] inputSize, int[] outputSize, AutoPad autoPad) {
        checkCount("input size", inputSize);
        checkCount("output shape", outputSize);
        return withAxes(a -> {
            Validate.isTrue(inputSize[a] >= 1, "input size must be positive: %d", inputSize[a]);
            Validate.isTrue(outputSize[a] >= 1, "output shape must be positive: %d", outputSize[a]);
            Axis unpadded = axes.get(a).withPadding(0, 0);
            return autoPad.split(unpadded, unpadded.outputSize(inputSize[a]) - outputSize[a]);
        });
    }

    private TransposedConvolution withAxes(java.util.function.IntFunction<Axis> axis) {
        return new TransposedConvolution(
                inChannels,
                outChannels,
                groups,
                IntStream.range(0, rank()).mapToObj(axis).toList());
    }

    private void checkCount(String name, int[] values) {
        if (values.length != rank()) {
            throw new IllegalArgumentException(
                    "%s must have one value for each of the %d axes: %d".formatted(name, rank(), values.length));
        }
    }

    /**
     * Returns the layer's descriptor: {@code ic} and {@code oc} channels, {@code g} groups, {@code k} kernel,
     * {@code s} stride, {@code d} dilation, {@code p} padding at the beginning, {@code e} at the end, {@code op} output
     * padding, the axes joined by {@code x}. What is left out is 1 for groups, stride and dilation, 0 for padding and
     * output padding, and the beginning's padding for the end's.
     *
     * @return the descriptor, which {@link #parse} reads
     */
    @Override
    public String toString() {
        return Descriptor.of(this);
    }

    /** Not Java's own for the reason that {@link Axis} has. */
    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof TransposedConvolution that
                && inChannels == that.inChannels
                && outChannels == that.outChannels
                && groups == that.groups
                && axes.equals(that.axes);
    }

    @Override
    public int hashCode() {
        return 31 * (31 * (31 * inChannels + outChannels) + groups) + axes.hashCode();
    }
}
