package io.github.tconv.cli;

import io.github.tconv.Engine;
import io.github.tconv.io.AtomicFile;
import io.github.tconv.io.InvalidFileException;
import io.github.tconv.io.Npy;
import io.github.tconv.op.Convolution;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Computes one operation from files into a file. Reads and checks everything before it opens a device. */
@Command(
        name = "run",
        description =
                "Computes a transposed convolution, a convolution or a gradient of .npy files (float32, C order).",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        sortSynopsis = false,
        footer = {
            "",
            "  forward          --input x --weight w [--bias b]     w (in, out/groups, kernel...)",
            "  convolution      --input x --weight w [--bias b]     w (out, in/groups, kernel...)",
            "  input-gradient   --grad gy --weight w",
            "  weight-gradient  --input x --grad gy --kernel k[,k]",
            "  bias-gradient    --grad gy                           the layer's options change nothing"
        })
final class RunCommand implements Runnable {
    @Spec
    @SuppressWarnings("NullAway.Init") // set by picocli
    private CommandSpec spec;

    @Option(
            names = "--op",
            paramLabel = "OPERATION",
            converter = Operation.Converter.class,
            description = "forward (default), convolution, input-gradient, weight-gradient or bias-gradient.")
    private Operation operation = Operation.FORWARD;

    @Option(names = "--input", paramLabel = "FILE", description = "Input (n, channels, spatial...).")
    private @Nullable Path input;

    @Option(names = "--weight", paramLabel = "FILE", description = "Weight, whose rank is the layer's plus 2.")
    private @Nullable Path weight;

    @Option(names = "--bias", paramLabel = "FILE", description = "Bias (out channels).")
    private @Nullable Path bias;

    @Option(names = "--grad", paramLabel = "FILE", description = "Gradient by the output.")
    private @Nullable Path grad;

    @Option(
            names = "--kernel",
            paramLabel = "N[,N]",
            converter = Numbers.Converter.class,
            description = "The kernel's size, for weight-gradient; elsewhere the weight says it.")
    private @Nullable Numbers kernel;

    @Option(names = "--output", paramLabel = "FILE", required = true, description = "The result, whole or not at all.")
    @SuppressWarnings("NullAway.Init") // set by picocli
    private Path output;

    @Mixin
    private final LayerOptions layer = new LayerOptions();

    @Mixin
    private final DeviceOption device = new DeviceOption();

    /**
     * A checked call that only misses its engine.
     *
     * @param problem the problem's descriptor
     * @param result the tensor to write
     * @param compute writes it
     */
    private record Call(String problem, Tensor result, Consumer<Engine> compute) {}

    @Override
    public void run() {
        operation.check(spec.commandLine().getParseResult().matchedOptions().stream()
                .map(OptionSpec::longestName)
                .toList());
        Call call = switch (operation) {
            case FORWARD -> forward();
            case CONVOLUTION -> convolution();
            case INPUT_GRADIENT -> inputGradient();
            case WEIGHT_GRADIENT -> weightGradient();
            case BIAS_GRADIENT -> biasGradient();
        };
        try (AtomicFile file = AtomicFile.create(output);
                Engine engine = device.open()) {
            long start = System.nanoTime();
            call.compute().accept(engine);
            double milliseconds = (System.nanoTime() - start) / 1e6;
            Npy.write(file, call.result());
            file.commit();
            spec.commandLine()
                    .getOut()
                    .println(String.format(
                            Locale.ROOT,
                            "%s %s on %s in %.1f ms: %s",
                            operation,
                            call.problem(),
                            engine.describe(),
                            milliseconds,
                            call.result()));
        } catch (IOException e) {
            throw InvalidFileException.unwritable(output, e);
        }
    }

    private Call forward() {
        Tensor w = weight();
        int rank = w.rank() - 2;
        Tensor x = read("input", input, rank);
        Tensor b = bias == null ? null : Npy.read(bias);
        TransposedConvolution natural = layer.build(TransposedConvolution.ofRank(rank)
                .channels(w.size(0), layer.allGroups("output", w.size(1)))
                .kernel(spatial(w)));
        Problem problem = layer.withWantedSize(natural, spatial(x)).problem(x.size(0), spatial(x));
        check("input", x, problem.inputShape());
        checkBias(b, problem.layer().outChannels());
        Tensor result = Tensor.zeros(problem.outputShape());
        return new Call(problem.toString(), result, engine -> engine.forward(problem, x, w, b, result));
    }

