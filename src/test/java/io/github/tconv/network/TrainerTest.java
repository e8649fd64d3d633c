package io.github.tconv.network;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.Engine;
import io.github.tconv.Tconv;
import io.github.tconv.io.InvalidFileException;
import io.github.tconv.io.Safetensors;
import io.github.tconv.op.Convolution;
import io.github.tconv.op.Loss;
import io.github.tconv.op.Optimizer;
import io.github.tconv.op.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

final class TrainerTest {
    private static final Architecture ARCHITECTURE = Networks.piecewiseLinear();

    @TempDir
    Path folder;

    /** Held until the engine is closed, which frees what they have on the device. */
    private final List<Trainer> trainers = new ArrayList<>();

    private Trainer held(Trainer trainer) {
        trainers.add(trainer);
        return trainer;
    }

    @AfterEach
    void close() {
        trainers.forEach(Trainer::close);
    }

    static Stream<String> engines() {
        return Networks.engines();
    }

    private Trainer trainer(Engine engine) {
        return trainer(engine, new Optimizer.Adam(0.01));
    }

    private Trainer trainer(Engine engine, Optimizer optimizer) {
        return held(new Trainer(engine, ARCHITECTURE, ARCHITECTURE.randomWeights(1), optimizer, Loss.L2));
    }

    /** Batches that follow from the number of the step alone. */
    private static double train(Trainer trainer, int steps) {
        double loss = Double.NaN;
        for (int i = 0; i < steps; i++) {
            Random random = new Random(trainer.steps());
            Tensor input = Networks.normal(random, 4, 2, 6, 5);
            Tensor target = Networks.normal(random, 4, 2, 6, 9);
            loss = trainer.step(input, target);
        }
        return loss;
    }

    private static void assertSame(Map<String, Tensor> expected, Map<String, Tensor> actual) {
        assertEquals(List.copyOf(expected.keySet()), List.copyOf(actual.keySet()));
        expected.forEach(
                (name, tensor) -> assertEquals(tensor.memory(), actual.get(name).memory(), name));
    }

    @ParameterizedTest
    @MethodSource("engines")
    void repeatedOrResumedGivesTheSameBits(String device) {
        Path file = folder.resolve("checkpoint.safetensors");
        try (Engine engine = Tconv.open(device)) {
            Trainer through = trainer(engine);
            double loss = train(through, 7);
            Trainer again = trainer(engine);
            assertEquals(loss, train(again, 7));
            assertSame(through.weights(), again.weights());

            Trainer killed = trainer(engine);
            train(killed, 4);
            killed.save(file);
            train(killed, 1);
            Trainer resumed = held(new Trainer(
                    engine, ARCHITECTURE, ARCHITECTURE.randomWeights(9), new Optimizer.Adam(0.01), Loss.L2));
            resumed.resume(file);
            assertEquals(4, resumed.steps());
            assertEquals(loss, train(resumed, 3));
            assertSame(through.weights(), resumed.weights());
        }
    }

