package io.github.tconv.io;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.github.tconv.op.Tensor;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

final class SafetensorsTest {
    @TempDir
    Path folder;

    /** A file of a header and as many bytes after it. */
    private static byte[] file(String header, int bytes) {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        return file(json.length, json, bytes);
    }

    private static byte[] file(long length, byte[] header, int bytes) {
        return ByteBuffer.allocate(Long.BYTES + header.length + bytes)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(length)
                .put(header)
                .array();
    }

    private static String tensor(String name, String type, String shape, long begin, long end) {
        return "\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%d,%d]}"
                .formatted(name, type, shape, begin, end);
    }

    private Path write(byte... bytes) throws IOException {
        return Files.write(folder.resolve("w.safetensors"), bytes);
    }

    @Property(tries = 100)
    void readsWhatItWrote(
            @ForAll @Size(max = 6) List<@IntRange(min = 1, max = 5) Integer> sizes,
            @ForAll String odd,
            @ForAll int seed)
            throws IOException {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        Random random = new Random(seed);
        for (int size : sizes) {
            Tensor tensor = Tensor.zeros(size, 3, size);
            for (int i = 0; i < tensor.elements(); i++) {
                tensor.memory().putInt(i * Float.BYTES, random.nextInt());
            }
            tensors.put("%d\n\"\\ü漢😀.weight".formatted(tensors.size()), tensor);
        }
        // Halves of surrogate pairs are no text.
        String text = new String(odd.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8);
        Map<String, String> metadata = Map.of("text", text);
        Path file = Files.createTempFile("tensors", ".safetensors");
        try {
            Safetensors.write(file, tensors, metadata);
            Safetensors read = Safetensors.read(file);
            assertEquals(metadata, read.metadata());
            assertEquals(
                    List.copyOf(tensors.keySet()), List.copyOf(read.tensors().keySet()));
            tensors.forEach((name, tensor) -> {
                assertArrayEquals(tensor.shape(), read.tensors().get(name).shape());
                assertEquals(tensor.memory(), read.tensors().get(name).memory());
            });
        } finally {
            Files.delete(file);
        }
    }

    @Test
    void writesTheFormatWithItsValuesAtAMultipleOf64() throws IOException {
        Path file = folder.resolve("w.safetensors");
        Safetensors.write(file, Map.of("0.bias", Tensor.of(new float[] {1, -2}, 2)), Map.of());
        String header = "{\"0.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
        byte[] bytes = file(header + " ".repeat(120 - header.length()), 8);
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putFloat(128, 1).putFloat(132, -2);
        assertArrayEquals(bytes, Files.readAllBytes(file));
    }

    @Test
    void readsAnyOrderBlanksScalarsAndNamesOtherTypes() throws IOException {
        byte[] bytes = file(
                "{ \"b\" : { \"shape\" : [ 1 , 2 ] , \"data_offsets\" : [ 4 , 12 ] , \"dtype\" : \"F32\" } ,\n"
                        + "\"__metadata__\":{\"format\":\"pt\\u00e9\"},"
                        + tensor("count", "I64", "[]", 12, 20)
                        + ","
                        + tensor("long", "U8", "[9000]", 20, 9020)
                        + ","
                        + tensor("last", "F32", "[1]", 9020, 9024)
                        + ","
                        + tensor("none", "F32", "[0,9]", 12, 12)
                        + ","
                        + tensor("a", "F32", "[]", 0, 4)
                        + "}  \n ",
                9024);
        int values = bytes.length - 9024;
        ByteBuffer.wrap(bytes)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putFloat(values, 5)
                .putFloat(values + 8, 7);
        Safetensors read = Safetensors.read(write(bytes));
        assertEquals(List.of("a", "b", "last"), List.copyOf(read.tensors().keySet()));
        assertArrayEquals(new int[] {1}, read.tensors().get("a").shape());
        assertArrayEquals(new float[] {5}, read.tensors().get("a").toArray());
        assertArrayEquals(new int[] {1, 2}, read.tensors().get("b").shape());
        assertArrayEquals(new float[] {0, 7}, read.tensors().get("b").toArray());
        assertEquals(Map.of("count", "I64()", "none", "F32(0, 9)", "long", "U8(9000)"), read.others());
        assertEquals(Map.of("format", "pté"), read.metadata());
        Safetensors inMemory = Safetensors.read(bytes);
        assertEquals(read.others(), inMemory.others());
        assertEquals(
                read.tensors().get("b").memory(), inMemory.tensors().get("b").memory());
    }

    @Test
    void readsAFileWithoutTensors() throws IOException {
        assertTrue(Safetensors.read(write(file("{}", 0))).tensors().isEmpty());
    }

