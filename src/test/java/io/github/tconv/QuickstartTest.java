package io.github.tconv;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.tconv.op.Convolution;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

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
        assertEquals(2, shown.size());
        assertEquals(shown, readme);
    }
}
