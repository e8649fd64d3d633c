package io.github.tconv.verify;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.Engine;
import io.github.tconv.Tconv;
import io.github.tconv.io.Npy;
import io.github.tconv.op.Convolution;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.AfterParameterizedClassInvocation;
import org.junit.jupiter.params.BeforeParameterizedClassInvocation;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.MethodSource;

/** Every engine against PyTorch's numbers, which {@code src/test/python/golden.py} wrote. */
@ParameterizedClass(name = "{0}")
@MethodSource("io.github.tconv.EnginesPresent#names")
class GoldenTest {
    private static final Path FOLDER = Path.of("src/test/resources/golden");
    private static final double U = 0x1p-24;

    private static final Engine ORACLE = Tconv.open("reference");
    private static Engine engine = ORACLE;

    @SuppressWarnings("unused") // Shown in the name of the tests; the engine is open before.
    GoldenTest(String name) {}

    @BeforeParameterizedClassInvocation
    static void open(String name) {
        engine = Tconv.open(name);
    }

    @AfterParameterizedClassInvocation
    static void close() {
        engine.close();
    }

    @AfterAll
    static void closeOracle() {
        ORACLE.close();
    }

    /** What is compared: the name of the file, and the check whose sums are as long. */
    private enum Quantity {
        OUTPUT("output", Check.BIAS, Check.CONVOLUTION),
        INPUT_GRADIENT("input-gradient", Check.INPUT_GRADIENT, Check.FORWARD),
        WEIGHT_GRADIENT("weight-gradient", Check.WEIGHT_GRADIENT, Check.WEIGHT_GRADIENT),
        // That of a convolution sums over what the transposed convolution reads, as its weight gradient does.
        BIAS_GRADIENT("bias-gradient", Check.BIAS_GRADIENT, Check.WEIGHT_GRADIENT);

        final String file;
        final Check transposed;
        final Check convolution;

        Quantity(String file, Check transposed, Check convolution) {
            this.file = file;
            this.transposed = transposed;
            this.convolution = convolution;
        }
    }

    /** A line of the manifest. */
    private record Case(String number, boolean transposed, boolean integers, Problem problem) {
        static Case parse(String line) {
            String[] words = line.split(" ", -1);
            return new Case(
                    words[0], words[1].equals("transposed"), words[2].equals("integers"), Problem.parse(words[3]));
        }

        Tensor file(String name) {
            return Npy.read(FOLDER.resolve(number + "-" + name + ".npy"));
        }

        /** Computes by the library's face for layers, each operand being what {@code of} makes of the file's. */
        Tensor compute(Engine on, Quantity quantity, UnaryOperator<Tensor> of) {
            Tensor input = of.apply(file("input"));
            Tensor weight = of.apply(file("weight"));
            Tensor bias = of.apply(file("bias"));
            Tensor outputGradient = of.apply(file("output-gradient"));
            TransposedConvolution layer = problem.layer();
            Convolution convolution = layer.adjoint();
            int[] inputSize = Arrays.copyOfRange(input.shape(), 2, input.rank());
            return switch (quantity) {
                case OUTPUT ->
                    transposed ? on.forward(layer, input, weight, bias) : on.forward(convolution, input, weight, bias);
                case INPUT_GRADIENT ->
                    transposed
                            ? on.inputGradient(layer, outputGradient, weight)
                            : on.inputGradient(convolution, outputGradient, weight, inputSize);
                case WEIGHT_GRADIENT ->
                    transposed
                            ? on.weightGradient(layer, input, outputGradient)
                            : on.weightGradient(convolution, input, outputGradient);
                case BIAS_GRADIENT -> on.biasGradient(outputGradient);
            };
        }

        @Override
        public String toString() {
            return "%s %s %s".formatted(number, transposed ? "transposed" : "convolution", problem);
        }
    }

    @TestFactory
    Stream<DynamicNode> pyTorchHasTheSameNumbers() throws IOException {
        List<String> manifest = Files.readAllLines(FOLDER.resolve("manifest.txt"));
        return manifest.stream()
                .map(Case::parse)
                .map(golden -> DynamicContainer.dynamicContainer(
                        golden.toString(),
                        Stream.of(Quantity.values())
                                .map(quantity ->
                                        DynamicTest.dynamicTest(quantity.file, () -> compare(golden, quantity)))));
    }

    private static void compare(Case golden, Quantity quantity) {
        Tensor expected = golden.file(quantity.file);
        Tensor actual = golden.compute(engine, quantity, Tensor::copy);
        assertArrayEquals(expected.shape(), actual.shape());

        Tensor magnitudes = golden.compute(ORACLE, quantity, GoldenTest::absolute);
        Check check = golden.transposed ? quantity.transposed : quantity.convolution;
        // A sum of k products here, one rounding of PyTorch's double there, one of the magnitudes.
        double k = check.terms(golden.problem) + 2;
        double gamma = golden.integers ? 0 : k * U / (1 - k * U);
        for (int i = 0; i < expected.elements(); i++) {
            assertTrue(!golden.integers || magnitudes.get(i) < 0x1p24, "not exact");
            double error = Math.abs((double) actual.get(i) - expected.get(i));
            assertTrue(
                    error <= gamma * magnitudes.get(i),
                    "element %d: expected %s, got %s".formatted(i, expected.get(i), actual.get(i)));
        }
    }

    private static Tensor absolute(Tensor tensor) {
        Tensor absolute = tensor.copy();
        for (int i = 0; i < absolute.elements(); i++) {
            absolute.set(i, Math.abs(absolute.get(i)));
        }
        return absolute;
    }
}
