package io.github.tconv.picture;

import io.github.tconv.Engine;
import io.github.tconv.io.InvalidFileException;
import io.github.tconv.io.Picture;
import io.github.tconv.network.Trainer;
import io.github.tconv.op.Loss;
import io.github.tconv.op.Optimizer;
import io.github.tconv.op.Tensor;
import java.nio.file.Path;

/**
 * Teaches a {@link DetailModel} from pictures. The same pictures in the same order, settings and device give the same
 * weights, also where the training was interrupted and went on from its last {@linkplain #save checkpoint}. Not
 * thread-safe. To be closed; closing the engine frees what the device holds.
 */
public final class DetailTraining implements AutoCloseable {
    private static final double FIRST_RATE = 2e-3;
    private static final double LAST_RATE = 2e-5;

    private final Engine engine;
    private final Settings settings;
    private final DetailModel start;
    private final Trainer trainer;
    private final Patches patches;
    private final Tensor input;
    private final Tensor target;

    /**
     * What a training is of.
     *
     * @param many channels of the outer layers
     * @param few channels of the layers between
     * @param depth how many convolutions of 3 x 3 there are
     * @param steps how many steps it takes; the learning rate falls until then
     * @param batch pieces of pictures a step
     * @param size pixels of a piece along each axis, before it is enlarged
     * @param seed decides the first weights and the pieces
     */
    public record Settings(int many, int few, int depth, long steps, int batch, int size, long seed) {
        /**
         * Checks that all are positive.
         *
         * @param many at least 1
         * @param few at least 1
         * @param depth at least 0
         * @param steps at least 1
         * @param batch at least 1
         * @param size at least 1
         * @param seed any number
         * @throws IllegalArgumentException if one is not
         */
        public Settings {
            if (many < 1 || few < 1 || depth < 0 || steps < 1 || batch < 1 || size < 1) {
                throw new IllegalArgumentException(
                        "channels, steps, batch and size must be positive: %d, %d, %d, %d, %d, %d"
                                .formatted(many, few, depth, steps, batch, size));
            }
        }
    }

    /**
     * Begins a training.
     *
     * @param engine where to compute
     * @param settings what is to be learned
     */
    public DetailTraining(Engine engine, Settings settings) {
        this.engine = engine;
        this.settings = settings;
        start = DetailModel.random(settings.many, settings.few, settings.depth, Filter.LANCZOS, settings.seed);
        trainer = new Trainer(engine, start.architecture(), start.weights(), new Optimizer.Adam(FIRST_RATE), Loss.L1);
        patches = new Patches(start.border(), settings.size, settings.seed);
        input = Tensor.zeros(patches.inputShape(settings.batch));
        target = Tensor.zeros(patches.targetShape(settings.batch));
    }

    /**
     * Adds a picture to learn from.
     *
     * @param picture without transparent pixels; if its longer side has more than 1600 pixels, it is halved until not
     * @throws IllegalArgumentException if it is smaller than a piece, or a pixel is transparent
     */
    public void add(Picture picture) {
        patches.add(engine, start.filter(), picture);
    }

    /**
     * Returns how many steps were taken.
     *
     * @return at least 0
     */
    public long steps() {
        return trainer.steps();
    }

    /**
     * Takes a step.
     *
     * @return the loss before it: the mean difference of brightness, 1 being that of black and white
     * @throws io.github.tconv.network.DivergenceException if it is no number
     */
    public double step() {
        if (patches.pictures() == 0) {
            throw new IllegalStateException("there must be pictures to learn from: 0");
        }
        long step = trainer.steps();
        patches.fill(step, input, target);
        // Half a wave of a cosine, from the first rate to the last.
        double share = (1 + StrictMath.cos(StrictMath.PI * Math.min(1, (double) step / settings.steps))) / 2;
        trainer.rate(LAST_RATE + (FIRST_RATE - LAST_RATE) * share);
        return trainer.step(input, target);
    }

    /**
     * Returns what was learned so far.
     *
     * @return a model with copies of the weights
     */
    public DetailModel model() {
        return start.with(trainer.weights());
    }

    /**
     * Writes a checkpoint, whole or not at all.
     *
     * @param file the file, replaced if it exists
     */
    public void save(Path file) {
        trainer.save(file);
    }

    /**
     * Goes on from a checkpoint.
     *
     * @param file what {@link #save} wrote in a training of the same settings and pictures
     * @throws InvalidFileException if it is no checkpoint of such a training, or damaged
     */
    public void resume(Path file) {
        trainer.resume(file);
    }

    /** Gives the device's memory back. Idempotent, also after the engine's close. */
    @Override
    public void close() {
        trainer.close();
    }
}
