package io.github.tconv.picture;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.Engine;
import io.github.tconv.EnginesPresent;
import io.github.tconv.Tconv;
import io.github.tconv.io.InvalidFileException;
import io.github.tconv.io.Picture;
import io.github.tconv.io.Safetensors;
import io.github.tconv.network.Network;
import io.github.tconv.op.Tensor;
import io.github.tconv.picture.DetailTraining.Settings;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

final class DetailUpscalerTest {
    @TempDir
    Path folder;

    static Stream<String> devices() {
        return EnginesPresent.names().stream();
    }

    /** A model whose detail is large enough to be seen. */
    private static DetailModel model() {
        DetailModel model = DetailModel.random(6, 3, 1, Filter.BICUBIC, 11);
        Map<String, Tensor> weights = new HashMap<>();
        model.weights().forEach((name, tensor) -> weights.put(name, tensor.copy()));
        Tensor last = weights.get("8.weight");
        for (int i = 0; i < last.elements(); i++) {
            last.set(i, 30 * last.get(i));
        }
        return model.with(weights);
    }

    private static int[] samples(Picture picture) {
        int[] all = new int[picture.width() * picture.height() * picture.channels()];
        int[] row = new int[picture.width() * picture.channels()];
        for (int y = 0; y < picture.height(); y++) {
            picture.row(y, row);
            System.arraycopy(row, 0, all, y * row.length, row.length);
        }
        return all;
    }

    @ParameterizedTest
    @MethodSource("devices")
    void tilesDoNotShow(String device) {
        SamplePicture picture = SamplePicture.random(23, 17, 3, 255, 1);
        try (Engine engine = Tconv.open(device);
                DetailUpscaler upscaler = new DetailUpscaler(engine, model())) {
            int[] whole = samples(upscaler.upscale(picture, 17, 23));
            assertArrayEquals(whole, samples(upscaler.upscale(picture, 5, 7)));
            assertArrayEquals(whole, samples(upscaler.upscale(picture, 1, 23)));
            assertArrayEquals(whole, samples(upscaler.upscale(picture)));
        }
    }

    /** By the definition: the network over the picture with its edge repeated, added to the filter's picture. */
    @ParameterizedTest
    @MethodSource("devices")
    void addsDetailToAllColoursAlike(String device) {
        SamplePicture picture = SamplePicture.random(9, 7, 3, 65_535, 2);
        DetailModel model = model();
        try (Engine engine = Tconv.open(device);
                Upscaler filter = new Upscaler(engine, Filter.BICUBIC, 2);
                Network network = Network.of(engine, model.architecture(), model.weights());
                DetailUpscaler upscaler = new DetailUpscaler(engine, model)) {
            int border = model.border();
            Tensor input = Tensor.zeros(1, 1, 7 + 2 * border, 9 + 2 * border);
            float[] luma = Luma.of(picture);
            for (int i = 0; i < input.elements(); i++) {
                int y = Math.max(0, Math.min(i / input.size(3) - border, 6));
                int x = Math.max(0, Math.min(i % input.size(3) - border, 8));
                input.set(i, luma[y * 9 + x]);
            }
            Tensor detail = network.forward(input);
            assertArrayEquals(new int[] {1, 1, 14, 18}, detail.shape());
            int[] plain = samples(filter.upscale(picture));
            int[] actual = samples(upscaler.upscale(picture));
            int changed = 0;
            for (int i = 0; i < plain.length; i++) {
                double expected = Math.max(0, Math.min(plain[i] + 65_535.0 * detail.get(i / 3), 65_535));
                // Half a sample of rounding, and that of a float32 of a sample's size.
                assertEquals(expected, actual[i], 0.5 + 0.01, "sample " + i);
                changed += Math.abs(actual[i] - plain[i]) > 600 ? 1 : 0;
            }
            assertTrue(changed > plain.length / 4, "changed: " + changed);
        }
    }

    @Test
    void takesGreyAlphaAndPicturesSmallerThanTheReceptiveField() {
        try (Engine engine = Tconv.open("reference");
                DetailUpscaler upscaler = new DetailUpscaler(engine, model())) {
            for (int channels = 1; channels <= 4; channels++) {
                SamplePicture one = SamplePicture.filled(1, 1, channels, 255, () -> 200);
                Picture large = upscaler.upscale(one);
                assertEquals(2, large.width());
                assertEquals(2, large.height());
                assertEquals(channels, large.channels());
                int[] samples = samples(large);
                if (large.hasAlpha()) {
                    assertEquals(200, samples[channels - 1]);
                }
            }
            Picture hidden = upscaler.upscale(new SamplePicture(1, 1, 2, 255, 200, 0));
            assertArrayEquals(new int[8], samples(hidden));
        }
    }

