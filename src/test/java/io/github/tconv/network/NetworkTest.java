package io.github.tconv.network;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.Engine;
import io.github.tconv.Tconv;
import io.github.tconv.op.Activation;
import io.github.tconv.op.Convolution;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Loss;
import io.github.tconv.op.Optimizer;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

final class NetworkTest {
    static Stream<String> engines() {
        return Networks.engines();
    }

    @ParameterizedTest
    @MethodSource("engines")
    void isItsLayersOneAfterAnother(String device) {
        Architecture architecture = Networks.piecewiseLinear();
        Map<String, Tensor> weights = Networks.wholeWeights(architecture, 1);
        Tensor input = Networks.whole(new Random(2), 3, 2, 7, 5);
        try (Engine engine = Tconv.open(device);
                Network network = Network.of(engine, architecture, weights)) {
            Tensor last = input;
            for (Layer layer : architecture.layers()) {
                last = byHand(engine, layer, weights, last);
            }
            assertArrayEquals(last.toArray(), network.forward(input).toArray());
            assertArrayEquals(last.shape(), network.forward(input).shape());
            // Another size, whose buffers are others, and the first again.
            network.forward(Networks.whole(new Random(3), 1, 2, 20, 3));
            assertArrayEquals(last.toArray(), network.forward(input).toArray());
        }
    }

    /** An activation first, and two after each other, which no convolution applies. */
    @ParameterizedTest
    @MethodSource("engines")
    void staysOnTheDeviceFromItsInputToItsOutput(String device) {
        Architecture architecture = Architecture.builder()
                .add(Activation.relu())
                .add(Convolution.of2d().channels(2, 4).groups(2).kernel(3, 2).build())
                .add(Activation.clamp(-3, 9))
                .addPrelu(4)
                .add(TransposedConvolution.of2d()
                        .channels(4, 1)
                        .kernel(2)
                        .stride(2)
                        .build())
                .build();
        Map<String, Tensor> weights = Networks.wholeWeights(architecture, 12);
        Tensor input = Networks.whole(new Random(13), 2, 2, 5, 4);
        try (Engine engine = Tconv.open(device);
                Network network = Network.of(engine, architecture, weights);
                DeviceTensor x = engine.upload(input)) {
            Tensor last = input;
            for (Layer layer : architecture.layers()) {
                last = byHand(engine, layer, weights, last);
            }
            assertArrayEquals(last.toArray(), network.forward(input).toArray());
            try (DeviceTensor y = network.forward(x)) {
                assertArrayEquals(last.toArray(), engine.download(y).toArray());
            }
            Tensor mixed = Tensor.zeros(last.shape());
            network.forward(x, mixed);
            assertArrayEquals(last.toArray(), mixed.toArray());
        }
    }

    private static Tensor byHand(Engine engine, Layer layer, Map<String, Tensor> weights, Tensor x) {
        if (layer instanceof Layer.Transposed t) {
            return engine.forward(t.layer(), x, weights.get(t.name() + ".weight"), weights.get(t.name() + ".bias"));
        }
        if (layer instanceof Layer.Convolved c) {
            return engine.forward(c.layer(), x, weights.get(c.name() + ".weight"), weights.get(c.name() + ".bias"));
        }
        Activation activation = layer instanceof Layer.Activated a
                ? a.activation()
                : Activation.prelu(weights.get(layer.name() + ".weight"));
        Tensor y = Tensor.zeros(x.shape());
        int plane = x.elements() / (x.size(0) * x.size(1));
        for (int i = 0; i < x.elements(); i++) {
            y.set(i, (float) activation.apply(x.get(i), i / plane % x.size(1)));
        }
        return y;
    }

