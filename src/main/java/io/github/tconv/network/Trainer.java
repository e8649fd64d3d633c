package io.github.tconv.network;

import io.github.tconv.Engine;
import io.github.tconv.io.InvalidFileException;
import io.github.tconv.io.Safetensors;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Elementwise;
import io.github.tconv.op.Loss;
import io.github.tconv.op.Optimizer;
import io.github.tconv.op.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.zip.CRC32;
import org.jspecify.annotations.Nullable;

/**
 * Teaches a network: each step computes the loss of one batch and its gradients, and moves all weights once.
 *
 * <p>A step follows from the weights, the batch and the engine alone, all sums being added in a fixed order: the same
 * steps give the same weights, bit for bit, on any number of threads, and also where they were interrupted by
 * {@link #save} and {@link #resume}. Weights, what the optimizer remembers, and all that is between the layers stay on the
 * device; of a step the host reads the loss, and whether the gradients are finite.
 *
 * <p>Not thread-safe. To be closed; closing the engine frees what the device holds. Memory for one shape of batch is kept
 * from step to step. After a {@link io.github.tconv.op.DeviceException} the training can go on from its last checkpoint
 * only.
 */
public final class Trainer implements AutoCloseable {
    private static final String STEPS = "steps";
    private static final String CHECKSUM = "crc32";
    private static final String ARCHITECTURE = "architecture";
    private static final String OPTIMIZER = "optimizer";

    private final Engine engine;
    private final Architecture architecture;
    private final Loss loss;
    /** What the optimizer remembers, by the name of the weight. */
    private final Map<String, List<DeviceTensor>> memory = new LinkedHashMap<>();

    private final DeviceTensor lossSum;
    /** Whether each weight's gradient is finite. */
    private final DeviceTensor verdicts;

    private Map<String, DeviceTensor> weights = new LinkedHashMap<>();
    /** The weights of the last loss that was finite; the next ones take their place. */
    private Map<String, DeviceTensor> good = new LinkedHashMap<>();

    private Optimizer optimizer;
    private long steps;
    private @Nullable Tape tape;