    private Call convolution() {
        Tensor w = weight();
        int rank = w.rank() - 2;
        Tensor x = read("input", input, rank);
        Tensor b = bias == null ? null : Npy.read(bias);
        Convolution convolution = layer.build(Convolution.ofRank(rank)
                .channels(layer.allGroups("input", w.size(1)), w.size(0))
                .kernel(spatial(w)));
        Problem problem = convolution.problem(x.size(0), spatial(x));
        check("input", x, problem.outputShape());
        checkBias(b, convolution.outChannels());
        Tensor result = Tensor.zeros(problem.inputShape());
        return new Call("adjoint of " + problem, result, engine -> engine.inputGradient(problem, x, w, b, result));
    }

    private Call inputGradient() {
        Tensor w = weight();
        int rank = w.rank() - 2;
        Tensor gy = read("grad", grad, rank);
        TransposedConvolution given = layer.build(TransposedConvolution.ofRank(rank)
                .channels(w.size(0), layer.allGroups("output", w.size(1)))
                .kernel(spatial(w)));
        Problem problem = layer.hasOutputPadding()
                ? given.problemMaking(gy.size(0), spatial(gy))
                : given.problemOfOutput(gy.size(0), spatial(gy));
        check("grad", gy, problem.outputShape());
        Tensor result = Tensor.zeros(problem.inputShape());
        return new Call(problem.toString(), result, engine -> engine.inputGradient(problem, gy, w, null, result));
    }

    private Call weightGradient() {
        Tensor x = read("input", input, 0);
        int rank = x.rank() - 2;
        Tensor gy = read("grad", grad, rank);
        TransposedConvolution given = layer.build(TransposedConvolution.ofRank(rank)
                .channels(x.size(1), gy.size(1))
                .kernel(Objects.requireNonNull(kernel).toArray()));
        Problem problem = layer.hasOutputPadding()
                ? given.problem(x.size(0), spatial(x))
                : given.problemBetween(x.size(0), spatial(x), spatial(gy));
        check("grad", gy, problem.outputShape());
        Tensor result = Tensor.zeros(problem.layer().weightShape());
        return new Call(problem.toString(), result, engine -> engine.weightGradient(problem, x, gy, result));
    }

    private Call biasGradient() {
        Tensor gy = read("grad", grad, 0);
        // Built only for its rules: an impossible layer has no gradient either.
        layer.build(TransposedConvolution.ofRank(gy.rank() - 2).channels(layer.groups(), gy.size(1)));
        Tensor result = Tensor.zeros(gy.size(1));
        return new Call("of " + gy, result, engine -> engine.biasGradient(gy, result));
    }

    private Tensor weight() {
        return read("weight", weight, 0);
    }

    /** Reads a tensor of a certain number of spatial axes, or of 1 to 3 if that is 0. */
    private static Tensor read(String name, @Nullable Path file, int rank) {
        Tensor tensor = Npy.read(Objects.requireNonNull(file));
        if (rank == 0 && (tensor.rank() < 3 || tensor.rank() > 5)) {
            throw new IllegalArgumentException(
                    "%s must have 3 to 5 axes, of which 1 to 3 are spatial: %s".formatted(name, tensor));
        }
        if (rank != 0 && tensor.rank() != rank + 2) {
            throw new IllegalArgumentException(
                    "%s must have %d axes (n, channels and %d spatial): %s".formatted(name, rank + 2, rank, tensor));
        }
        return tensor;
    }

    private static int[] spatial(Tensor tensor) {
        return Arrays.copyOfRange(tensor.shape(), 2, tensor.rank());
    }

    private static void check(String name, Tensor tensor, int[] shape) {
        if (!tensor.hasShape(shape)) {
            throw new IllegalArgumentException(
                    "%s must have shape %s: %s".formatted(name, Arrays.toString(shape), tensor));
        }
    }

    private static void checkBias(@Nullable Tensor bias, int channels) {
        if (bias != null && !bias.hasShape(channels)) {
            throw new IllegalArgumentException(
                    "bias must have one value for each of the %d channels: %s".formatted(channels, bias));
        }
    }
}
