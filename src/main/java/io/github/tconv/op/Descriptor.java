package io.github.tconv.op;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToIntFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** The one-line names of layers and problems: printed here, parsed here. */
final class Descriptor {
    private static final Pattern FIELD = Pattern.compile("(n|ic|oc|g|i|k|s|d|p|e|op)(-?\\d+(?:x-?\\d+)*)");

    private final String text;
    private final Map<String, int[]> fields = new HashMap<>();

    private Descriptor(String text) {
        this.text = text;
        for (String part : text.split("_", -1)) {
            Matcher field = FIELD.matcher(part);
            if (!field.matches()) {
                throw unreadable("'" + part + "' is none of n, ic, oc, g, i, k, s, d, p, e, op with its values");
            }
            if (fields.put(field.group(1), values(part, field.group(2))) != null) {
                throw unreadable("'" + field.group(1) + "' stands twice");
            }
        }
    }

    private int[] values(String part, String numbers) {
        try {
            return Arrays.stream(numbers.split("x")).mapToInt(Integer::parseInt).toArray();
        } catch (NumberFormatException e) {
            throw unreadable("'" + part + "' has a value beyond 32 bits");
        }
    }

    private IllegalArgumentException unreadable(String why) {
        return new IllegalArgumentException(
                "a descriptor reads like n8_ic256_oc128_i16x16_k4x4_s2x2_p1x1; in '%s' %s".formatted(text, why));
    }

    static Descriptor parse(String text) {
        return new Descriptor(text);
    }

    TransposedConvolution layer() {
        int[] kernel = required("k");
        LayerBuilder<TransposedConvolution> builder = TransposedConvolution.ofRank(kernel.length)
                .channels(single("ic", required("ic")), single("oc", required("oc")))
                .groups(single("g", optional("g", 1)))
                .kernel(kernel)
                .stride(optional("s", 1))
                .dilation(optional("d", 1))
                .outputPadding(optional("op", 0));
        int[] begin = perAxis("p", optional("p", 0), kernel.length);
        int[] end = fields.containsKey("e") ? perAxis("e", required("e"), kernel.length) : begin;
        int[] both = Arrays.copyOf(begin, begin.length + end.length);
        System.arraycopy(end, 0, both, begin.length, end.length);
        return builder.padding(both).build();
    }

    Problem problem() {
        return layer().problem(single("n", optional("n", 1)), perAxis("i", required("i"), required("k").length));
    }

    private int[] perAxis(String name, int[] values, int rank) {
        if (values.length == rank) {
            return values;
        }
        if (values.length != 1) {
            throw unreadable("'%s' must have one value, or one for each of the %d axes".formatted(name, rank));
        }
        int[] all = new int[rank];
        Arrays.fill(all, values[0]);
        return all;
    }

    private int[] required(String name) {
        int[] values = fields.get(name);
        if (values == null) {
            throw unreadable("'" + name + "' is missing");
        }
        return values;
    }

    private int[] optional(String name, int otherwise) {
        return fields.getOrDefault(name, new int[] {otherwise});
    }

    private int single(String name, int[] values) {
        if (values.length != 1) {
            throw unreadable("'" + name + "' has more than one value");
        }
        return values[0];
    }

    static String of(Problem problem) {
        TransposedConvolution layer = problem.layer();
        int[] size = new int[layer.rank()];
        Arrays.setAll(size, problem::inputSize);
        String batch = problem.batch() == 1 ? "" : "n" + problem.batch() + "_";
        return batch + channels(layer) + "_i" + join(Arrays.stream(size)) + geometry(layer);
    }

    static String of(TransposedConvolution layer) {
        return channels(layer) + geometry(layer);
    }

    private static String channels(TransposedConvolution layer) {
        String groups = layer.groups() == 1 ? "" : "_g" + layer.groups();
        return "ic" + layer.inChannels() + "_oc" + layer.outChannels() + groups;
    }

    private static String geometry(TransposedConvolution layer) {
        List<Axis> axes = layer.axes();
        boolean samePads = axes.stream().allMatch(axis -> axis.padBegin() == axis.padEnd());
        return "_k" + join(axes.stream().mapToInt(Axis::kernel))
                + unless(1, "_s", axes, Axis::stride)
                + unless(1, "_d", axes, Axis::dilation)
                + unless(0, "_p", axes, Axis::padBegin)
                + (samePads ? "" : "_e" + join(axes.stream().mapToInt(Axis::padEnd)))
                + unless(0, "_op", axes, Axis::outputPadding);
    }

    private static String unless(int usual, String name, List<Axis> axes, ToIntFunction<Axis> value) {
        return axes.stream().allMatch(axis -> value.applyAsInt(axis) == usual)
                ? ""
                : name + join(axes.stream().mapToInt(value));
    }

    private static String join(java.util.stream.IntStream values) {
        return values.mapToObj(Integer::toString).collect(Collectors.joining("x"));
    }
}
