package io.github.tconv.io;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The header of a safetensors file: an object that gives for each tensor its type, its shape and the place of its bytes,
 * and under {@code __metadata__} an object of strings.
 *
 * @param entries the tensors in the order of their bytes
 * @param metadata free text by name
 */
record SafetensorsHeader(List<Entry> entries, Map<String, String> metadata) {
    static final String METADATA = "__metadata__";

    /** More than any tensor of use has; no limit of the format. */
    private static final int MAX_AXES = 16;

    /** The types of the format that have whole bytes, and how many. */
    private static final Map<String, Integer> TYPE_BYTES = Map.ofEntries(
            Map.entry("BOOL", 1),
            Map.entry("U8", 1),
            Map.entry("I8", 1),
            Map.entry("F8_E4M3", 1),
            Map.entry("F8_E5M2", 1),
            Map.entry("U16", 2),
            Map.entry("I16", 2),
            Map.entry("F16", 2),
            Map.entry("BF16", 2),
            Map.entry("U32", 4),
            Map.entry("I32", 4),
            Map.entry("F32", 4),
            Map.entry("U64", 8),
            Map.entry("I64", 8),
            Map.entry("F64", 8));

    /**
     * A tensor's place. The bytes are counted from the header's end.
     *
     * @param name the name
     * @param type one of the format's types
     * @param shape the sizes, which may be 0 or none at all
     * @param begin the first byte
     * @param end one after the last byte
     */
    record Entry(String name, String type, List<Long> shape, long begin, long end) {
        String describe() {
            return type + shape.toString().replace('[', '(').replace(']', ')');
        }
    }

    /**
     * Reads a header.
     *
     * @param text the JSON
     * @param bytes how many follow the header
     * @throws IllegalArgumentException if a rule is broken; the message is the rule and the value
     */
    static SafetensorsHeader parse(String text, long bytes) {
        List<Entry> entries = new ArrayList<>();
        Map<String, String> metadata = new LinkedHashMap<>();
        JsonText json = new JsonText(text);
        json.object(key -> {
            if (key.equals(METADATA)) {
                json.object(name -> metadata.put(name, json.string()));
            } else {
                entries.add(entry(key, json));
            }
        });
        json.end();
        // Tensors of no bytes may begin where another does.
        entries.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
        checkPlaces(entries, bytes);
        return new SafetensorsHeader(entries, metadata);
    }

    private static Entry entry(String name, JsonText json) {
        Map<String, List<Long>> arrays = new HashMap<>();
        String[] type = new String[1];
        json.object(key -> {
            switch (key) {
                case "dtype" -> type[0] = json.string();
                case "shape" -> arrays.put(key, json.numbers(MAX_AXES));
                case "data_offsets" -> arrays.put(key, json.numbers(2));
                default ->
                    throw new IllegalArgumentException("tensor %s must have dtype, shape and data_offsets only: %s"
                            .formatted(JsonText.quoted(name), JsonText.quoted(key)));
            }
        });
        return checked(name, type[0], arrays.get("shape"), arrays.get("data_offsets"));
    }

    private static Entry checked(
            String name, @Nullable String type, @Nullable List<Long> shape, @Nullable List<Long> offsets) {
        String tensor = "tensor " + JsonText.quoted(name);
        if (type == null || shape == null || offsets == null) {
            String missing = type == null ? "dtype" : shape == null ? "shape" : "data_offsets";
            throw new IllegalArgumentException(
                    "%s must have dtype, shape and data_offsets: %s is missing".formatted(tensor, missing));
        }
        Integer elementBytes = TYPE_BYTES.get(type);
        if (elementBytes == null) {
            throw new IllegalArgumentException(
                    "%s must be of a known type: %s".formatted(tensor, JsonText.quoted(type)));
        }
        if (offsets.size() != 2 || offsets.get(0) > offsets.get(1)) {
            throw new IllegalArgumentException(
                    "%s must have a first byte and an end not before it: %s".formatted(tensor, offsets));
        }
        Entry entry = new Entry(name, type, shape, offsets.get(0), offsets.get(1));
        long bytes = elementBytes;
        for (long size : shape) {
            bytes = size != 0 && bytes > Long.MAX_VALUE / size ? Long.MAX_VALUE : bytes * size;
        }
        if (bytes != entry.end - entry.begin) {
            throw new IllegalArgumentException("%s must have the %s bytes of %s: %d"
                    .formatted(
                            tensor,
                            bytes == Long.MAX_VALUE ? "2^63 or more" : bytes,
                            entry.describe(),
                            entry.end - entry.begin));
        }
        return entry;
    }

    /** The tensors' bytes follow each other without a gap and without sharing any, to the last byte of the file. */
    private static void checkPlaces(List<Entry> entries, long bytes) {
        long taken = 0;
        for (Entry entry : entries) {
            if (entry.begin != taken) {
                throw new IllegalArgumentException("tensor %s must begin where the one before ends, at byte %d: %d"
                        .formatted(JsonText.quoted(entry.name), taken, entry.begin));
            }
            if (entry.end > bytes) {
                throw new IllegalArgumentException("tensor %s must end within the %d bytes after the header: %d"
                        .formatted(JsonText.quoted(entry.name), bytes, entry.end));
            }
            taken = entry.end;
        }
        if (taken != bytes) {
            throw new IllegalArgumentException(
                    "the file must end with its last tensor: %d bytes follow".formatted(bytes - taken));
        }
    }

    /** Writes the JSON. */
    @Override
    public String toString() {
        StringBuilder json = new StringBuilder("{");
        if (!metadata.isEmpty()) {
            json.append(JsonText.write(METADATA)).append(":{");
            metadata.forEach((name, text) -> json.append(json.charAt(json.length() - 1) == '{' ? "" : ",")
                    .append(JsonText.write(name))
                    .append(':')
                    .append(JsonText.write(text)));
            json.append('}');
        }
        for (Entry entry : entries) {
            json.append(json.length() == 1 ? "" : ",")
                    .append(JsonText.write(entry.name))
                    .append(":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%d,%d]}"
                            .formatted(entry.type, entry.shape.toString().replace(" ", ""), entry.begin, entry.end));
        }
        return json.append('}').toString();
    }
}
