package io.github.tconv.network;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Axis;
import io.github.tconv.op.Convolution;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;

/**
 * The layers of a network in their order, without weights. Immutable.
 *
 * <p>Layers are named as those of PyTorch's {@code nn.Sequential} unless told otherwise: by their index, so that the
 * weights are {@code 0.weight}, {@code 0.bias}, {@code 1.weight} and so on.
 */
public final class Architecture {
    private final List<Layer> layers;
    private final int inChannels;
    private final int outChannels;
    private final int rank;

    private Architecture(List<Layer> layers) {
        this.layers = List.copyOf(layers);
        Set<String> names = new HashSet<>();
        int first = 0;
        int channels = 0;
        int spatial = 0;
        for (int i = 0; i < layers.size(); i++) {
            Layer layer = layers.get(i);
            if (!names.add(layer.name())) {
                throw new IllegalArgumentException("the names of a network's layers must differ: " + layer.name());
            }
            int reads = reads(layer);
            if (reads != 0 && channels != 0 && reads != channels) {
                throw new IllegalArgumentException(
                        "layer %s must read the %d channels that the one before it writes: %d"
                                .formatted(layer.name(), channels, reads));
            }
            if (rank(layer) != 0 && spatial != 0 && rank(layer) != spatial) {
                throw new IllegalArgumentException("layer %s must have the %d spatial axes of the ones before it: %d"
                        .formatted(layer.name(), spatial, rank(layer)));
            }
            if (layer instanceof Layer.Normalised && (i == 0 || rank(layers.get(i - 1)) == 0)) {
                throw new IllegalArgumentException(
                        "batch normalisation must follow a convolution or transposed convolution: layer "
                                + layer.name());
            }
            first = first == 0 ? reads : first;
            channels = writes(layer) == 0 ? channels : writes(layer);
            spatial = rank(layer) == 0 ? spatial : rank(layer);
        }
        if (spatial == 0) {
            throw new IllegalArgumentException(
                    "a network must have a convolution or transposed convolution: " + layers.size() + " other layers");
        }
        inChannels = first;
        outChannels = channels;
        rank = spatial;
    }

    /** The channels that a layer reads, or 0 if it takes any. */
    private static int reads(Layer layer) {
        if (layer instanceof Layer.Transposed t) {
            return t.layer().inChannels();
        }
        return layer instanceof Layer.Convolved c ? c.layer().inChannels() : writes(layer);
    }

    /** The channels that a layer writes, or 0 if they are those it reads. */
    private static int writes(Layer layer) {
        if (layer instanceof Layer.Transposed t) {
            return t.layer().outChannels();
        }
        if (layer instanceof Layer.Convolved c) {
            return c.layer().outChannels();
        }
        if (layer instanceof Layer.Prelu p) {
            return p.channels();
        }
        return layer instanceof Layer.Normalised n ? n.channels() : 0;
    }

    /** The spatial axes of a layer, or 0 if it takes any. */
    private static int rank(Layer layer) {
        if (layer instanceof Layer.Transposed t) {
            return t.layer().rank();
        }
        return layer instanceof Layer.Convolved c ? c.layer().rank() : 0;
    }

    /**
     * Starts a network.
     *
     * @return a builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Returns the layers.
     *
     * @return the layers, the first being the one that reads the input
     */
    public List<Layer> layers() {
        return layers;
    }

    /**
     * Returns the number of channels of the input.
     *
     * @return at least 1
     */
    public int inChannels() {
        return inChannels;
    }

    /**
     * Returns the number of channels of the output.
     *
     * @return at least 1
     */
    public int outChannels() {
        return outChannels;
    }

    /**
     * Returns the number of spatial axes.
     *
     * @return 1, 2 or 3
     */
    public int rank() {
        return rank;
    }

    /**
     * Returns the shapes of all weights.
     *
     * @return shapes by name, in the order of the layers
     */
    public Map<String, int[]> parameters() {
        Map<String, int[]> all = new LinkedHashMap<>();
        layers.forEach(layer -> all.putAll(layer.parameters()));
        return all;
    }

