package io.github.tconv.cli;

import io.github.tconv.op.AutoPad;
import io.github.tconv.op.LayerBuilder;
import io.github.tconv.op.TransposedConvolution;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The options that make the layer, for all operations. A value stands for all axes, or there is one an axis. */
final class LayerOptions {
    @Option(names = "--stride", paramLabel = "N[,N]", converter = Numbers.Converter.class, description = "Default 1.")
    private @Nullable Numbers stride;

    @Option(
            names = "--padding",
            paramLabel = "N[,N]",
            converter = Numbers.Converter.class,
            description = {
                "Default 0. One value, one an axis, or the beginnings of all axes followed by their ends.",
                "Negative padding adds elements."
            })
    private @Nullable Numbers padding;

    @Option(
            names = "--output-padding",
            paramLabel = "N[,N]",
            converter = Numbers.Converter.class,
            description = {
                "Default 0; for weight-gradient what leads from the input's size to the gradient's, and for"
                        + " input-gradient whatever of the gradient no input reaches.",
            })
    private @Nullable Numbers outputPadding;

    @Option(names = "--dilation", paramLabel = "N[,N]", converter = Numbers.Converter.class, description = "Default 1.")
    private @Nullable Numbers dilation;

    @Option(names = "--groups", paramLabel = "N", description = "Default 1.")
    private int groups = 1;

    @Option(
            names = "--auto-pad",
            paramLabel = "RULE",
            description = "ONNX's rule in place of --padding: ${COMPLETION-CANDIDATES}. Not for convolution.")
    private AutoPad autoPad = AutoPad.NOTSET;

    @Option(
            names = "--output-shape",
            paramLabel = "N[,N]",
            converter = Numbers.Converter.class,
            description = "ONNX's: chooses the padding that makes these output sizes. For forward.")
    private @Nullable Numbers outputShape;

    @Option(
            names = "--output-size",
            paramLabel = "N[,N]",
            converter = Numbers.Converter.class,
            description = "PyTorch's: chooses the output padding that makes these output sizes. For forward.")
    private @Nullable Numbers outputSize;

    /** Whether any of these options was given. */
    boolean areGiven() {
        return Stream.of(stride, padding, outputPadding, dilation, outputShape, outputSize)
                        .anyMatch(Objects::nonNull)
                || groups != 1
                || autoPad != AutoPad.NOTSET;
    }

    boolean hasOutputPadding() {
        return outputPadding != null;
    }

    int groups() {
        return groups;
    }

    /** The channels of all groups, given those of one. */
    int allGroups(String name, int channelsOfGroup) {
        long channels = (long) channelsOfGroup * groups;
        if (channels > Integer.MAX_VALUE) {
            throw new IllegalArgumentException("%s channels must be at most %d: %d times %d groups"
                    .formatted(name, Integer.MAX_VALUE, channelsOfGroup, groups));
        }
        return (int) channels;
    }

    /** Builds the layer without regard to a wanted output size. */
    <L> L build(LayerBuilder<L> builder) {
        builder.groups(groups).autoPad(autoPad);
        if (stride != null) {
            builder.stride(stride.toArray());
        }
        if (padding != null) {
            builder.padding(padding.toArray());
        }
        if (outputPadding != null) {
            builder.outputPadding(outputPadding.toArray());
        }
        if (dilation != null) {
            builder.dilation(dilation.toArray());
        }
        return builder.build();
    }

    /** Gives a layer the output size that the user wants, if any. */
    TransposedConvolution withWantedSize(TransposedConvolution layer, int[] inputSize) {
        if (outputShape != null) {
            exclude("--output-size", outputSize, "--output-shape");
            exclude("--padding", padding, "--output-shape");
            return layer.withOutputShape(inputSize, outputShape.forAxes(layer.rank()), autoPad);
        }
        if (outputSize != null) {
            exclude("--output-padding", outputPadding, "--output-size");
            return layer.withOutputSize(inputSize, outputSize.forAxes(layer.rank()));
        }
        return layer;
    }

    private static void exclude(String name, @Nullable Numbers value, String decisive) {
        if (value != null) {
            throw new IllegalArgumentException(
                    "%s must not be given together with %s, which decides it: %s".formatted(name, decisive, value));
        }
    }
}
