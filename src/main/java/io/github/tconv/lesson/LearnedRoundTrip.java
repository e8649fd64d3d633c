package io.github.tconv.lesson;

import io.github.tconv.Engine;
import io.github.tconv.network.Architecture;
import io.github.tconv.network.Network;
import io.github.tconv.network.Trainer;
import io.github.tconv.op.Convolution;
import io.github.tconv.op.Loss;
import io.github.tconv.op.Optimizer;
import io.github.tconv.op.Tensor;
import java.nio.FloatBuffer;
import java.util.Map;
import java.util.Random;

/**
 * The round trip of the lesson, learned: a convolution from 10 to 20 channels with kernel 5, padding 2 and stride 3
 * shrinks images of 16 x 16, and a transposed convolution, which gives the shape back and not the values, learns to give
 * the values back too. The images are soft blobs, all of them new in every step; the same ones on every run.
 */
public final class LearnedRoundTrip implements AutoCloseable {
    /** How many steps it learns for. */
    public static final int STEPS = 600;

    private static final int SIZE = 16;
    private static final int BATCH = 16;
    private static final int BLOBS = 3;
    private static final double SMALLEST = 2;
    private static final double LARGEST = 5;
    private static final double FIRST_RATE = 0.01;
    private static final long SEED = 2016;

    private final Engine engine;
    private final Convolution convolution = Lesson.roundTripLayer();
    private final Tensor weight;
    private final Architecture back;
    private final Trainer trainer;
    private final Tensor shown;

    /**
     * Readies the round trip.
     *
     * @param engine where to compute; stays open
     */
    public LearnedRoundTrip(Engine engine) {
        this.engine = engine;
        Random random = new Random(SEED);
        weight = Tensor.zeros(convolution.weightShape());
        int terms = weight.elements() / convolution.outChannels();
        for (int i = 0; i < weight.elements(); i++) {
            weight.set(i, (float) (random.nextGaussian() / Math.sqrt(terms)));
        }
        back = Architecture.builder().add(convolution.adjoint()).build();
        trainer = new Trainer(engine, back, ownWeight(), new Optimizer.Adam(FIRST_RATE), Loss.L2);
        shown = images(random, 6);
    }

    /** The convolution's own weight: with it, the transposed convolution is what the lesson shows. */
    private Map<String, Tensor> ownWeight() {
        return Map.of("0.weight", weight, "0.bias", Tensor.zeros(convolution.inChannels()));
    }

    private Tensor images(Random random, int count) {
        int channels = convolution.inChannels();
        Tensor images = Tensor.zeros(count, channels, SIZE, SIZE);
        FloatBuffer values = images.floats();
        for (int n = 0; n < count; n++) {
            for (int blob = 0; blob < BLOBS; blob++) {
                double y = random.nextDouble() * SIZE;
                double x = random.nextDouble() * SIZE;
                double radius = SMALLEST + (LARGEST - SMALLEST) * random.nextDouble();
                for (int c = 0; c < channels; c++) {
                    double brightness = random.nextDouble();
                    for (int i = 0; i < SIZE * SIZE; i++) {
                        int row = i / SIZE;
                        int column = i % SIZE;
                        double dy = (row + 0.5 - y) / radius;
                        double dx = (column + 0.5 - x) / radius;
                        int place = (n * channels + c) * SIZE * SIZE + i;
                        double value = values.get(place) + brightness * StrictMath.exp(-(dy * dy + dx * dx));
                        values.put(place, (float) Math.min(1, value));
                    }
                }
            }
        }
        return images;
    }

    private Tensor shrunk(Tensor images) {
        return engine.forward(convolution, images, weight, null);
    }

    /**
     * Takes a step with new images.
     *
     * @return the mean squared error before it, white being 1
     */
    public double step() {
        Random random = new Random(SEED + 1 + trainer.steps());
        Tensor images = images(random, BATCH);
        double done = Math.min(1, trainer.steps() / (double) STEPS);
        trainer.rate(FIRST_RATE * (1 - 0.99 * done));
        return trainer.step(shrunk(images), images);
    }

    /**
     * Returns images that nothing is learned from.
     *
     * @return (6, 10, 16, 16), from 0 to 1
     */
    public Tensor shown() {
        return shown;
    }

    /**
     * Computes what the transposed convolution makes of the shrunken images before it learned.
     *
     * @return of the shape of {@link #shown}
     */
    public Tensor before() {
        return restored(ownWeight());
    }

    /**
     * Computes what the transposed convolution makes of the shrunken images now.
     *
     * @return of the shape of {@link #shown}
     */
    public Tensor now() {
        return restored(trainer.weights());
    }

    private Tensor restored(Map<String, Tensor> weights) {
        try (Network network = Network.of(engine, back, weights)) {
            return network.forward(shrunk(shown));
        }
    }

    /**
     * Returns how far images are from {@link #shown}.
     *
     * @param images of the same shape
     * @return the root of the mean squared difference, white being 1
     */
    public double error(Tensor images) {
        double sum = 0;
        for (int i = 0; i < shown.elements(); i++) {
            double difference = (double) images.get(i) - shown.get(i);
            sum += difference * difference;
        }
        return Math.sqrt(sum / shown.elements());
    }

    /** Gives the device's memory back. Idempotent, also after the engine's close. */
    @Override
    public void close() {
        trainer.close();
    }
}
