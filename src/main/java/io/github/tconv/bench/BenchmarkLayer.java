package io.github.tconv.bench;

import io.github.tconv.op.Problem;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/**
 * A layer to measure.
 *
 * @param name a short name, or the descriptor where it has no other
 * @param problem the layer and its sizes
 * @param source where it comes from
 */
public record BenchmarkLayer(String name, Problem problem, String source) {
    private static final String HEADER = "name,descriptor,source";

    /**
     * Returns the suite: layers of well-known networks.
     *
     * @return the layers of {@code layers.csv}, in its order
     */
    public static List<BenchmarkLayer> suite() {
        try (InputStream in = BenchmarkLayer.class.getResourceAsStream("layers.csv")) {
            if (in == null) {
                throw new IllegalStateException("the suite is not in the class path: layers.csv");
            }
            return parse(new String(in.readAllBytes(), StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Chooses layers of the suite by name.
     *
     * @param names names of the suite, or none for all of it
     * @return the layers in the order of the names
     * @throws IllegalArgumentException if a name is not in the suite
     */
    public static List<BenchmarkLayer> named(List<String> names) {
        List<BenchmarkLayer> suite = suite();
        return names.isEmpty()
                ? suite
                : names.stream().map(name -> named(name, suite)).toList();
    }

    private static BenchmarkLayer named(String name, List<BenchmarkLayer> suite) {
        return suite.stream()
                .filter(layer -> layer.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("layer must be one of %s: %s"
                        .formatted(suite.stream().map(BenchmarkLayer::name).collect(Collectors.joining(", ")), name)));
    }

    /**
     * Makes a layer of a descriptor.
     *
     * @param descriptor of a problem
     * @return the layer, named after the descriptor
     * @throws IllegalArgumentException if the text is no descriptor of a problem
     */
    public static BenchmarkLayer of(String descriptor) {
        return new BenchmarkLayer(descriptor, Problem.parse(descriptor), "given");
    }

    /**
     * Reads lines of name, descriptor and source, after one that names these columns. Lines that begin with # are
     * remarks.
     *
     * @param csv the lines
     * @return the layers in their order
     * @throws IllegalArgumentException if it is no such list
     */
    public static List<BenchmarkLayer> parse(String csv) {
        List<String> lines = csv.lines()
                .filter(line -> !line.isBlank() && !line.startsWith("#"))
                .toList();
        if (lines.isEmpty() || !lines.get(0).equals(HEADER)) {
            throw new IllegalArgumentException("the list of layers must begin with '" + HEADER + "'");
        }
        return lines.stream().skip(1).map(BenchmarkLayer::parseLine).toList();
    }

    private static BenchmarkLayer parseLine(String line) {
        String[] fields = line.split(",", -1);
        if (fields.length != 3) {
            throw new IllegalArgumentException(
                    "a layer must have a name, a descriptor and a source: " + Arrays.toString(fields));
        }
        return new BenchmarkLayer(fields[0], Problem.parse(fields[1]), fields[2]);
    }
}