    /** A linear layer of one weight, which can be followed with pencil and paper. */
    @Test
    void optimizersTakeTheirSteps() {
        Architecture one = Architecture.builder()
                .addWithoutBias(Convolution.of1d().build())
                .build();
        try (Engine engine = Tconv.open("reference")) {
            Tensor input = Tensor.of(new float[] {1, 3}, 1, 1, 2);
            Tensor target = Tensor.zeros(1, 1, 2);
            // The loss of weight w is (w^2 + 9 w^2) / 2, its gradient 10 w.
            Map<String, Tensor> start = Map.of("0.weight", Tensor.of(new float[] {2}, 1, 1, 1));
            Trainer descent = held(new Trainer(engine, one, start, new Optimizer.Sgd(0.0625, 0.5), Loss.L2));
            assertEquals(20, descent.step(input, target));
            assertEquals(0.75f, descent.weights().get("0.weight").get(0));
            // Velocity 20 / 2 + 7.5.
            assertEquals(5 * 0.75 * 0.75, descent.step(input, target));
            assertEquals(0.75f - 17.5f / 16, descent.weights().get("0.weight").get(0));

            // The mean of |w| and |3 w| is 2 |w|.
            Trainer absolute = held(new Trainer(engine, one, start, new Optimizer.Sgd(0.25, 0), Loss.L1));
            assertEquals(4, absolute.step(input, target));
            assertEquals(1.5f, absolute.weights().get("0.weight").get(0));

            Trainer adam = held(new Trainer(engine, one, start, new Optimizer.Adam(0.1), Loss.L2));
            double w = 2;
            double m = 0;
            double v = 0;
            for (int step = 1; step <= 5; step++) {
                adam.step(input, target);
                m = 0.9 * m + 0.1 * 10 * w;
                v = 0.999 * v + 0.001 * 100 * w * w;
                w -= 0.1 * (m / (1 - Math.pow(0.9, step))) / (Math.sqrt(v / (1 - Math.pow(0.999, step))) + 1e-8);
                // Each step rounds weight, m and v to 24 bits, and divides by roots of them.
                assertEquals(w, adam.weights().get("0.weight").get(0), step * 6e-7);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void theLossFalls(Loss loss) {
        try (Engine engine = Tconv.open("reference")) {
            Trainer trainer = held(
                    new Trainer(engine, ARCHITECTURE, ARCHITECTURE.randomWeights(1), new Optimizer.Adam(0.01), loss));
            Random random = new Random(1);
            Tensor input = Networks.normal(random, 2, 2, 6, 5);
            Tensor target;
            try (Network other = Network.of(engine, ARCHITECTURE, ARCHITECTURE.randomWeights(2))) {
                target = other.forward(input);
            }
            double first = trainer.step(input, target);
            double last = first;
            for (int i = 0; i < 200; i++) {
                last = trainer.step(input, target);
            }
            assertTrue(last < first / 4, loss + ": " + first + " to " + last);
        }
    }

    @ParameterizedTest
    @MethodSource("engines")
    void aLossThatIsNoNumberStopsWithTheLastGoodWeights(String device) {
        try (Engine engine = Tconv.open(device)) {
            // Steps of this size overflow.
            Trainer trainer = trainer(engine, new Optimizer.Sgd(1e30, 0));
            Map<String, Tensor> good = trainer.weights();
            train(trainer, 1);
            DivergenceException failure = assertThrows(DivergenceException.class, () -> train(trainer, 1));
            assertEquals(2, failure.step());
            assertTrue(failure.where().startsWith("layer "), failure.where());
            assertEquals(
                    "the loss must be finite: it is not at step 2, first at " + failure.where()
                            + "; the weights are those of the last finite loss",
                    failure.getMessage());
            assertSame(good, trainer.weights());
        }
    }

    @Test
    void whereALossStopsBeingANumberIsNamed() {
        try (Engine engine = Tconv.open("reference")) {
            Tensor input = Tensor.zeros(4, 2, 6, 5);
            Tensor target = Tensor.zeros(4, 2, 6, 9);
            target.set(3, Float.NaN);
            assertEquals("the target", where(engine, ARCHITECTURE.randomWeights(1), input, target));
            Map<String, Tensor> broken = ARCHITECTURE.randomWeights(1);
            broken.get("2.weight").set(0, Float.POSITIVE_INFINITY);
            assertEquals("layer 2", where(engine, broken, input, target));
            input.set(1, Float.NaN);
            assertEquals("the input", where(engine, broken, input, target));
        }
    }

    private String where(Engine engine, Map<String, Tensor> weights, Tensor input, Tensor target) {
        Trainer trainer = held(new Trainer(engine, ARCHITECTURE, weights, new Optimizer.Adam(0.1), Loss.L1));
        return assertThrows(DivergenceException.class, () -> trainer.step(input, target))
                .where();
    }

    @ParameterizedTest
    @MethodSource("engines")
    void aGradientThatIsNoNumberStopsBeforeTheWeightsChange(String device) {
        Architecture two = Architecture.builder()
                .addWithoutBias(Convolution.of1d().build())
                .addWithoutBias(Convolution.of1d().build())
                .build();
        try (Engine engine = Tconv.open(device)) {
            Map<String, Tensor> start = new LinkedHashMap<>();
            start.put("0.weight", Tensor.of(new float[] {1e-20f}, 1, 1, 1));
            start.put("1.weight", Tensor.of(new float[] {1e10f}, 1, 1, 1));
            Trainer trainer = held(new Trainer(engine, two, start, new Optimizer.Adam(0.1), Loss.L1));
            // The loss is 1e20, its gradient by the first weight 1e10 * 1e30.
            DivergenceException failure = assertThrows(
                    DivergenceException.class,
                    () -> trainer.step(Tensor.of(new float[] {1e30f}, 1, 1, 1), Tensor.zeros(1, 1, 1)));
            assertTrue(
                    failure.getMessage().startsWith("the gradient 0.weight must be finite: it is not at step 1"),
                    failure.getMessage());
            assertSame(start, trainer.weights());
            // What the optimizer remembers is whole too: the next batch is learned from.
            trainer.step(Tensor.of(new float[] {1}, 1, 1, 1), Tensor.zeros(1, 1, 1));
            assertEquals(-0.1f, trainer.weights().get("0.weight").get(0));
        }
    }

    @Test
    void aDamagedOrForeignCheckpointIsRefusedAndNothingChanges() throws IOException {
        Path file = folder.resolve("checkpoint.safetensors");
        try (Engine engine = Tconv.open("reference")) {
            Trainer trainer = trainer(engine);
            train(trainer, 2);
            trainer.save(file);
            byte[] good = Files.readAllBytes(file);

            Files.write(file, Arrays.copyOf(good, good.length - 1));
            assertRefused(engine, file, "must end within the");
            byte[] flipped = good.clone();
            flipped[good.length - 5] ^= 1;
            Files.write(file, flipped);
            assertRefused(engine, file, "a checkpoint must have the crc32 '");
            Files.write(file, new byte[0]);
            assertRefused(engine, file, "its header's length");
            Safetensors.write(file, trainer.weights(), Map.of());
            assertRefused(engine, file, "a checkpoint must have the architecture '" + ARCHITECTURE + "': missing");

            Files.write(file, good);
            Safetensors read = Safetensors.read(file);
            Map<String, String> metadata = new HashMap<>(read.metadata());
            metadata.put("steps", "-1");
            Safetensors.write(file, read.tensors(), metadata);
            assertRefused(engine, file, "a checkpoint must have its steps, a whole number: -1");
            Map<String, Tensor> fewer = new HashMap<>(read.tensors());
            fewer.remove("optimizer.m.0.bias");
            Safetensors.write(file, fewer, read.metadata());
            assertRefused(engine, file, "a checkpoint must have optimizer.m.0.bias, float32(4): missing");

            Files.write(file, good);
            Trainer other = trainer(engine, new Optimizer.Sgd(0.1, 0.9));
            InvalidFileException refusal = assertThrows(InvalidFileException.class, () -> other.resume(file));
            assertTrue(refusal.getMessage().contains("must have the optimizer 'Sgd': 'Adam'"), refusal.getMessage());
        }
    }

    private void assertRefused(Engine engine, Path file, String message) {
        Trainer trainer = trainer(engine);
        InvalidFileException refusal = assertThrows(InvalidFileException.class, () -> trainer.resume(file));
        assertTrue(
                refusal.getMessage().contains(message),
                () -> "expected: " + message + "\nbut: " + refusal.getMessage());
        assertEquals(0, trainer.steps());
        assertSame(ARCHITECTURE.randomWeights(1), trainer.weights());
    }

    @Test
    void numbersOutOfTheirRangeAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> new Optimizer.Adam(0));
        assertThrows(IllegalArgumentException.class, () -> new Optimizer.Adam(Double.NaN));
        assertThrows(IllegalArgumentException.class, () -> new Optimizer.Adam(1, 1, 0, 1));
        assertThrows(IllegalArgumentException.class, () -> new Optimizer.Adam(1, 0, -0.1, 1));
        assertThrows(IllegalArgumentException.class, () -> new Optimizer.Adam(1, 0, 0, 0));
        assertThrows(IllegalArgumentException.class, () -> new Optimizer.Sgd(1, 1));
        assertArrayEquals(
                new float[] {0.25f, 0.25f, 0.25f, 0.25f},
                ARCHITECTURE.randomWeights(3).get("1.weight").toArray());
    }
}