    /**
     * Returns the shapes that an input goes through.
     *
     * @param inputShape {@code (n, inChannels, spatial...)}
     * @return the input's shape, and what each layer makes of the one before it
     * @throws IllegalArgumentException if the shape does not fit the network, or a layer has no output for it
     */
    public List<int[]> shapes(int... inputShape) {
        if (inputShape.length != rank + 2 || inputShape[1] != inChannels) {
            throw new IllegalArgumentException(
                    "the input of the network must have %d axes (n, %d channels and %d spatial): %s"
                            .formatted(rank + 2, inChannels, rank, Arrays.toString(inputShape)));
        }
        List<int[]> shapes = new ArrayList<>();
        int[] shape = inputShape.clone();
        shapes.add(shape);
        for (Layer layer : layers) {
            int[] spatial = Arrays.copyOfRange(shape, 2, shape.length);
            try {
                if (layer instanceof Layer.Transposed t) {
                    shape = t.layer().problem(shape[0], spatial).outputShape();
                } else if (layer instanceof Layer.Convolved c) {
                    shape = c.layer().problem(shape[0], spatial).inputShape();
                }
            } catch (IllegalArgumentException e) {
                throw new IllegalArgumentException(
                        "layer %s must have an output for an input of %s: %s"
                                .formatted(layer.name(), Arrays.toString(inputShape), e.getMessage()),
                        e);
            }
            shapes.add(shape);
        }
        return shapes;
    }

    /**
     * Checks that weights are those of this network.
     *
     * @param weights tensors by name
     * @throws IllegalArgumentException if one is missing, has another shape, or belongs to no layer; the message has the
     *     names and the shapes
     */
    public void check(Map<String, Tensor> weights) {
        List<String> wrong = new ArrayList<>();
        Map<String, int[]> wanted = parameters();
        wanted.forEach((name, shape) -> {
            Tensor found = weights.get(name);
            if (found == null || !found.hasShape(shape)) {
                wrong.add("%s must be %s: %s".formatted(name, describe(shape), found == null ? "missing" : found));
            }
        });
        weights.forEach((name, tensor) -> {
            if (!wanted.containsKey(name)) {
                wrong.add("%s belongs to no layer: %s".formatted(name, tensor));
            }
        });
        if (!wrong.isEmpty()) {
            throw new IllegalArgumentException("weights must fit the network: " + String.join("; ", wrong));
        }
    }

    static String describe(int[] shape) {
        return "float32" + Arrays.toString(shape).replace('[', '(').replace(']', ')');
    }

    /**
     * Makes weights to begin a training with, the same ones for the same seed: normally distributed with the variance
     * {@code 2 / terms}, {@code terms} being the mean number of products in a sum, which keeps the size of the values from
     * layer to layer (K. He et al., "Delving Deep into Rectifiers", 2015); slopes of 1/4, biases of 0, and a normalisation
     * that changes nothing.
     *
     * @param seed any number
     * @return new tensors by name
     */
    public Map<String, Tensor> randomWeights(long seed) {
        Random random = new Random(seed);
        Map<String, Tensor> weights = new LinkedHashMap<>();
        for (Layer layer : layers) {
            layer.parameters().forEach((name, shape) -> {
                Tensor tensor = Tensor.zeros(shape);
                boolean weight = name.endsWith(".weight");
                if (weight && rank(layer) != 0) {
                    double deviation = Math.sqrt(2 / terms(layer));
                    for (int i = 0; i < tensor.elements(); i++) {
                        tensor.set(i, (float) (deviation * random.nextGaussian()));
                    }
                } else if (weight || name.endsWith(".running_var")) {
                    float value = layer instanceof Layer.Prelu ? 0.25f : 1;
                    for (int i = 0; i < tensor.elements(); i++) {
                        tensor.set(i, value);
                    }
                }
                weights.put(name, tensor);
            });
        }
        return weights;
    }