    /**
     * Begins a training.
     *
     * @param engine where to compute
     * @param architecture the layers, without batch normalisation
     * @param weights the weights to begin with, which are copied
     * @param optimizer how weights follow their gradients
     * @param loss what is to become small
     * @throws IllegalArgumentException if the weights do not fit the layers, or one is batch normalisation
     */
    public Trainer(
            Engine engine, Architecture architecture, Map<String, Tensor> weights, Optimizer optimizer, Loss loss) {
        architecture.check(weights);
        Tape.checkGradientsOf(architecture);
        this.engine = engine;
        this.architecture = architecture;
        this.optimizer = optimizer;
        this.loss = loss;
        Map<String, int[]> parameters = architecture.parameters();
        lossSum = engine.allocate(1);
        verdicts = engine.allocate(parameters.size());
        try {
            parameters.forEach((name, shape) -> {
                Tensor weight = Objects.requireNonNull(weights.get(name));
                this.weights.put(name, engine.upload(weight.copy()));
                good.put(name, engine.upload(weight.copy()));
                List<DeviceTensor> remembered = new ArrayList<>();
                memory.put(name, remembered);
                optimizer.memory().forEach(part -> remembered.add(engine.upload(Tensor.zeros(shape))));
            });
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    /**
     * Sets the size of the steps from here.
     *
     * @param rate the learning rate, above 0
     */
    public void rate(double rate) {
        optimizer = optimizer.withRate(rate);
    }

    /**
     * Takes a step.
     *
     * @param input a batch {@code (n, inChannels, spatial...)}
     * @param target what the network should make of it
     * @return the loss before the step
     * @throws IllegalArgumentException if a shape does not fit
     * @throws DivergenceException if the loss or a gradient is not finite; {@link #weights()} are then those of the last
     *     finite loss
     */
    public double step(Tensor input, Tensor target) {
        Tape run = tapeFor(input);
        if (!target.hasShape(run.outputGradient().shape())) {
            throw new IllegalArgumentException("target must have the shape that the network makes, %s: %s"
                    .formatted(Arrays.toString(run.outputGradient().shape()), target));
        }
        try (DeviceTensor x = engine.upload(input);
                DeviceTensor wanted = engine.upload(target)) {
            DeviceTensor output = run.forward(weights, x);
            Elementwise elementwise = engine.elementwise();
            elementwise.loss(loss, output, wanted, run.outputGradient(), lossSum);
            run.backward(/* wantsInputGradient= */ false);
            elementwise.finite(List.copyOf(run.gradients().values()), verdicts);
            double value = engine.download(lossSum).get(0) / (double) output.elements();
            if (!Double.isFinite(value)) {
                put(Network.download(engine, good), weights);
                throw new DivergenceException("the loss", steps + 1, where(run, x));
            }
            checkGradients(run);
            move(run);
            return value;
        }
    }

    private Tape tapeFor(Tensor input) {
        Tape known = tape;
        if (known != null && known.isFor(input.shape())) {
            return known;
        }
        if (known != null) {
            tape = null;
            known.close();
        }
        Tape made = new Tape(engine, architecture, input.shape());
        tape = made;
        return made;
    }

    private void checkGradients(Tape run) {
        List<String> names = List.copyOf(run.gradients().keySet());
        Tensor found = engine.download(verdicts);
        // Backwards, as they were computed: the first is the cause of the others.
        for (int i = names.size() - 1; i >= 0; i--) {
            if (found.get(i) != 0) {
                String name = names.get(i);
                String layer = name.substring(0, name.lastIndexOf('.'));
                throw new DivergenceException("the gradient " + name, steps + 1, "layer " + layer);
            }
        }
    }

    /** Writes the moved weights where those of the loss before were, which nobody needs any more. */
    private void move(Tape run) {
        for (String name : weights.keySet()) {
            engine.elementwise()
                    .step(
                            optimizer,
                            steps + 1,
                            named(weights, name),
                            named(run.gradients(), name),
                            remembered(name),
                            named(good, name));
        }
        Map<String, DeviceTensor> moved = good;
        good = weights;
        weights = moved;
        steps++;
    }

    private static DeviceTensor named(Map<String, DeviceTensor> tensors, String name) {
        return Objects.requireNonNull(tensors.get(name));
    }

    private List<DeviceTensor> remembered(String name) {
        return Objects.requireNonNull(memory.get(name));
    }

    private String where(Tape run, DeviceTensor input) {
        List<DeviceTensor> made = new ArrayList<>(List.of(input));
        made.addAll(run.outputs());
        try (DeviceTensor found = engine.allocate(made.size())) {
            engine.elementwise().finite(made, found);
            Tensor first = engine.download(found);
            for (int i = 0; i < made.size(); i++) {
                if (first.get(i) != 0) {
                    return i == 0
                            ? "the input"
                            : "layer " + architecture.layers().get(i - 1).name();
                }
            }
        }
        return "the target";
    }

    private void put(Map<String, Tensor> from, Map<String, DeviceTensor> to) {
        to.forEach((name, tensor) -> engine.upload(Objects.requireNonNull(from.get(name)), tensor));
    }

    /**
     * Returns how many steps were taken, those before a {@link #resume} included.
     *
     * @return at least 0
     */
    public long steps() {
        return steps;
    }

    /**
     * Returns the weights as they are now.
     *
     * @return copies by name
     */
    public Map<String, Tensor> weights() {
        return Network.download(engine, weights);
    }

    /**
     * Writes all that a training needs to go on: the weights, what the optimizer remembers, and the number of steps. The
     * file appears whole or not at all.
     *
     * @param file a safetensors file, replaced if it exists
     * @throws InvalidFileException if it cannot be written; an existing one is untouched then
     */
    public void save(Path file) {
        Map<String, Tensor> all = Network.download(engine, all());
        Map<String, String> metadata = new LinkedHashMap<>();
        metadata.put(STEPS, Long.toString(steps));
        metadata.put(ARCHITECTURE, architecture.toString());
        metadata.put(OPTIMIZER, optimizer.getClass().getSimpleName());
        metadata.put(CHECKSUM, checksum(all));
        Safetensors.write(file, all, metadata);
    }

    /** The training's own tensors under the names that they have in a file. */
    private Map<String, DeviceTensor> all() {
        Map<String, DeviceTensor> all = new LinkedHashMap<>(weights);
        for (int part = 0; part < optimizer.memory().size(); part++) {
            String prefix = OPTIMIZER + "." + optimizer.memory().get(part) + ".";
            for (Map.Entry<String, List<DeviceTensor>> named : memory.entrySet()) {
                all.put(prefix + named.getKey(), named.getValue().get(part));
            }
        }
        return all;
    }

    private static String checksum(Map<String, Tensor> tensors) {
        CRC32 sum = new CRC32();
        tensors.values().forEach(tensor -> sum.update(tensor.memory()));
        return "%08x".formatted(sum.getValue());
    }

    /**
     * Goes on from a file that {@link #save} wrote: the next step is the one that would have followed. The engine, the
     * loss and the batches must be those of before for the same weights to come out.
     *
     * @param file the file
     * @throws InvalidFileException if it is no such file, is damaged, or is of another network or optimizer; this
     *     training is untouched then
     */
    public void resume(Path file) {
        Safetensors read = Safetensors.read(file);
        check(file, read.metadata(), ARCHITECTURE, architecture.toString());
        check(file, read.metadata(), OPTIMIZER, optimizer.getClass().getSimpleName());
        Map<String, DeviceTensor> all = all();
        all.forEach((name, tensor) -> {
            Tensor found = read.tensors().get(name);
            if (found == null || !found.hasShape(tensor.shape())) {
                throw new InvalidFileException(
                        file,
                        "a checkpoint must have %s, %s: %s"
                                .formatted(
                                        name,
                                        Architecture.describe(tensor.shape()),
                                        found == null ? "missing" : found));
            }
        });
        if (read.tensors().size() != all.size()) {
            throw new InvalidFileException(
                    file,
                    "a checkpoint must have %d tensors: %d"
                            .formatted(all.size(), read.tensors().size()));
        }
        check(file, read.metadata(), CHECKSUM, checksum(read.tensors()));
        steps = steps(file, read.metadata().get(STEPS));
        put(read.tensors(), all);
        put(read.tensors(), good);
    }

    private static void check(Path file, Map<String, String> metadata, String key, String expected) {
        String found = metadata.get(key);
        if (!expected.equals(found)) {
            throw new InvalidFileException(
                    file,
                    "a checkpoint must have the %s '%s': %s"
                            .formatted(key, expected, found == null ? "missing" : "'" + found + "'"));
        }
    }

    private static long steps(Path file, @Nullable String text) {
        try {
            long value = Long.parseLong(String.valueOf(text));
            if (value >= 0) {
                return value;
            }
        } catch (NumberFormatException e) {
            // Said below, as a negative number is.
        }
        throw new InvalidFileException(file, "a checkpoint must have its steps, a whole number: " + text);
    }

    /** Gives the device's memory back. Idempotent, also after the engine's close. */
    @Override
    public void close() {
        if (tape != null) {
            tape.close();
        }
        memory.values().forEach(parts -> parts.forEach(DeviceTensor::close));
        weights.values().forEach(DeviceTensor::close);
        good.values().forEach(DeviceTensor::close);
        lossSum.close();
        verdicts.close();
    }
}
