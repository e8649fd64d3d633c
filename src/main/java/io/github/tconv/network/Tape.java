package io.github.tconv.network;

import io.github.tconv.Engine;
import io.github.tconv.op.Activation;
import io.github.tconv.op.DeviceTensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Runs a network forwards on the device, keeping what every layer made, and backwards from there: reverse
 * differentiation. For inputs of one shape, for which the outputs' and the gradients' memory is taken once; of the
 * gradients between the layers two neighbours are there at a time, in the engine's own spare memory. Waits for nothing.
 * Not thread-safe.
 */
final class Tape implements AutoCloseable {
    private final Engine engine;
    private final List<Layer> layers;
    private final int[] inputShape;
    /** What each layer made. */
    private final List<DeviceTensor> outputs = new ArrayList<>();

    private final Map<String, DeviceTensor> gradients = new LinkedHashMap<>();
    private final DeviceTensor outputGradient;

    private Map<String, DeviceTensor> weights = Map.of();
    private @Nullable DeviceTensor input;

    Tape(Engine engine, Architecture architecture, int... inputShape) {
        this.engine = engine;
        this.layers = architecture.layers();
        this.inputShape = inputShape.clone();
        List<int[]> shapes = architecture.shapes(inputShape);
        checkGradientsOf(architecture);
        outputGradient = engine.allocate(shapes.get(layers.size()));
        try {
            for (int i = 0; i < layers.size(); i++) {
                outputs.add(engine.allocate(shapes.get(i + 1)));
                layers.get(i).parameters().forEach((name, shape) -> gradients.put(name, engine.allocate(shape)));
            }
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    /** Checks that all layers have gradients. */
    static void checkGradientsOf(Architecture architecture) {
        for (Layer layer : architecture.layers()) {
            if (layer instanceof Layer.Normalised) {
                throw new IllegalArgumentException(
                        "a network with batch normalisation has no gradients here, its statistics are fixed: layer "
                                + layer.name());
            }
        }
    }

    boolean isFor(int... shape) {
        return Arrays.equals(inputShape, shape);
    }

    /** What each layer made on the last run. */
    List<DeviceTensor> outputs() {
        return outputs;
    }

    /** The gradients that {@link #backward} computed last, by the names of the weights. */
    Map<String, DeviceTensor> gradients() {
        return gradients;
    }

    /** Where the gradient by the output goes before {@link #backward}, which overwrites it. */
    DeviceTensor outputGradient() {
        return outputGradient;
    }

    /** Runs the network; weights and input are needed until {@link #backward} has returned. */
    DeviceTensor forward(Map<String, DeviceTensor> named, DeviceTensor x) {
        weights = named;
        input = x;
        DeviceTensor last = x;
        for (int i = 0; i < layers.size(); i++) {
            DeviceTensor output = outputs.get(i);
            Layer layer = layers.get(i);
            if (layer instanceof Layer.Transposed t) {
                engine.forward(
                        t.layer().problem(last.size(0), spatial(last)), last, weight(t), bias(t, t.hasBias()), output);
            } else if (layer instanceof Layer.Convolved c) {
                // The convolution is the adjoint's gradient by its input.
                engine.inputGradient(
                        c.layer().problem(last.size(0), spatial(last)), last, weight(c), bias(c, c.hasBias()), output);
            } else {
                engine.elementwise().activate(activation(layer), last, output);
            }
            last = output;
        }
        return last;
    }

    /**
     * Computes the gradients by all weights from that by the output.
     *
     * @param wantsInputGradient whether the gradient by the input is wanted too
     * @return the gradient by the input, to be closed; null if it was not wanted
     */
    @Nullable
    DeviceTensor backward(boolean wantsInputGradient) {
        DeviceTensor gy = outputGradient;
        try {
            for (int i = layers.size() - 1; i >= 0; i--) {
                Layer layer = layers.get(i);
                DeviceTensor x = before(i);
                if (layer instanceof Layer.Transposed || layer instanceof Layer.Convolved) {
                    weightGradients(layer, x, gy);
                    if (i == 0 && !wantsInputGradient) {
                        return null;
                    }
                    DeviceTensor gx = inputGradient(layer, x, gy);
                    release(gy);
                    gy = gx;
                } else {
                    if (layer instanceof Layer.Prelu) {
                        engine.elementwise().slopeGradient(x, gy, gradient(layer, "weight"));
                    }
                    engine.elementwise().activationGradient(activation(layer), x, gy, gy);
                }
            }
            DeviceTensor result = wantsInputGradient ? gy : null;
            gy = wantsInputGradient ? outputGradient : gy;
            return result;
        } finally {
            release(gy);
        }
    }

    private void weightGradients(Layer layer, DeviceTensor x, DeviceTensor gy) {
        if (layer instanceof Layer.Transposed t) {
            engine.weightGradient(t.layer().problem(x.size(0), spatial(x)), x, gy, gradient(t, "weight"));
            biasGradient(t, t.hasBias(), gy);
        } else if (layer instanceof Layer.Convolved c) {
            // The adjoint reads what the convolution writes.
            engine.weightGradient(c.layer().problem(x.size(0), spatial(x)), gy, x, gradient(c, "weight"));
            biasGradient(c, c.hasBias(), gy);
        }
    }

    private void biasGradient(Layer layer, boolean hasBias, DeviceTensor gy) {
        if (hasBias) {
            engine.biasGradient(gy, gradient(layer, "bias"));
        }
    }

    private DeviceTensor inputGradient(Layer layer, DeviceTensor x, DeviceTensor gy) {
        return layer instanceof Layer.Convolved c
                ? engine.inputGradient(c.layer(), gy, weight(c), spatial(x))
                : engine.inputGradient(((Layer.Transposed) layer).layer(), gy, weight(layer));
    }

    private void release(DeviceTensor gradient) {
        if (gradient != outputGradient) {
            gradient.close();
        }
    }

    private DeviceTensor before(int i) {
        DeviceTensor x = i == 0 ? input : outputs.get(i - 1);
        if (x == null) {
            throw new IllegalStateException("a network must be run forwards before it is run backwards");
        }
        return x;
    }

    private static int[] spatial(DeviceTensor x) {
        return Arrays.copyOfRange(x.shape(), 2, x.rank());
    }

    private Activation activation(Layer layer) {
        if (layer instanceof Layer.Prelu) {
            return Activation.prelu(weight(layer));
        }
        return layer instanceof Layer.Activated a ? a.activation() : Activation.none();
    }

    private DeviceTensor weight(Layer layer) {
        return named(weights, layer.parameter("weight"));
    }

    private @Nullable DeviceTensor bias(Layer layer, boolean hasBias) {
        return hasBias ? named(weights, layer.parameter("bias")) : null;
    }

    private DeviceTensor gradient(Layer layer, String part) {
        return named(gradients, layer.parameter(part));
    }

    private static DeviceTensor named(Map<String, DeviceTensor> tensors, String name) {
        DeviceTensor tensor = tensors.get(name);
        if (tensor == null) {
            throw new IllegalStateException("no tensor of this name: " + name);
        }
        return tensor;
    }

    /** Gives all memory back. Idempotent. */
    @Override
    public void close() {
        outputs.forEach(DeviceTensor::close);
        gradients.values().forEach(DeviceTensor::close);
        outputGradient.close();
    }
}
