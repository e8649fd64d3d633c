package io.github.tconv.network;

import io.github.tconv.Engine;
import io.github.tconv.io.InvalidFileException;
import io.github.tconv.io.Safetensors;
import io.github.tconv.op.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32;
import org.jspecify.annotations.Nullable;

/**
 * Teaches a network: each step computes the loss of one batch and its gradients, and moves all weights once.
 *
 * <p>A step follows from the weights, the batch and the engine alone, all sums being added in a fixed order: the same
 * steps give the same weights, bit for bit, on any number of threads, and also where they were interrupted by
 * {@link #save} and {@link #resume}. Not thread-safe. Memory for one shape of batch is kept from step to step; there is
 * nothing to close, and the engine must stay open.
 */
public final class Trainer {
    private static final String STEPS = "steps";
    private static final String CHECKSUM = "crc32";
    private static final String ARCHITECTURE = "architecture";
    private static final String OPTIMIZER = "optimizer";

    private final Engine engine;
    private final Architecture architecture;
    private final Loss loss;
    private final Map<String, Tensor> weights = new LinkedHashMap<>();
    /** The weights of the last loss that was finite. */
    private final Map<String, Tensor> good = new LinkedHashMap<>();
    /** What the optimizer remembers, by the name of the weight. */
    private final Map<String, List<Tensor>> memory = new LinkedHashMap<>();

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
     * @throws IllegalArgumentException if the weights do not fit the layers
     */
    public Trainer(
            Engine engine, Architecture architecture, Map<String, Tensor> weights, Optimizer optimizer, Loss loss) {
        architecture.check(weights);
        this.engine = engine;
        this.architecture = architecture;
        this.optimizer = optimizer;
        this.loss = loss;
        architecture.parameters().forEach((name, shape) -> {
            Tensor weight = weights.get(name);
            if (weight != null) {
                this.weights.put(name, weight.copy());
                good.put(name, weight.copy());
            }
            List<Tensor> remembered = new ArrayList<>();
            optimizer.memory().forEach(part -> remembered.add(Tensor.zeros(shape)));
            memory.put(name, remembered);
        });
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
        Tape run = tape;
        if (run == null || !run.isFor(input)) {
            run = new Tape(engine, architecture, weights, input.shape());
            tape = run;
        }
        if (!target.hasShape(run.outputGradient().shape())) {
            throw new IllegalArgumentException("target must have the shape that the network makes, %s: %s"
                    .formatted(java.util.Arrays.toString(run.outputGradient().shape()), target));
        }
        Tensor output = run.forward(input);
        double value = Elementwise.loss(loss, output, target, run.outputGradient());
        if (!Double.isFinite(value)) {
            put(good, weights);
            throw new DivergenceException("the loss", steps + 1, where(run, input));
        }
        run.backward(/* wantsInputGradient= */ false);
        for (int i = architecture.layers().size() - 1; i >= 0; i--) {
            Layer layer = architecture.layers().get(i);
            for (String name : layer.parameters().keySet()) {
                if (!Elementwise.isFinite(run.gradients().get(name))) {
                    throw new DivergenceException("the gradient " + name, steps + 1, "layer " + layer.name());
                }
            }
        }
        put(weights, good);
        steps++;
        for (Map.Entry<String, Tensor> named : run.gradients().entrySet()) {
            String name = named.getKey();
            Tensor weight = weights.get(name);
            List<Tensor> remembered = memory.get(name);
            if (weight != null && remembered != null) {
                optimizer.step(weight, named.getValue(), remembered, steps);
            }
        }
        return value;
    }

    private static String where(Tape run, Tensor input) {
        if (!Elementwise.isFinite(input)) {
            return "the input";
        }
        Layer layer = run.firstNotFinite();
        return layer == null ? "the target" : "layer " + layer.name();
    }

    private static void put(Map<String, Tensor> from, Map<String, Tensor> to) {
        from.forEach((name, tensor) -> {
            Tensor target = to.get(name);
            if (target != null) {
                target.floats().put(0, tensor.floats(), 0, tensor.elements());
            }
        });
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
        return Network.copy(weights);
    }

    /**
     * Writes all that a training needs to go on: the weights, what the optimizer remembers, and the number of steps. The
     * file appears whole or not at all.
     *
     * @param file a safetensors file, replaced if it exists
     * @throws InvalidFileException if it cannot be written; an existing one is untouched then
     */
    public void save(Path file) {
        Map<String, Tensor> all = all();
        Map<String, String> metadata = new LinkedHashMap<>();
        metadata.put(STEPS, Long.toString(steps));
        metadata.put(ARCHITECTURE, architecture.toString());
        metadata.put(OPTIMIZER, optimizer.getClass().getSimpleName());
        metadata.put(CHECKSUM, checksum(all));
        Safetensors.write(file, all, metadata);
    }

    /** The training's own tensors under the names that they have in a file. */
    private Map<String, Tensor> all() {
        Map<String, Tensor> all = new LinkedHashMap<>(weights);
        for (int part = 0; part < optimizer.memory().size(); part++) {
            String prefix = OPTIMIZER + "." + optimizer.memory().get(part) + ".";
            for (Map.Entry<String, List<Tensor>> named : memory.entrySet()) {
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
        Map<String, Tensor> all = all();
        all.forEach((name, tensor) -> {
            Tensor found = read.tensors().get(name);
            if (found == null || !found.hasShape(tensor.shape())) {
                throw new InvalidFileException(
                        file,
                        "a checkpoint must have %s, %s: %s".formatted(name, tensor, found == null ? "missing" : found));
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
        put(weights, good);
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
}
