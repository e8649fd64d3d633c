package io.github.tconv.picture;

import io.github.tconv.io.InvalidFileException;
import io.github.tconv.io.Safetensors;
import io.github.tconv.network.Architecture;
import io.github.tconv.op.Convolution;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;

/**
 * A network that knows what interpolation leaves out: from the brightness of a picture, the detail to be added to its
 * enlargement by 2.
 *
 * <p>It is of the FSRCNN kind (C. Dong et al., "Accelerating the Super-Resolution Convolutional Neural Network", 2016): a
 * convolution of 5 x 5, one of 1 x 1 to fewer channels, some of 3 x 3, one of 1 x 1 back to the many, PReLU after each,
 * and last a transposed convolution of 9 x 9 with stride 2. Two things differ. Its output is added to the enlargement of a
 * {@linkplain Filter filter}, so that it begins where interpolation ends. And nothing is padded: an input pixel's
 * surroundings are always pixels, so that a picture can be cut into tiles and no one sees where.
 */
public final class DetailModel {
    /** Output pixels an input pixel. */
    public static final int SCALE = 2;

    private static final String KIND = "tconv.model";
    private static final String DETAIL = "detail x2";
    private static final String FILTER = "tconv.filter";
    private static final String PHOTO = "photo";
    /** What the last layer's first weights are multiplied by: the first output is nearly the filter's. */
    private static final float QUIET = 0.01f;

    private final Architecture architecture;
    private final Map<String, Tensor> weights;
    private final Filter filter;
    private final int border;

    private DetailModel(Architecture architecture, Map<String, Tensor> weights, Filter filter, int border) {
        architecture.check(weights);
        this.architecture = architecture;
        this.weights = weights;
        this.filter = filter;
        this.border = border;
    }

    /**
     * Makes the layers.
     *
     * @param many channels of the outer layers
     * @param few channels of the layers between
     * @param depth how many convolutions of 3 x 3 there are
     * @return the layers, without weights
     */
    public static Architecture architecture(int many, int few, int depth) {
        Architecture.Builder layers = Architecture.builder()
                .add(Convolution.of2d().channels(1, many).kernel(5).build())
                .addPrelu(many)
                .add(Convolution.of2d().channels(many, few).build())
                .addPrelu(few);
        for (int i = 0; i < depth; i++) {
            layers.add(Convolution.of2d().channels(few, few).kernel(3).build()).addPrelu(few);
        }
        return layers.add(Convolution.of2d().channels(few, many).build())
                .addPrelu(many)
                // What an input pixel at the edge would write beyond those that all their inputs are there for, is cut.
                .add(TransposedConvolution.of2d()
                        .channels(many, 1)
                        .kernel(9)
                        .stride(SCALE)
                        .padding(8, 8, 7, 7)
                        .build())
                .build();
    }

    /**
     * Returns how many pixels the layers need beyond those they enlarge.
     *
     * @param depth how many convolutions of 3 x 3 there are
     * @return input pixels at each edge
     */
    static int border(int depth) {
        // 5 x 5, each 3 x 3, and the pixels on either side whose taps of 9 reach an output pixel.
        return 2 + depth + 2;
    }

    /**
     * Makes a model to be taught: nearly the filter's enlargement.
     *
     * @param many channels of the outer layers
     * @param few channels of the layers between
     * @param depth how many convolutions of 3 x 3 there are
     * @param filter what its output is added to
     * @param seed any number
     * @return a model
     */
    public static DetailModel random(int many, int few, int depth, Filter filter, long seed) {
        Architecture architecture = architecture(many, few, depth);
        Map<String, Tensor> weights = architecture.randomWeights(seed);
        Tensor last = Objects.requireNonNull(weights.get(
                architecture.layers().get(architecture.layers().size() - 1).parameter("weight")));
        for (int i = 0; i < last.elements(); i++) {
            last.set(i, last.get(i) * QUIET);
        }
        return new DetailModel(architecture, weights, filter, border(depth));
    }

    /**
     * Returns the same layers with other weights.
     *
     * @param others weights by name
     * @return a model
     * @throws IllegalArgumentException if they do not fit
     */
    public DetailModel with(Map<String, Tensor> others) {
        return new DetailModel(architecture, others, filter, border);
    }

    /**
     * Reads a model.
     *
     * @param name a file that {@link #write} wrote, or {@code photo} for the one that comes with the library
     * @return the model
     * @throws InvalidFileException if there is no such file, or it is no such model
     */
    public static DetailModel read(String name) {
        Path file = Path.of(name);
        Safetensors read = name.equals(PHOTO) ? photo() : Safetensors.read(file);
        try {
            return of(read);
        } catch (InvalidFileException e) {
            throw e;
        } catch (IllegalArgumentException e) {
            throw new InvalidFileException(file, String.valueOf(e.getMessage()));
        }
    }

    private static Safetensors photo() {
        try (InputStream stream = DetailModel.class.getResourceAsStream(PHOTO + ".safetensors")) {
            return Safetensors.read(Objects.requireNonNull(stream, "the library lacks its model")
                    .readAllBytes());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static DetailModel of(Safetensors read) {
        String kind = read.metadata().get(KIND);
        if (!DETAIL.equals(kind)) {
            throw new IllegalArgumentException("a model must have the %s '%s': %s"
                    .formatted(KIND, DETAIL, kind == null ? "missing" : "'" + kind + "'"));
        }
        Tensor first = read.tensors().get("0.weight");
        Tensor second = read.tensors().get("2.weight");
        if (first == null || second == null) {
            throw new IllegalArgumentException(
                    "a model must have weights: %s is missing".formatted(first == null ? "0.weight" : "2.weight"));
        }
        // What is wrong about these numbers, the check of all shapes says.
        int depth = 0;
        while (read.tensors().containsKey(2 * (depth + 4) + ".weight")) {
            depth++;
        }
        Filter filter = Filter.of(read.metadata().getOrDefault(FILTER, ""));
        Architecture architecture = architecture(first.size(0), second.size(0), depth);
        return new DetailModel(architecture, read.tensors(), filter, border(depth));
    }

    /**
     * Writes the model. The file appears whole or not at all.
     *
     * @param file a safetensors file, replaced if it exists
     * @throws InvalidFileException if it cannot be written
     */
    public void write(Path file) {
        Map<String, String> metadata = new LinkedHashMap<>();
        metadata.put(KIND, DETAIL);
        metadata.put(FILTER, filter.name().toLowerCase(java.util.Locale.ROOT));
        Safetensors.write(file, weights, metadata);
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
     * @return the model's own tensors by name
     */
    public Map<String, Tensor> weights() {
        return weights;
    }

    /**
     * Returns what the network's output is added to.
     *
     * @return the filter
     */
    public Filter filter() {
        return filter;
    }

    /**
     * Returns how many pixels the network needs beyond those it enlarges.
     *
     * @return input pixels at each edge
     */
    public int border() {
        return border;
    }
}
