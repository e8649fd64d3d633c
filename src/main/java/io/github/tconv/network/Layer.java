package io.github.tconv.network;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Convolution;
import io.github.tconv.op.TransposedConvolution;
import java.util.LinkedHashMap;
import java.util.Map;

/** One layer of a network, by a name under which its weights are found. Immutable. */
public sealed interface Layer {
    /**
     * Returns the name.
     *
     * @return for instance {@code 0} or {@code main.3}
     */
    String name();

    /**
     * Returns the shapes of the layer's weights by their full names, as PyTorch's modules have them.
     *
     * @return for instance {@code 0.weight} and {@code 0.bias}; empty where there is nothing to learn
     */
    Map<String, int[]> parameters();

    /**
     * Returns the name of one of the layer's weights.
     *
     * @param part for instance {@code weight}
     * @return for instance {@code 0.weight}
     */
    default String parameter(String part) {
        return name() + "." + part;
    }

    /**
     * A transposed convolution.
     *
     * @param name the layer's name
     * @param layer its settings
     * @param hasBias whether it has a bias
     */
    record Transposed(String name, TransposedConvolution layer, boolean hasBias) implements Layer {
        @Override
        public Map<String, int[]> parameters() {
            return Layer.weightAndBias(this, layer.weightShape(), layer.outChannels(), hasBias);
        }
    }

    /**
     * A convolution.
     *
     * @param name the layer's name
     * @param layer its settings
     * @param hasBias whether it has a bias
     */
    record Convolved(String name, Convolution layer, boolean hasBias) implements Layer {
        @Override
        public Map<String, int[]> parameters() {
            return Layer.weightAndBias(this, layer.weightShape(), layer.outChannels(), hasBias);
        }
    }

    /**
     * A function of every element that has nothing to learn.
     *
     * @param name the layer's name
     * @param activation the function, any but PReLU
     */
    record Activated(String name, Activation activation) implements Layer {
        /**
         * Checks the function.
         *
         * @param name the layer's name
         * @param activation the function
         * @throws IllegalArgumentException if it is PReLU, whose slopes are weights
         */
        public Activated {
            if (activation.kind() == Activation.Kind.PRELU) {
                throw new IllegalArgumentException(
                        "the slopes of PReLU are weights of the network, its layer is Layer.Prelu: " + name);
            }
        }

        @Override
        public Map<String, int[]> parameters() {
            return Map.of();
        }
    }

    /**
     * PReLU: {@code x} where positive, else {@code weight[channel] * x}.
     *
     * @param name the layer's name
     * @param channels the channels, each with a slope
     */
    record Prelu(String name, int channels) implements Layer {
        @Override
        public Map<String, int[]> parameters() {
            return Map.of(parameter("weight"), new int[] {channels});
        }
    }

    /**
     * Batch normalisation with the statistics of a training that is over:
     * {@code (x - running_mean) / sqrt(running_var + epsilon) * weight + bias} for each channel. It follows a convolution
     * or transposed convolution, into whose weights it is folded. S. Ioffe, C. Szegedy, "Batch Normalization", 2015.
     *
     * @param name the layer's name
     * @param channels the channels
     * @param epsilon added to the variance, at least 0
     */
    record Normalised(String name, int channels, double epsilon) implements Layer {
        /** What PyTorch adds to the variance unless told otherwise. */
        public static final double EPSILON = 1e-5;

        @Override
        public Map<String, int[]> parameters() {
            Map<String, int[]> shapes = new LinkedHashMap<>();
            for (String part : new String[] {"weight", "bias", "running_mean", "running_var"}) {
                shapes.put(parameter(part), new int[] {channels});
            }
            return shapes;
        }
    }

    private static Map<String, int[]> weightAndBias(Layer layer, int[] weight, int channels, boolean hasBias) {
        Map<String, int[]> shapes = new LinkedHashMap<>();
        shapes.put(layer.parameter("weight"), weight);
        if (hasBias) {
            shapes.put(layer.parameter("bias"), new int[] {channels});
        }
        return shapes;
    }
}