    static Stream<Arguments> hostileFiles() {
        String good = tensor("w", "F32", "[2]", 0, 8);
        String huge = "9223372036854775808";
        return Stream.of(
                arguments("empty", new byte[0], "its header's length in 8 bytes: it has 0"),
                arguments("short", new byte[7], "its header's length in 8 bytes: it has 7"),
                arguments("longer than the file", file(3, "{}".getBytes(StandardCharsets.UTF_8), 0), "3 of 2"),
                arguments("length of 2^63", file(Long.MIN_VALUE, new byte[9], 0), huge + " of 9"),
                arguments("length of 2^64 - 1", file(-1, new byte[9], 0), "18446744073709551615 of 9"),
                arguments("no text", file(2, new byte[] {(byte) 0xc3, '('}, 0), "must be UTF-8"),
                arguments("overlong", file(2, new byte[] {(byte) 0xc0, (byte) 0x80}, 0), "must be UTF-8"),
                arguments("no header", file("", 0), "there must be '{' at character 0: the end"),
                arguments("an array", file("[]", 0), "there must be '{' at character 0: \"[]\""),
                arguments("unended", file("{", 0), "there must be '\"' at character 1: the end"),
                arguments("unended string", file("{\"w", 0), "a string must be ended"),
                arguments("text behind", file("{}x", 0), "there must be the end at character 2: \"x\""),
                arguments("comma behind", file("{" + good + ",}", 8), "there must be '\"'"),
                arguments("deep", file("{\"w\":" + "[".repeat(100_000), 0), "there must be '{' at character 5"),
                arguments(
                        "deep metadata",
                        file("{\"__metadata__\":{\"a\":" + "{\"a\":".repeat(100_000), 0),
                        "there must be '\"' at character 21"),
                arguments(
                        "deep shape",
                        file("{\"w\":{\"shape\":" + "[".repeat(100_000), 0),
                        "there must be a whole number of at least 0 at character 15"),
                arguments(
                        "same name twice",
                        file("{" + good + "," + good + "}", 8),
                        "must stand once in its object: \"w\""),
                arguments(
                        "same name twice, escaped",
                        file("{" + good + "," + tensor("\\u0077", "F32", "[2]", 8, 16) + "}", 16),
                        "must stand once in its object: \"w\""),
                arguments(
                        "same key twice",
                        file("{\"w\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 0),
                        "must stand once in its object: \"dtype\""),
                arguments("no type", file("{\"w\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8), "dtype is missing"),
                arguments("no shape", file("{\"w\":{\"dtype\":\"F32\"}}", 0), "shape is missing"),
                arguments(
                        "no offsets", file("{\"w\":{\"dtype\":\"F32\",\"shape\":[2]}}", 0), "data_offsets is missing"),
                arguments("other key", file("{\"w\":{\"strides\":[2]}}", 0), "data_offsets only: \"strides\""),
                arguments(
                        "type of no kind", file("{" + tensor("w", "F33", "[2]", 0, 8) + "}", 8), "known type: \"F33\""),
                arguments(
                        "type of half bytes",
                        file("{" + tensor("w", "F4", "[2]", 0, 1) + "}", 1),
                        "known type: \"F4\""),
                arguments(
                        "sharing bytes",
                        file("{" + good + "," + tensor("v", "F32", "[2]", 4, 12) + "}", 12),
                        "\"v\" must begin where the one before ends, at byte 8: 4"),
                arguments(
                        "same bytes",
                        file("{" + good + "," + tensor("v", "F32", "[2]", 0, 8) + "}", 8),
                        "must begin where the one before ends, at byte 8: 0"),
                arguments(
                        "a gap", file("{" + good + "," + tensor("v", "F32", "[2]", 12, 20) + "}", 20), "at byte 8: 12"),
                arguments(
                        "not from the first byte",
                        file("{" + tensor("w", "F32", "[2]", 4, 12) + "}", 12),
                        "at byte 0: 4"),
                arguments(
                        "beyond the file",
                        file("{" + good + "}", 7),
                        "must end within the 7 bytes after the header: 8"),
                arguments("bytes behind", file("{" + good + "}", 9), "end with its last tensor: 1 bytes follow"),
                arguments("only bytes", file("{}", 1), "end with its last tensor: 1 bytes follow"),
                arguments("end before begin", file("{" + tensor("w", "F32", "[2]", 8, 0) + "}", 8), "[8, 0]"),
                arguments(
                        "one offset", file("{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8), "[0]"),
                arguments(
                        "three offsets",
                        file("{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,8]}}", 8),
                        "an array must have at most 2 numbers"),
                arguments(
                        "too few bytes",
                        file("{" + tensor("w", "F32", "[3]", 0, 8) + "}", 8),
                        "the 12 bytes of F32(3): 8"),
                arguments(
                        "2^63 elements",
                        file("{" + tensor("w", "F32", "[" + huge + "]", 0, 8) + "}", 8),
                        "a number must be below 2^63: \"" + huge),
                arguments(
                        "2^64 bytes, which would be 0",
                        file("{" + tensor("w", "F32", "[4611686018427387904]", 0, 0) + "}", 0),
                        "the 2^63 or more bytes of F32(4611686018427387904): 0"),
                arguments(
                        "product of 2^64",
                        file("{" + tensor("w", "U8", "[4294967296,4294967296]", 0, 0) + "}", 0),
                        "the 2^63 or more bytes"),
                arguments(
                        "offsets of 2^63 - 1",
                        file("{" + tensor("w", "U8", "[" + Long.MAX_VALUE + "]", 0, Long.MAX_VALUE) + "}", 0),
                        "must end within the 0 bytes after the header: 9223372036854775807"),
                arguments(
                        "negative",
                        file("{" + tensor("w", "F32", "[-2]", 0, 8) + "}", 8),
                        "a whole number of at least 0"),
                arguments(
                        "fraction",
                        file("{" + tensor("w", "F32", "[2.0]", 0, 8) + "}", 8),
                        "a whole number of at least 0"),
                arguments(
                        "exponent",
                        file("{" + tensor("w", "F32", "[2e0]", 0, 8) + "}", 8),
                        "a whole number of at least 0"),
                arguments(
                        "leading zero",
                        file("{" + tensor("w", "F32", "[02]", 0, 8) + "}", 8),
                        "a whole number of at least 0"),
                arguments(
                        "many axes",
                        file("{" + tensor("w", "F32", "[" + "1,".repeat(16) + "1]", 0, 4) + "}", 4),
                        "an array must have at most 16 numbers"),
                arguments("metadata of numbers", file("{\"__metadata__\":{\"a\":1}}", 0), "there must be '\"'"),
                arguments("control character", file("{\"a\nb\":{}}", 0), "control characters: \\u000a"),
                arguments("escape of no kind", file("{\"\\x\":{}}", 0), "an escape must be one of JSON's"),
                arguments("no hexadecimal digit", file("{\"\\u00g0\":{}}", 0), "four hexadecimal digits: \"g\""),
                arguments("half a pair", file("{\"\\ud800\":{}}", 0), "half a surrogate pair: \\ud800"),
                arguments("half a pair, low", file("{\"\\udc00\":{}}", 0), "half a surrogate pair: \\udc00"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("hostileFiles")
    void refusesWithTheRuleAndTheValue(String name, byte[] bytes, String message) throws IOException {
        Path file = write(bytes);
        InvalidFileException refusal = assertThrows(InvalidFileException.class, () -> Safetensors.read(file));
        assertTrue(refusal.getMessage().startsWith(file + ": "), refusal.getMessage());
        assertTrue(
                refusal.getMessage().contains(message),
                () -> "expected: " + message + "\nbut: " + refusal.getMessage());
        assertFalse(refusal.getMessage().contains("\n"), refusal.getMessage());
        assertTrue(refusal.getMessage().length() < 400, refusal.getMessage());
    }

    /** Every single byte of a small file set to every value of some: an answer or a refusal, nothing else. */
    @Test
    void anyDamagedByteIsReadOrRefused() {
        byte[] good = file("{" + tensor("w", "F32", "[2,1]", 0, 8) + ",\"__metadata__\":{\"a\":\"b\"}}", 8);
        for (int at = 0; at < good.length; at++) {
            for (int value : new int[] {0, 1, '"', '{', '}', '[', ']', ',', '9', '\\', 0x80, 0xff}) {
                byte[] damaged = good.clone();
                damaged[at] = (byte) value;
                try {
                    Safetensors.read(damaged);
                } catch (IllegalArgumentException e) {
                    assertFalse(e.getMessage().isBlank());
                }
            }
        }
    }

    @Test
    void aHeaderBeyondTheLimitIsRefusedBeforeItIsRead() throws IOException {
        Path file = write(file(1 << 25, new byte[0], 0));
        try (RandomAccessFile sparse = new RandomAccessFile(file.toFile(), "rw")) {
            sparse.setLength(1L << 40);
        }
        InvalidFileException refusal = assertThrows(InvalidFileException.class, () -> Safetensors.read(file));
        assertTrue(refusal.getMessage().contains("at most 16777216 bytes: 33554432 of"), refusal.getMessage());
    }

    @Test
    void whatIsNoRegularFileIsRefused() {
        assertRefused(folder, "it is a directory");
        assertRefused(Path.of("/dev/zero"), "it is a device or pipe");
        assertRefused(Path.of(""), "file must have a name: ''");
        assertRefused(folder.resolve("missing"), "file must exist: no such file");
    }

    private static void assertRefused(Path file, String message) {
        InvalidFileException refusal = assertThrows(InvalidFileException.class, () -> Safetensors.read(file));
        assertTrue(refusal.getMessage().contains(message), refusal.getMessage());
    }

    @Test
    void anUnwritableFileLeavesTheOldOne() throws IOException {
        Path file = Files.writeString(folder.resolve("w.safetensors"), "old");
        Map<String, Tensor> kept = Map.of(SafetensorsHeader.METADATA, Tensor.zeros(1));
        assertThrows(IllegalArgumentException.class, () -> Safetensors.write(file, kept, Map.of()));
        assertEquals("old", Files.readString(file));
        try (Stream<Path> files = Files.list(folder)) {
            assertEquals(1, files.count());
        }
    }
}