    /** The mean number of products in a sum. Where the stride is not 1, only each stride-th tap meets an output element. */
    private static double terms(Layer layer) {
        if (layer instanceof Layer.Transposed t) {
            double terms = (double) product(t.layer().weightShape()) / t.layer().outChannels();
            return t.layer().axes().stream().mapToDouble(Axis::stride).reduce(terms, (rest, stride) -> rest / stride);
        }
        return layer instanceof Layer.Convolved c
                ? (double) product(c.layer().weightShape()) / c.layer().outChannels()
                : 1;
    }

    private static long product(int[] sizes) {
        return Arrays.stream(sizes).asLongStream().reduce(1, Math::multiplyExact);
    }

    /**
     * Returns the layers, one after another.
     *
     * @return for instance {@code 0 ic1_oc8_k5x5 bias, 1 prelu}
     */
    @Override
    public String toString() {
        List<String> parts = new ArrayList<>();
        for (Layer layer : layers) {
            String what = "batch normalisation";
            if (layer instanceof Layer.Transposed t) {
                what = t.layer() + (t.hasBias() ? " bias" : "");
            } else if (layer instanceof Layer.Convolved c) {
                what = c.layer() + (c.hasBias() ? " bias" : "");
            } else if (layer instanceof Layer.Activated a) {
                what = a.activation().toString();
            } else if (layer instanceof Layer.Prelu) {
                what = "prelu";
            }
            parts.add(layer.name() + " " + what);
        }
        return String.join(", ", parts);
    }

    /** Collects layers; {@link #build()} checks that they fit each other. Not thread-safe. */
    public static final class Builder {
        private final List<Layer> layers = new ArrayList<>();
        private String prefix = "";

        private Builder() {}

        /**
         * Sets what the names of the layers added from here begin with; the index among all layers follows.
         *
         * @param text for instance {@code main.}
         * @return this builder
         */
        public Builder prefix(String text) {
            prefix = text;
            return this;
        }

        private String next() {
            return prefix + layers.size();
        }

        /**
         * Adds a transposed convolution with a bias.
         *
         * @param layer its settings
         * @return this builder
         */
        public Builder add(TransposedConvolution layer) {
            return add(new Layer.Transposed(next(), layer, /* hasBias= */ true));
        }

        /**
         * Adds a transposed convolution without a bias.
         *
         * @param layer its settings
         * @return this builder
         */
        public Builder addWithoutBias(TransposedConvolution layer) {
            return add(new Layer.Transposed(next(), layer, /* hasBias= */ false));
        }

        /**
         * Adds a convolution with a bias.
         *
         * @param layer its settings
         * @return this builder
         */
        public Builder add(Convolution layer) {
            return add(new Layer.Convolved(next(), layer, /* hasBias= */ true));
        }

        /**
         * Adds a convolution without a bias.
         *
         * @param layer its settings
         * @return this builder
         */
        public Builder addWithoutBias(Convolution layer) {
            return add(new Layer.Convolved(next(), layer, /* hasBias= */ false));
        }

        /**
         * Adds a function of every element.
         *
         * @param activation the function, any but PReLU
         * @return this builder
         */
        public Builder add(Activation activation) {
            return add(new Layer.Activated(next(), activation));
        }

        /**
         * Adds PReLU with a learned slope for each channel.
         *
         * @param channels the channels
         * @return this builder
         */
        public Builder addPrelu(int channels) {
            return add(new Layer.Prelu(next(), channels));
        }

        /**
         * Adds batch normalisation.
         *
         * @param channels the channels
         * @return this builder
         */
        public Builder addBatchNormalisation(int channels) {
            return add(new Layer.Normalised(next(), channels, Layer.Normalised.EPSILON));
        }

        /**
         * Adds a layer under a name of its own.
         *
         * @param layer the layer
         * @return this builder
         */
        public Builder add(Layer layer) {
            layers.add(layer);
            return this;
        }

        /**
         * Builds the network's plan.
         *
         * @return an architecture
         * @throws IllegalArgumentException if two layers have one name, or one does not fit the one before it
         */
        public Architecture build() {
            return new Architecture(Collections.unmodifiableList(layers));
        }
    }
}