    @Test
    void isReadAsItWasWritten() {
        Path file = folder.resolve("m.safetensors");
        DetailModel model = model();
        model.write(file);
        DetailModel read = DetailModel.read(file.toString());
        assertEquals(model.border(), read.border());
        assertEquals(model.filter(), read.filter());
        assertEquals(model.architecture().toString(), read.architecture().toString());
        model.weights()
                .forEach((name, tensor) ->
                        assertEquals(tensor.memory(), read.weights().get(name).memory()));
    }

    @Test
    void whatIsNoModelIsRefused() throws IOException {
        Path file = folder.resolve("m.safetensors");
        assertRefused(file, "file must exist");
        Files.writeString(file, "no model at all");
        assertRefused(file, "the header of a safetensors file");
        Safetensors.write(file, model().weights(), Map.of());
        assertRefused(file, "a model must have the tconv.model 'detail x2': missing");
        Map<String, String> metadata = Map.of("tconv.model", "detail x2", "tconv.filter", "bicubic");
        Safetensors.write(file, Map.of(), metadata);
        assertRefused(file, "a model must have weights: 0.weight is missing");
        Map<String, Tensor> weights = new HashMap<>(model().weights());
        weights.remove("5.weight");
        weights.put("4.bias", Tensor.zeros(9));
        Safetensors.write(file, weights, metadata);
        assertRefused(
                file,
                "weights must fit the network: 4.bias must be float32(3): float32(9); 5.weight must be float32(3): missing");
        Safetensors.write(file, model().weights(), Map.of("tconv.model", "detail x2", "tconv.filter", "cubic"));
        assertRefused(file, "filter must be nearest, bilinear, bicubic or lanczos: 'cubic'");
    }

    private static void assertRefused(Path file, String message) {
        InvalidFileException refusal =
                assertThrows(InvalidFileException.class, () -> DetailModel.read(file.toString()));
        assertTrue(
                refusal.getMessage().contains(message),
                () -> "expected: " + message + "\nbut: " + refusal.getMessage());
        assertTrue(refusal.getMessage().startsWith(file.toString()), refusal.getMessage());
    }

    /** What a first model adds is small, so that a training begins where the filter ends. */
    @Test
    void aTrainingBeginsAtTheFilter() {
        SamplePicture picture = SamplePicture.random(20, 20, 1, 255, 3);
        try (Engine engine = Tconv.open("reference");
                Upscaler filter = new Upscaler(engine, Filter.LANCZOS, 2);
                DetailUpscaler upscaler = new DetailUpscaler(engine, DetailModel.random(16, 8, 2, Filter.LANCZOS, 1))) {
            int[] plain = samples(filter.upscale(picture));
            int[] detailed = samples(upscaler.upscale(picture));
            double sum = 0;
            for (int i = 0; i < plain.length; i++) {
                sum += Math.abs(plain[i] - detailed[i]);
            }
            assertTrue(sum / plain.length < 8, "mean difference: " + sum / plain.length);
        }
    }

    @Test
    void aTrainingLearnsAndGoesOnFromItsCheckpoint() {
        Path file = folder.resolve("checkpoint.safetensors");
        Settings settings = new Settings(6, 3, 1, 60, 4, 8, 7);
        try (Engine engine = Tconv.open("reference");
                DetailTraining through = training(engine, settings);
                DetailTraining resumed = training(engine, settings)) {
            double first = mean(through, 10);
            mean(through, 30);
            through.save(file);
            double last = mean(through, 10);
            assertTrue(last < first, first + " to " + last);
            resumed.resume(file);
            assertEquals(40, resumed.steps());
            assertEquals(last, mean(resumed, 10));
            resumed.model()
                    .weights()
                    .forEach((name, tensor) ->
                            assertEquals(through.model().weights().get(name).memory(), tensor.memory()));
        }
    }

    private static DetailTraining training(Engine engine, Settings settings) {
        DetailTraining training = new DetailTraining(engine, settings);
        // Stripes of one and two pixels, of which interpolation makes too little.
        int[] at = {0};
        training.add(SamplePicture.filled(60, 50, 1, 255, () -> at[0]++ % 5 < 2 ? 40 : 190));
        return training;
    }

    private static double mean(DetailTraining training, int steps) {
        double sum = 0;
        for (int i = 0; i < steps; i++) {
            sum += training.step();
        }
        return sum / steps;
    }

    @Test
    void trainingsThatCannotBeAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> new Settings(0, 1, 0, 1, 1, 1, 0));
        try (Engine engine = Tconv.open("reference");
                DetailTraining training = new DetailTraining(engine, new Settings(2, 2, 0, 1, 1, 16, 0))) {
            assertThrows(IllegalStateException.class, training::step);
            IllegalArgumentException refusal = assertThrows(
                    IllegalArgumentException.class, () -> training.add(SamplePicture.filled(31, 40, 1, 255, () -> 0)));
            assertEquals("pictures to learn from must be at least 32 x 32: 31 x 40", refusal.getMessage());
        }
    }
}
