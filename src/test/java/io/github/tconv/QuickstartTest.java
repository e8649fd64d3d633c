package io.github.tconv;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.io.Safetensors;
import io.github.tconv.network.Architecture;
import io.github.tconv.network.Network;
import io.github.tconv.network.Trainer;
import io.github.tconv.op.Convolution;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Loss;
import io.github.tconv.op.Optimizer;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The code of the README, which is this code. */
final class QuickstartTest {
    private static final Pattern JAVA = Pattern.compile("(?s)```java\n(.*?)```");

    private static Tensor ones(int... shape) {
        Tensor ones = Tensor.zeros(shape);
        for (int i = 0; i < ones.elements(); i++) {
            ones.set(i, 1);
        }
        return ones;
    }

    private static Tensor upsample(Tensor input, Tensor weight, Tensor bias) {
        // README: inference
        var layer = TransposedConvolution.of2d()
                .channels(256, 128)
                .kernel(4)
                .stride(2)
                .padding(1)
                .build();
        try (Engine engine = Tconv.open();
                Prepared prepared = engine.prepare(layer, weight, bias)) {
            System.out.println(engine.describe());
            return prepared.forward(input); // (n, 256, h, w) -> (n, 128, 2h, 2w)
        }
        // README: end
    }

    @Test
    void inferenceDoublesTheSize() {
        Tensor output = upsample(ones(2, 256, 3, 5), ones(256, 128, 4, 4), ones(128));
        assertArrayEquals(new int[] {2, 128, 6, 10}, output.shape());
        // A corner meets one tap of every channel's kernel, and the bias is added.
        assertEquals(256 + 1, output.get(0));
    }

    private static List<Tensor> gradients(Engine engine, TransposedConvolution layer, Tensor x, Tensor w, Tensor gy) {
        // README: training
        Tensor gx = engine.inputGradient(layer, gy, w); // of x's shape
        Tensor gw = engine.weightGradient(layer, x, gy); // of w's shape
        Tensor gb = engine.biasGradient(gy); // one value a channel of gy

        Convolution convolution = layer.adjoint(); // reads what the layer writes, with the same weight memory
        Tensor sameAsGx = engine.forward(convolution, gy, w, null);
        // README: end
        return List.of(gx, gw, gb, sameAsGx);
    }

    @Test
    void gradientsHaveTheShapesOfTheirTensors() {
        var layer =
                TransposedConvolution.of2d().channels(2, 3).kernel(4).stride(2).build();
        try (Engine engine = Tconv.open()) {
            List<Tensor> gradients = gradients(engine, layer, ones(1, 2, 4, 5), ones(2, 3, 4, 4), ones(1, 3, 10, 12));
            assertArrayEquals(new int[] {1, 2, 4, 5}, gradients.get(0).shape());
            assertArrayEquals(new int[] {2, 3, 4, 4}, gradients.get(1).shape());
            assertArrayEquals(new int[] {3}, gradients.get(2).shape());
            assertArrayEquals(gradients.get(0).toArray(), gradients.get(3).toArray());
        }
    }

    private static Tensor onTheDevice(Engine engine, Prepared first, Prepared second, Tensor input) {
        // README: device
        try (DeviceTensor x = engine.upload(input); // lent: on a processor the same memory, without a copy
                DeviceTensor hidden = first.forward(x);
                DeviceTensor y = second.forward(hidden)) {
            return engine.download(y); // waits
        }
        // README: end
    }

    @Test
    void tensorsStayOnTheDeviceBetweenLayers() {
        var layer = TransposedConvolution.of2d().kernel(2).stride(2).build();
        try (Engine engine = Tconv.open();
                Prepared prepared = engine.prepare(layer, ones(1, 1, 2, 2), null)) {
            Tensor output = onTheDevice(engine, prepared, prepared, ones(1, 1, 3, 2));
            assertArrayEquals(ones(1, 1, 12, 8).toArray(), output.toArray());
        }
    }

    private static Tensor network(Engine engine, Path file, Tensor input) {
        // README: network
        var up = Architecture.builder()
                .add(Convolution.of2d().channels(1, 16).kernel(5).padding(2).build())
                .addPrelu(16)
                .add(TransposedConvolution.of2d()
                        .channels(16, 1)
                        .kernel(4)
                        .stride(2)
                        .padding(1)
                        .build())
                .build();
        try (Network network = Network.of(engine, up, Safetensors.read(file).tensors())) {
            return network.forward(input); // (n, 1, h, w) -> (n, 1, 2h, 2w)
        }
        // README: end
    }

    private static double learn(
            Engine engine, Architecture up, Tensor input, Tensor target, Path checkpoint, Path file) {
        // README: learning
        try (var trainer = new Trainer(engine, up, up.randomWeights(1), new Optimizer.Adam(1e-3), Loss.L1)) {
            double loss = trainer.step(input, target); // moves all weights once
            trainer.save(checkpoint);
            Safetensors.write(file, trainer.weights(), Map.of());
            return loss;
        }
        // README: end
    }

    @Test
    void whatATrainerWroteANetworkReads(@TempDir Path folder) {
        var up = Architecture.builder()
                .add(Convolution.of2d().channels(1, 16).kernel(5).padding(2).build())
                .addPrelu(16)
                .add(TransposedConvolution.of2d()
                        .channels(16, 1)
                        .kernel(4)
                        .stride(2)
                        .padding(1)
                        .build())
                .build();
        try (Engine engine = Tconv.open()) {
            Path file = folder.resolve("weights");
            double loss = learn(engine, up, ones(2, 1, 5, 4), ones(2, 1, 10, 8), folder.resolve("checkpoint"), file);
            assertTrue(loss > 0 && loss < 100, "loss: " + loss);
            assertArrayEquals(
                    new int[] {1, 1, 12, 14},
                    network(engine, file, ones(1, 1, 6, 7)).shape());
        }
    }

    @Test
    void theReadmeShowsThisCode() throws IOException {
        String source = Files.readString(Path.of("src/test/java/io/github/tconv/QuickstartTest.java"));
        List<String> shown = Pattern.compile("(?s)// README: \\w+\n(.*?)\n +// README: end")
                .matcher(source)
                .results()
                .map(code -> code.group(1)
                        .lines()
                        .map(line -> line.replaceFirst("^ {8}", ""))
                        .collect(Collectors.joining("\n", "", "\n")))
                .toList();
        List<String> readme = JAVA.matcher(Files.readString(Path.of("README.md")))
                .results()
                .map(code -> code.group(1))
                .toList();
        assertEquals(5, shown.size());
        assertEquals(shown, readme);
    }
}
