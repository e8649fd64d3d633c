package io.github.tconv.network;

import io.github.tconv.Engine;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Layers with their weights, ready on an engine for inputs of any batch and size.
 *
 * <p>Batch normalisation is folded into the weights before it, and activations are applied while the layer before them
 * stores its output. Between the layers tensors stay on the device, and there are only two of them at a time: as much
 * memory as the largest pair of neighbours, not their sum.
 *
 * <p>Thread-safe; calls take turns. The same input gives the same bits. To be closed; closing the engine frees what the
 * device holds.
 */
public final class Network implements AutoCloseable {
    private final Engine engine;
    private final Architecture architecture;
    private final Map<String, Tensor> weights;
    /** How many layers each stage takes. */
    private final List<Integer> lengths;

    private final List<Stage> stages = new ArrayList<>();
    private boolean closed;

    private Network(Engine engine, Architecture architecture, Map<String, Tensor> weights) {
        this.engine = engine;
        this.architecture = architecture;
        this.weights = copy(weights);
        this.lengths = Stage.lengths(architecture.layers());
    }

    /**
     * Readies a network.
     *
     * @param engine where to compute; stays open at least as long as the network
     * @param architecture the layers
     * @param weights their weights by name, which are copied
     * @return a network, to be closed
     * @throws IllegalArgumentException if the weights do not fit the layers; the message has names and shapes
     */
    public static Network of(Engine engine, Architecture architecture, Map<String, Tensor> weights) {
        architecture.check(weights);
        Network network = new Network(engine, architecture, weights);
        try {
            int first = 0;
            for (int length : network.lengths) {
                List<Layer> layers = architecture.layers().subList(first, first + length);
                network.stages.add(Stage.of(engine, layers, network.weights));
                first += length;
            }
            return network;
        } catch (RuntimeException e) {
            network.close();
            throw e;
        }
    }

    static Map<String, Tensor> copy(Map<String, Tensor> weights) {
        Map<String, Tensor> copies = new LinkedHashMap<>();
        weights.forEach((name, tensor) -> copies.put(name, tensor.copy()));
        return Collections.unmodifiableMap(copies);
    }

    /**
     * Returns the layers.
     *
     * @return the layers
     */
    public Architecture architecture() {
        return architecture;
    }

    /**
     * Returns the weights.
     *
     * @return copies by name, in the order of the layers
     */
    public Map<String, Tensor> weights() {
        return copy(weights);
    }

    /**
     * Computes the network.
     *
     * @param input {@code (n, inChannels, spatial...)}
     * @return a new tensor {@code (n, outChannels, spatial...)}
     * @throws IllegalArgumentException if the input does not fit, or a layer has no output for its size
     */
    public Tensor forward(Tensor input) {
        List<int[]> shapes = architecture.shapes(input.shape());
        Tensor output = Tensor.zeros(shapes.get(shapes.size() - 1));
        forward(input, output);
        return output;
    }

    /**
     * Computes the network on the device: returns before it is done.
     *
     * @param input {@code (n, inChannels, spatial...)}, of this network's engine
     * @return a new tensor {@code (n, outChannels, spatial...)}, to be closed
     * @throws IllegalArgumentException if the input does not fit, or a layer has no output for its size
     */
    public DeviceTensor forward(DeviceTensor input) {
        List<int[]> shapes = architecture.shapes(input.shape());
        DeviceTensor output = engine.allocate(shapes.get(shapes.size() - 1));
        try {
            forward(input, output);
            return output;
        } catch (RuntimeException | Error e) {
            output.close();
            throw e;
        }
    }

