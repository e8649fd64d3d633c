package io.github.tconv.network;

import io.github.tconv.Engine;
import io.github.tconv.op.Activation;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Runs a network forwards, keeping what every layer made, and backwards from there: reverse differentiation. For inputs
 * of one shape; all memory is taken once. The weights are read where they are, on every run anew. Not thread-safe.
 */
final class Tape {
    private final Engine engine;
    private final List<Layer> layers;
    private final Map<String, Tensor> weights;
    private final int[] inputShape;
    /** What each layer made. */
    private final List<Tensor> outputs = new ArrayList<>();

    private final Map<String, Tensor> gradients = new LinkedHashMap<>();
    /** Gradients by the network's output and by the inputs of its convolutions of either kind, from the last to the first. */
    private final Arena arena;

    private @Nullable Tensor input;

    Tape(Engine engine, Architecture architecture, Map<String, Tensor> weights, int... inputShape) {
        this.engine = engine;
        this.layers = architecture.layers();
        this.weights = weights;
        this.inputShape = inputShape.clone();
        List<int[]> shapes = architecture.shapes(inputShape);
        List<int[]> steps = new ArrayList<>();
        steps.add(shapes.get(layers.size()));
        for (int i = layers.size() - 1; i >= 0; i--) {
            Layer layer = layers.get(i);
            if (layer instanceof Layer.Normalised) {
                throw new IllegalArgumentException(
                        "a network with batch normalisation has no gradients here, its statistics are fixed: layer "
                                + layer.name());
            }
            if (layer instanceof Layer.Transposed || layer instanceof Layer.Convolved) {
                steps.add(shapes.get(i));
            }
        }
        arena = new Arena(steps);
        for (int i = 0; i < layers.size(); i++) {
            outputs.add(Tensor.zeros(shapes.get(i + 1)));
            layers.get(i).parameters().forEach((name, shape) -> gradients.put(name, Tensor.zeros(shape)));
        }
    }

    boolean isFor(Tensor other) {
        return other.hasShape(inputShape);
    }

    /** The gradients that {@link #backward} computed last, by the names of the weights. */
    Map<String, Tensor> gradients() {
        return gradients;
    }

    /** Where the gradient by the output goes before {@link #backward}, which overwrites it. */
    Tensor outputGradient() {
        return arena.get(0);
    }

    /** Computes the network; the input must stay as it is until {@link #backward} is done. */
    Tensor forward(Tensor x) {
        input = x;
        Tensor last = x;
        for (int i = 0; i < layers.size(); i++) {
            Tensor output = outputs.get(i);
            Layer layer = layers.get(i);
            if (layer instanceof Layer.Transposed t) {
                engine.forward(problem(t, last), last, weight(t), bias(t, t.hasBias()), output);
            } else if (layer instanceof Layer.Convolved c) {
                // The convolution is the adjoint's gradient by its input.
                engine.inputGradient(problem(c, last), last, weight(c), bias(c, c.hasBias()), output);
            } else {
                Elementwise.activate(activation(layer), last, output);
            }
            last = output;
        }
        return last;
    }

    /**
     * Computes the gradients by all weights from that by the output.
     *
     * @param wantsInputGradient whether the gradient by the input is wanted too
     * @return the gradient by the input, until the next run; null if it was not wanted and not needed
     */
    @Nullable
    Tensor backward(boolean wantsInputGradient) {
        int step = 0;
        for (int i = layers.size() - 1; i >= 0; i--) {
            Layer layer = layers.get(i);
            Tensor x = before(i);
            Tensor gy = arena.get(step);
            boolean convolves = layer instanceof Layer.Transposed || layer instanceof Layer.Convolved;
            boolean goesOn = wantsInputGradient || i > 0;
            Tensor gx = convolves && goesOn ? arena.get(++step) : null;
            if (layer instanceof Layer.Transposed t) {
                Problem problem = problem(t, x);
                engine.weightGradient(problem, x, gy, gradient(t, "weight"));
                if (gx != null) {
                    engine.inputGradient(problem, gy, weight(t), null, gx);
                }
                biasGradient(t, t.hasBias(), gy);
            } else if (layer instanceof Layer.Convolved c) {
                Problem problem = problem(c, x);
                engine.weightGradient(problem, gy, x, gradient(c, "weight"));
                if (gx != null) {
                    engine.forward(problem, gy, weight(c), null, gx);
                }
                biasGradient(c, c.hasBias(), gy);
            } else {
                if (layer instanceof Layer.Prelu) {
                    Elementwise.slopeGradient(x, gy, gradient(layer, "weight"));
                }
                Elementwise.activationGradient(activation(layer), x, gy);
            }
            if (convolves && gx == null) {
                return null;
            }
        }
        return arena.get(step);
    }

    /** The first layer whose output is not finite, or null. */
    @Nullable
    Layer firstNotFinite() {
        for (int i = 0; i < layers.size(); i++) {
            if (!Elementwise.isFinite(outputs.get(i))) {
                return layers.get(i);
            }
        }
        return null;
    }

    private void biasGradient(Layer layer, boolean hasBias, Tensor gy) {
        if (hasBias) {
            engine.biasGradient(gy, gradient(layer, "bias"));
        }
    }

    private Tensor before(int i) {
        Tensor x = i == 0 ? input : outputs.get(i - 1);
        if (x == null) {
            throw new IllegalStateException("a network must be run forwards before it is run backwards");
        }
        return x;
    }

    private static Problem problem(Layer.Transposed layer, Tensor x) {
        return layer.layer().problem(x.size(0), spatial(x));
    }

    private static Problem problem(Layer.Convolved layer, Tensor x) {
        return layer.layer().problem(x.size(0), spatial(x));
    }

    static int[] spatial(Tensor x) {
        return Arrays.copyOfRange(x.shape(), 2, x.rank());
    }

    private Activation activation(Layer layer) {
        if (layer instanceof Layer.Prelu) {
            return Activation.prelu(weight(layer));
        }
        return layer instanceof Layer.Activated a ? a.activation() : Activation.none();
    }

    private Tensor weight(Layer layer) {
        return named(weights, layer.parameter("weight"));
    }

    private @Nullable Tensor bias(Layer layer, boolean hasBias) {
        return hasBias ? named(weights, layer.parameter("bias")) : null;
    }

    private Tensor gradient(Layer layer, String part) {
        return named(gradients, layer.parameter(part));
    }

    private static Tensor named(Map<String, Tensor> tensors, String name) {
        Tensor tensor = tensors.get(name);
        if (tensor == null) {
            throw new IllegalStateException("no tensor of this name: " + name);
        }
        return tensor;
    }
}