    /** A piecewise linear function of whole numbers is linear in each value near it: the difference is exact. */
    @ParameterizedTest
    @MethodSource("engines")
    void gradientsAreDifferences(String device) {
        Architecture architecture = Networks.piecewiseLinear();
        Map<String, Tensor> weights = Networks.wholeWeights(architecture, 4);
        Tensor input = Networks.whole(new Random(5), 2, 2, 5, 4);
        float h = 1f / 512;
        try (Engine engine = Tconv.open(device);
                Engine exact = Tconv.open("reference")) {
            Tensor outputGradient;
            Gradients gradients;
            try (Network network = Network.of(engine, architecture, weights)) {
                outputGradient =
                        Networks.whole(new Random(6), network.forward(input).shape());
                gradients = network.gradients(input, outputGradient);
            }
            assertEquals(weights.keySet(), gradients.weights().keySet());
            Map<String, Tensor> values = new HashMap<>(weights);
            values.put("the input", input);
            Map<String, Tensor> all = new HashMap<>(gradients.weights());
            all.put("the input", gradients.input());
            int other = 0;
            for (String name : values.keySet()) {
                Tensor value = values.get(name);
                for (int i = 0; i < value.elements(); i++) {
                    float was = value.get(i);
                    value.set(i, was + h);
                    double above = product(exact, architecture, weights, input, outputGradient);
                    value.set(i, was - h);
                    double below = product(exact, architecture, weights, input, outputGradient);
                    value.set(i, was);
                    float gradient = all.get(name).get(i);
                    assertEquals((above - below) / (2 * h), gradient, name + " " + i + " on " + device);
                    other += gradient == 0 ? 0 : 1;
                }
            }
            assertTrue(other > 100, "gradients that are not zero: " + other);
        }
    }

    private static double product(
            Engine engine, Architecture architecture, Map<String, Tensor> weights, Tensor input, Tensor gradient) {
        try (Network network = Network.of(engine, architecture, weights)) {
            Tensor output = network.forward(input);
            double sum = 0;
            for (int i = 0; i < output.elements(); i++) {
                sum += (double) output.get(i) * gradient.get(i);
            }
            return sum;
        }
    }