    /**
     * Computes the network into a given tensor; with device tensors alone, returns before it is done.
     *
     * @param input {@code (n, inChannels, spatial...)}
     * @param output of the shape that the network makes, written; not over the input's memory
     * @throws IllegalArgumentException if a shape does not fit, or a layer has no output for the input's size
     */
    public synchronized void forward(Operand input, Operand output) {
        checkOpen();
        List<int[]> shapes = architecture.shapes(input.shape());
        int[] made = shapes.get(shapes.size() - 1);
        if (!output.hasShape(made)) {
            throw new IllegalArgumentException(
                    "output must have shape %s: %s".formatted(Arrays.toString(made), output));
        }
        if (output.sharesMemoryWith(input)) {
            throw new IllegalArgumentException("output must not share memory with an operand: " + output);
        }
        List<int[]> between = between(shapes);
        Operand last = input;
        DeviceTensor held = null;
        try {
            for (int i = 0; i < stages.size(); i++) {
                DeviceTensor next = i == between.size() ? null : engine.allocate(between.get(i));
                try {
                    stages.get(i).forward(last, next == null ? output : next);
                } finally {
                    // Serves the call that was just made, and is then free for the stage after the next.
                    closeIfAny(held);
                    held = next;
                }
                last = next == null ? output : next;
            }
        } finally {
            closeIfAny(held);
        }
    }

    private static void closeIfAny(@Nullable DeviceTensor tensor) {
        if (tensor != null) {
            tensor.close();
        }
    }

    /** The shapes of what all stages but the last make. */
    private List<int[]> between(List<int[]> shapes) {
        List<int[]> made = new ArrayList<>();
        int layer = 0;
        for (int length : lengths.subList(0, lengths.size() - 1)) {
            layer += length;
            made.add(shapes.get(layer));
        }
        return made;
    }

    /**
     * Returns the memory that a call needs beside weights, input and output: the largest pair of neighbours between the
     * layers, and the most that one layer needs while it computes.
     *
     * @param inputShape {@code (n, inChannels, spatial...)}
     * @return bytes
     */
    public long workspaceBytes(int... inputShape) {
        List<int[]> shapes = architecture.shapes(inputShape);
        long most = 0;
        int layer = 0;
        for (int i = 0; i < stages.size(); i++) {
            most = Math.max(most, stages.get(i).workspaceBytes(shapes.get(layer)));
            layer += lengths.get(i);
        }
        return most + largestPair(between(shapes)) * Float.BYTES;
    }

    /** How many elements the largest two neighbours have. */
    private static long largestPair(List<int[]> shapes) {
        long most = 0;
        long before = 0;
        for (int[] shape : shapes) {
            long elements = Tensor.elementsOf(shape);
            most = Math.max(most, before + elements);
            before = elements;
        }
        return most;
    }

    /**
     * Computes the gradients of a number by the input and by all weights, from its gradient by the output.
     *
     * @param input {@code (n, inChannels, spatial...)}
     * @param outputGradient of the shape of {@code forward(input)}
     * @return the gradients
     * @throws IllegalArgumentException if a shape does not fit, or the network has batch normalisation
     */
    public Gradients gradients(Tensor input, Tensor outputGradient) {
        Map<String, DeviceTensor> uploaded = new LinkedHashMap<>();
        try (Tape tape = new Tape(engine, architecture, input.shape())) {
            if (!outputGradient.hasShape(tape.outputGradient().shape())) {
                throw new IllegalArgumentException("output gradient must have the shape of the output %s: %s"
                        .formatted(Arrays.toString(tape.outputGradient().shape()), outputGradient));
            }
            weights.forEach((name, tensor) -> uploaded.put(name, engine.upload(tensor)));
            try (DeviceTensor x = engine.upload(input)) {
                tape.forward(uploaded, x);
                engine.upload(outputGradient, tape.outputGradient());
                try (DeviceTensor gx = Objects.requireNonNull(tape.backward(/* wantsInputGradient= */ true))) {
                    return new Gradients(engine.download(gx), download(engine, tape.gradients()));
                }
            }
        } finally {
            uploaded.values().forEach(DeviceTensor::close);
        }
    }

    static Map<String, Tensor> download(Engine engine, Map<String, DeviceTensor> tensors) {
        Map<String, Tensor> downloaded = new LinkedHashMap<>();
        tensors.forEach((name, tensor) -> downloaded.put(name, engine.download(tensor)));
        return Collections.unmodifiableMap(downloaded);
    }

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException("the network is closed");
        }
    }

    /** Waits for a running call and frees the weights on the device. Idempotent, also after the engine's close. */
    @Override
    public synchronized void close() {
        closed = true;
        stages.forEach(Stage::close);
    }
}
