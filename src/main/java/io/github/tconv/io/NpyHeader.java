package io.github.tconv.io;

import io.github.tconv.op.Tensor;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * The header of a {@code .npy} file: a Python dictionary with the keys {@code descr} (the type), {@code fortran_order}
 * and {@code shape}, in any order.
 */
final class NpyHeader {
    /** A key with its value: a string, a name or number, or a list or tuple, which has no further one inside. */
    private static final Pattern ENTRY = Pattern.compile(
            "\\s*(['\"])(?<key>\\w+)\\1\\s*:\\s*(?<value>'[^']*'|\"[^\"]*\"|\\w+|\\([^()\\[\\]]*\\)|\\[.*\\])\\s*(,|$)");

    /** Python 2 wrote {@code 3L}. */
    private static final Pattern SIZE = Pattern.compile("\\s*(\\d+)L?\\s*");

    private final ByteOrder order;
    private final int[] shape;

    private NpyHeader(ByteOrder order, int... shape) {
        this.order = order;
        this.shape = shape;
    }

    static NpyHeader of(Tensor tensor) {
        return new NpyHeader(ByteOrder.nativeOrder(), tensor.shape());
    }

    /** Reads a header; the message of the {@link IllegalArgumentException} is the rule and the value. */
    static NpyHeader parse(String text) {
        Map<String, String> entries = entries(text);
        ByteOrder order = order(required(entries, "descr", text));
        String fortran = required(entries, "fortran_order", text);
        if (fortran.equals("True")) {
            throw new IllegalArgumentException(
                    "values must be in C order, convert with numpy.ascontiguousarray:" + " fortran_order is True");
        }
        if (!fortran.equals("False")) {
            throw new IllegalArgumentException("fortran_order must be False: " + shorten(fortran));
        }
        return new NpyHeader(order, shape(required(entries, "shape", text)));
    }

    private static Map<String, String> entries(String text) {
        String trimmed = text.strip();
        if (!trimmed.startsWith("{") || !trimmed.endsWith("}")) {
            throw new IllegalArgumentException("the header must be a Python dictionary: " + shorten(text));
        }
        String inner = trimmed.substring(1, trimmed.length() - 1).stripTrailing();
        Map<String, String> entries = new HashMap<>();
        Matcher entry = ENTRY.matcher(inner);
        int at = 0;
        while (at < inner.length()) {
            if (!entry.region(at, inner.length()).lookingAt()) {
                throw new IllegalArgumentException(
                        "the header must be a Python dictionary of simple values: " + shorten(inner.substring(at)));
            }
            if (entries.put(entry.group("key"), entry.group("value")) != null) {
                throw new IllegalArgumentException("the header must have each key once: " + entry.group("key"));
            }
            at = entry.end();
        }
        return entries;
    }

    private static String required(Map<String, String> entries, String key, String text) {
        String value = entries.get(key);
        if (value == null) {
            throw new IllegalArgumentException("the header must have '%s': %s".formatted(key, shorten(text)));
        }
        return value;
    }

    private static ByteOrder order(String descr) {
        return switch (descr.replace('"', '\'')) {
            case "'<f4'" -> ByteOrder.LITTLE_ENDIAN;
            case "'>f4'" -> ByteOrder.BIG_ENDIAN;
            case "'=f4'", "'f4'" -> ByteOrder.nativeOrder();
            case "'<f8'", "'>f8'", "'=f8'", "'f8'" ->
                throw new IllegalArgumentException(
                        "values must be float32, convert with .astype('float32'): float64 (" + descr + ")");
            default ->
                throw new IllegalArgumentException(
                        "values must be float32, convert with .astype('float32'): " + shorten(descr));
        };
    }

    private static int[] shape(String tuple) {
        if (!tuple.startsWith("(")) {
            throw new IllegalArgumentException("the shape must be a tuple of sizes: " + shorten(tuple));
        }
        String sizes = tuple.substring(1, tuple.length() - 1).strip();
        if (sizes.isEmpty()) {
            throw new IllegalArgumentException("the shape must have at least one axis: ()");
        }
        String[] parts = sizes.replaceFirst(",$", "").split(",", -1);
        int[] shape = new int[parts.length];
        for (int a = 0; a < parts.length; a++) {
            shape[a] = size(parts[a], tuple);
        }
        return shape;
    }

    private static int size(String part, String tuple) {
        Matcher matcher = SIZE.matcher(part);
        if (!matcher.matches()) {
            throw new IllegalArgumentException("the shape must be a tuple of sizes: " + shorten(tuple));
        }
        int size;
        try {
            size = Integer.parseInt(matcher.group(1));
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("sizes must be below 2^31: " + shorten(tuple), e);
        }
        if (size == 0) {
            throw new IllegalArgumentException("sizes must be positive: " + shorten(tuple));
        }
        return size;
    }

    ByteOrder order() {
        return order;
    }

    int[] shape() {
        return shape.clone();
    }

    /** The bytes of all values, or {@link Long#MAX_VALUE} where there are more. */
    long bytes() {
        long bytes = Float.BYTES;
        for (int size : shape) {
            bytes = bytes > Long.MAX_VALUE / size ? Long.MAX_VALUE : bytes * size;
        }
        return bytes;
    }

    private static String shorten(String text) {
        String line = text.strip().replaceAll("\\p{Cntrl}+", " ");
        return line.length() <= 80 ? line : line.substring(0, 77) + "...";
    }

    @Override
    public String toString() {
        String sizes = Arrays.stream(shape).mapToObj(Integer::toString).collect(Collectors.joining(", "));
        String tuple = shape.length == 1 ? "(" + sizes + ",)" : "(" + sizes + ")";
        return "{'descr': '%s', 'fortran_order': False, 'shape': %s, }"
                .formatted(order == ByteOrder.LITTLE_ENDIAN ? "<f4" : ">f4", tuple);
    }
}