    @ParameterizedTest
    @MethodSource("engines")
    void everyActivationHasItsDerivative(String device) {
        double h = 1e-3;
        Tensor x = Tensor.zeros(2, 3, 40);
        for (int i = 0; i < x.elements(); i++) {
            // From -3 to 3, further than h from the corners at 0, -0.5 and 1.
            x.set(i, (i - 120) * 0.025f + 0.0125f);
        }
        for (Activation activation : List.of(
                Activation.none(),
                Activation.relu(),
                Activation.leakyRelu(0.2f),
                Activation.prelu(Tensor.of(new float[] {0.1f, -0.3f, 2}, 3)),
                Activation.sigmoid(),
                Activation.tanh(),
                Activation.clamp(-0.5f, 1),
                Activation.silu())) {
            Tensor gradient = ones(device, activation, x);
            for (int i = 0; i < x.elements(); i++) {
                int channel = i / 40 % 3;
                double difference =
                        (activation.apply(x.get(i) + h, channel) - activation.apply(x.get(i) - h, channel)) / (2 * h);
                // h^2 / 6 times the third derivative, which is at most 2 (tanh at 0); and the rounding of a float.
                assertEquals(difference, gradient.get(i), h * h / 3 + 4e-7, activation + " at " + x.get(i));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("engines")
    void cornersHaveTheSlopeOfTheirLeft(String device) {
        Tensor x = Tensor.of(new float[] {0, -0.5f, 1}, 1, 1, 3);
        assertArrayEquals(
                new float[] {0, 0, 1}, ones(device, Activation.relu(), x).toArray());
        assertArrayEquals(
                new float[] {0.5f, 0.5f, 1},
                ones(device, Activation.leakyRelu(0.5f), x).toArray());
        assertArrayEquals(
                new float[] {1, 0, 1},
                ones(device, Activation.clamp(-0.5f, 1), x).toArray());
    }

    /** The gradient by x where that by the function's values is 1. */
    private static Tensor ones(String device, Activation activation, Tensor x) {
        Tensor gradient = Tensor.zeros(x.shape());
        for (int i = 0; i < x.elements(); i++) {
            gradient.set(i, 1);
        }
        try (Engine engine = Tconv.open(device)) {
            engine.elementwise().activationGradient(activation, x, gradient, gradient);
        }
        return gradient;
    }

    /** With variances whose roots are whole numbers, and scales of halves, all is exact. */
    @ParameterizedTest
    @MethodSource("engines")
    void batchNormalisationIsFolded(String device) {
        Architecture architecture = Architecture.builder()
                .prefix("main.")
                .addWithoutBias(TransposedConvolution.of2d()
                        .channels(4, 6)
                        .groups(2)
                        .kernel(2, 3)
                        .stride(2)
                        .build())
                .add(new Layer.Normalised("main.1", 6, 0))
                .add(Activation.relu())
                .add(Convolution.of2d().channels(6, 2).kernel(2, 1).build())
                .add(new Layer.Normalised("main.4", 2, 0))
                .build();
        Map<String, Tensor> weights = Networks.wholeWeights(architecture, 8);
        Random random = new Random(9);
        for (String layer : List.of("main.1", "main.4")) {
            Tensor variance = weights.get(layer + ".running_var");
            for (int c = 0; c < variance.elements(); c++) {
                variance.set(c, new float[] {1, 4, 0.25f}[random.nextInt(3)]);
            }
        }
        Tensor input = Networks.whole(random, 2, 4, 3, 4);
        try (Engine engine = Tconv.open(device);
                Network network = Network.of(engine, architecture, weights)) {
            Tensor x = normalise(byHand(engine, architecture.layers().get(0), weights, input), "main.1", weights);
            x = byHand(engine, architecture.layers().get(2), weights, x);
            x = normalise(byHand(engine, architecture.layers().get(3), weights, x), "main.4", weights);
            assertArrayEquals(x.toArray(), network.forward(input).toArray());
            Tensor gradient = Tensor.zeros(x.shape());
            assertMessage(
                    "a network with batch normalisation has no gradients here, its statistics are fixed: layer main.1",
                    () -> network.gradients(input, gradient));
            assertMessage(
                    "a network with batch normalisation has no gradients here, its statistics are fixed: layer main.1",
                    () -> new Trainer(engine, architecture, weights, new Optimizer.Adam(1), Loss.L1));
        }
    }

    private static Tensor normalise(Tensor x, String layer, Map<String, Tensor> weights) {
        Tensor y = Tensor.zeros(x.shape());
        int plane = x.elements() / (x.size(0) * x.size(1));
        for (int i = 0; i < x.elements(); i++) {
            int c = i / plane % x.size(1);
            double scale = weights.get(layer + ".weight").get(c)
                    / Math.sqrt(weights.get(layer + ".running_var").get(c));
            double mean = weights.get(layer + ".running_mean").get(c);
            y.set(i, (float)
                    ((x.get(i) - mean) * scale + weights.get(layer + ".bias").get(c)));
        }
        return y;
    }

    @Test
    void memoryIsTheLargestPairOfNeighbours() {
        // 1 -> 64 -> 1 -> 1 -> 64 -> 1 channels of 16 elements: not 65 + 65, and not twice the largest.
        Architecture architecture = Architecture.builder()
                .add(Convolution.of1d().channels(1, 64).build())
                .add(Activation.tanh())
                .add(Convolution.of1d().channels(64, 1).build())
                .add(Convolution.of1d().channels(1, 1).build())
                .add(Convolution.of1d().channels(1, 64).build())
                .add(Convolution.of1d().channels(64, 1).build())
                .build();
        try (Engine engine = Tconv.open("reference");
                Network network = Network.of(engine, architecture, architecture.randomWeights(1))) {
            assertEquals(4 * 16 * 65, network.workspaceBytes(1, 1, 16));
            assertEquals(4 * 16 * 65 * 10, network.workspaceBytes(10, 1, 16));
        }
    }

    @Test
    void weightsThatDoNotFitAreNamedWithTheirShapes() {
        Architecture architecture = Networks.piecewiseLinear();
        Map<String, Tensor> weights = new HashMap<>(architecture.randomWeights(1));
        weights.put("0.weight", Tensor.zeros(4, 2, 3, 2));
        weights.remove("1.weight");
        weights.put("9.weight", Tensor.zeros(7));
        try (Engine engine = Tconv.open("reference")) {
            assertMessage(
                    "weights must fit the network: 0.weight must be float32(4, 1, 3, 2): float32(4, 2, 3, 2); "
                            + "1.weight must be float32(4): missing; 9.weight belongs to no layer: float32(7)",
                    () -> Network.of(engine, architecture, weights));
        }
    }

    @Test
    void layersThatDoNotFitAreRefused() {
        Convolution two = Convolution.of2d().channels(2, 3).build();
        assertMessage(
                "layer 1 must read the 3 channels that the one before it writes: 2",
                () -> Architecture.builder().add(two).add(two).build());
        assertMessage(
                "layer 1 must read the 3 channels that the one before it writes: 4",
                () -> Architecture.builder().add(two).addPrelu(4).build());
        assertMessage(
                "layer 1 must have the 2 spatial axes of the ones before it: 1",
                () -> Architecture.builder()
                        .add(two)
                        .add(Convolution.of1d().channels(3, 3).build())
                        .build());
        assertMessage(
                "the names of a network's layers must differ: 0",
                () -> Architecture.builder()
                        .add(two)
                        .add(new Layer.Prelu("0", 3))
                        .build());
        assertMessage(
                "batch normalisation must follow a convolution or transposed convolution: layer 1",
                () -> Architecture.builder()
                        .addPrelu(2)
                        .addBatchNormalisation(2)
                        .add(two)
                        .build());
        assertMessage(
                "a network must have a convolution or transposed convolution: 1 other layers",
                () -> Architecture.builder().addPrelu(2).build());
        assertMessage(
                "the slopes of PReLU are weights of the network, its layer is Layer.Prelu: 0",
                () -> Architecture.builder().add(Activation.prelu(Tensor.zeros(2))));
    }

    @Test
    void inputsThatDoNotFitAreRefused() {
        Architecture architecture = Architecture.builder()
                .add(Convolution.of2d().channels(2, 1).kernel(3).build())
                .add(Convolution.of2d().kernel(3).build())
                .build();
        try (Engine engine = Tconv.open("reference")) {
            Network network = Network.of(engine, architecture, architecture.randomWeights(1));
            assertMessage(
                    "the input of the network must have 4 axes (n, 2 channels and 2 spatial): [1, 3, 9, 9]",
                    () -> network.forward(Tensor.zeros(1, 3, 9, 9)));
            assertMessage(
                    "the input of the network must have 4 axes (n, 2 channels and 2 spatial): [2, 9, 9]",
                    () -> network.forward(Tensor.zeros(2, 9, 9)));
            assertMessage(
                    "layer 1 must have an output for an input of [1, 2, 4, 9]: ",
                    () -> network.forward(Tensor.zeros(1, 2, 4, 9)));
            Tensor input = Tensor.zeros(1, 2, 9, 9);
            assertMessage(
                    "output must have shape [1, 1, 5, 5]: float32(1, 1, 5, 6)",
                    () -> network.forward(input, Tensor.zeros(1, 1, 5, 6)));
            assertMessage(
                    "output gradient must have the shape of the output [1, 1, 5, 5]: float32(1, 1, 5, 6)",
                    () -> network.gradients(input, Tensor.zeros(1, 1, 5, 6)));
            network.close();
            assertThrows(IllegalStateException.class, () -> network.forward(input));
        }
    }

    private static void assertMessage(String message, org.junit.jupiter.api.function.Executable call) {
        IllegalArgumentException refusal = assertThrows(IllegalArgumentException.class, call);
        assertTrue(
                refusal.getMessage().startsWith(message),
                () -> "expected: " + message + "\nbut: " + refusal.getMessage());
    }

    @Test
    void namesAreThoseOfPyTorch() {
        Architecture architecture = Architecture.builder()
                .prefix("main.")
                .addWithoutBias(
                        TransposedConvolution.of2d().channels(3, 2).kernel(4).build())
                .addBatchNormalisation(2)
                .add(Activation.relu())
                .add(Convolution.of2d().channels(2, 5).build())
                .addPrelu(5)
                .build();
        assertEquals(
                List.of(
                        "main.0.weight",
                        "main.1.weight",
                        "main.1.bias",
                        "main.1.running_mean",
                        "main.1.running_var",
                        "main.3.weight",
                        "main.3.bias",
                        "main.4.weight"),
                List.copyOf(architecture.parameters().keySet()));
        assertArrayEquals(new int[] {3, 2, 4, 4}, architecture.parameters().get("main.0.weight"));
        assertArrayEquals(new int[] {5, 2, 1, 1}, architecture.parameters().get("main.3.weight"));
    }
}
