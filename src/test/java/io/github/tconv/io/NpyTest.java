package io.github.tconv.io;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.github.tconv.op.Tensor;
import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
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

final class NpyTest {
    private static final float[] SIX = {1, -2, 3.5f, Float.NaN, Float.NEGATIVE_INFINITY, -0.0f};
    private static final byte[] SIX_LITTLE = NpyBytes.floats(ByteOrder.LITTLE_ENDIAN, SIX);
    private static final byte[] SIX_BIG = NpyBytes.floats(ByteOrder.BIG_ENDIAN, SIX);

    @TempDir
    Path folder;

    @Property(tries = 200)
    void readsWhatItWrote(
            @ForAll @Size(min = 1, max = 6) List<@IntRange(min = 1, max = 5) Integer> sizes, @ForAll int seed)
            throws IOException {
        int[] shape = sizes.stream().mapToInt(Integer::intValue).toArray();
        Tensor tensor = Tensor.zeros(shape);
        Random random = new Random(seed);
        for (int i = 0; i < tensor.elements(); i++) {
            tensor.memory().putInt(i * Float.BYTES, random.nextInt());
        }
        Path file = Files.createTempFile("tensor", ".npy");
        try {
            Npy.write(file, tensor);
            Tensor read = Npy.read(file);
            assertArrayEquals(shape, read.shape());
            // Bits, for most random ones that are no number are not equal to themselves.
            assertEquals(tensor.memory(), read.memory());
        } finally {
            Files.delete(file);
        }
    }

    @Test
    void writesTheFormatWithItsValuesAtAMultipleOf64() throws IOException {
        Path file = folder.resolve("x.npy");
        Npy.write(file, Tensor.of(SIX, 2, 3));
        byte[] expected = NpyBytes.version1(
                "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }" + " ".repeat(58) + "\n", SIX_LITTLE);
        assertEquals(128, expected.length - SIX_LITTLE.length);
        assertArrayEquals(expected, Files.readAllBytes(file));
    }

    @Test
    void writesOneAxisWithItsComma() throws IOException {
        Path file = folder.resolve("x.npy");
        Npy.write(file, Tensor.of(SIX, 6));
        String text = Files.readString(file, StandardCharsets.ISO_8859_1);
        assertTrue(text.contains("'shape': (6,), }"), text);
    }

    static Stream<Arguments> goodFiles() {
        String header = NpyBytes.header("<f4", "False", "(2, 3)");
        return Stream.of(
                arguments("version 1.0", NpyBytes.version1(header, SIX_LITTLE)),
                arguments("version 2.0", NpyBytes.later(2, header, SIX_LITTLE)),
                arguments("version 3.0", NpyBytes.later(3, header, SIX_LITTLE)),
                arguments("big endian", NpyBytes.version1(NpyBytes.header(">f4", "False", "(2, 3)"), SIX_BIG)),
                arguments("Python 2", NpyBytes.version1(NpyBytes.header("<f4", "False", "(2L, 3L)"), SIX_LITTLE)),
                arguments(
                        "other order, quotes and spaces",
                        NpyBytes.version1("{ \"shape\" :( 2,3 ),'fortran_order':False ,'descr':\"<f4\"}", SIX_LITTLE)),
                arguments(
                        "the longest header",
                        NpyBytes.version1(
                                header.strip()
                                        + " ".repeat(10_000 - header.strip().length()),
                                SIX_LITTLE)));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("goodFiles")
    void readsEveryFormOfTheFormat(String name, byte[] content) throws IOException {
        Tensor tensor = Npy.read(Files.write(folder.resolve("x.npy"), content));
        assertArrayEquals(new int[] {2, 3}, tensor.shape());
        assertArrayEquals(SIX, tensor.toArray());
    }

    static Stream<Arguments> badFiles() {
        byte[] good = NpyBytes.of("(2, 3)", SIX);
        String header = NpyBytes.header("<f4", "False", "(2, 3)");
        return Stream.of(
                arguments("empty", new byte[0], "must not end within its magic and version of 8 bytes: 0 bytes"),
                arguments(
                        "no header",
                        Arrays.copyOf(good, 9),
                        "must not end within its header length of 2 bytes: 1 bytes"),
                arguments(
                        "half a header",
                        Arrays.copyOf(good, 40),
                        "must not end within its header of 60 bytes: 30 bytes"),
                arguments(
                        "truncated",
                        Arrays.copyOf(good, good.length - 1),
                        "the values of shape [2, 3] must have 24 bytes: 23"),
                arguments(
                        "too long",
                        Arrays.copyOf(good, good.length + 4),
                        "the values of shape [2, 3] must have 24 bytes: 28"),
                arguments(
                        "a zip",
                        "PK\3\4_____".getBytes(StandardCharsets.US_ASCII),
                        "a .npy file must begin with \\x93NUMPY: PK\\x03\\x04__"),
                arguments(
                        "version 4.0",
                        NpyBytes.later(4, header, SIX_LITTLE),
                        "the version of a .npy file must be 1.0, 2.0 or 3.0: 4.0"),
                arguments(
                        "float64",
                        NpyBytes.version1(NpyBytes.header("<f8", "False", "(3,)"), SIX_LITTLE),
                        "values must be float32, convert with .astype('float32'): float64 ('<f8')"),
                arguments(
                        "int32",
                        NpyBytes.version1(NpyBytes.header("<i4", "False", "(2, 3)"), SIX_LITTLE),
                        "values must be float32, convert with .astype('float32'): '<i4'"),
                arguments(
                        "a structure",
                        NpyBytes.version1(
                                "{'descr': [('a', '<f4'), ('b', '<f4')], 'fortran_order': False, 'shape': (3,), }",
                                SIX_LITTLE),
                        "values must be float32, convert with .astype('float32'): [('a', '<f4'), ('b', '<f4')]"),
                arguments(
                        "a letter for a type",
                        NpyBytes.version1("{'descr': e, 'fortran_order': False, 'shape': (2, 3), }", SIX_LITTLE),
                        "values must be float32, convert with .astype('float32'): e"),
                arguments(
                        "a name for a type",
                        NpyBytes.version1("{'descr': xf4x, 'fortran_order': False, 'shape': (2, 3), }", SIX_LITTLE),
                        "values must be float32, convert with .astype('float32'): xf4x"),
                arguments(
                        "Fortran order",
                        NpyBytes.version1(NpyBytes.header("<f4", "True", "(2, 3)"), SIX_LITTLE),
                        "values must be in C order, convert with numpy.ascontiguousarray: fortran_order is True"),
                arguments(
                        "no truth",
                        NpyBytes.version1(NpyBytes.header("<f4", "Maybe", "(2, 3)"), SIX_LITTLE),
                        "fortran_order must be False: Maybe"),
                arguments(
                        "oversized header",
                        NpyBytes.version1(
                                header.strip()
                                        + " ".repeat(10_001 - header.strip().length()),
                                SIX_LITTLE),
                        "the header of a .npy file must have at most 10000 bytes: 10001"),
                arguments(
                        "a header of 4 GiB",
                        new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 2, 0, -1, -1, -1, -1},
                        "the header of a .npy file must have at most 10000 bytes: 4294967295"),
                arguments(
                        "no dictionary",
                        NpyBytes.version1("[1, 2]", SIX_LITTLE),
                        "the header must be a Python dictionary: [1, 2]"),
                arguments(
                        "half a dictionary",
                        NpyBytes.version1("{'descr': '<f4', 'fortran_order': }", SIX_LITTLE),
                        "the header must be a Python dictionary of simple values: 'fortran_order':"),
                arguments(
                        "no shape",
                        NpyBytes.version1("{'descr': '<f4', 'fortran_order': False}", SIX_LITTLE),
                        "the header must have 'shape': {'descr': '<f4', 'fortran_order': False}"),
                arguments(
                        "two shapes",
                        NpyBytes.version1(
                                "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'shape': (2, 3)}", SIX_LITTLE),
                        "the header must have each key once: shape"),
                arguments("a number for a shape", bad("6"), "the shape must be a tuple of sizes: 6"),
                arguments("a hole in the shape", bad("(2,,3)"), "the shape must be a tuple of sizes: (2,,3)"),
                arguments("a negative size", bad("(-2, 3)"), "the shape must be a tuple of sizes: (-2, 3)"),
                arguments("no axis", NpyBytes.of("()", 1), "the shape must have at least one axis: ()"),
                arguments("a size of 0", NpyBytes.of("(0, 3)"), "sizes must be positive: (0, 3)"),
                arguments("a size beyond int", bad("(2147483648, 3)"), "sizes must be below 2^31: (2147483648, 3)"),
                arguments(
                        "a lie of 64 GiB",
                        bad("(131072, 131072)"),
                        "the values of shape [131072, 131072] must have 68719476736 bytes: 24"),
                arguments(
                        "a lie beyond 64 bits",
                        bad("(2147483647, 2147483647, 2147483647)"),
                        "must have 9223372036854775807 bytes: 24"),
                arguments("very many axes", bad("(" + "1,".repeat(4000) + ")"), "must have 4 bytes: 24"));
    }

    private static byte[] bad(String shape) {
        return NpyBytes.of(shape, SIX);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("badFiles")
    void refusesInOneLineWithRuleAndValue(String name, byte[] content, String message) throws IOException {
        Path file = Files.write(folder.resolve("x.npy"), content);
        InvalidFileException refusal = assertThrows(InvalidFileException.class, () -> Npy.read(file));
        String text = String.valueOf(refusal.getMessage());
        assertTrue(text.startsWith(file + ": "), text);
        assertTrue(text.endsWith(message), text);
        assertEquals(1, text.lines().count());
    }

    @Test
    void refusesMoreElementsThanATensorHas() throws IOException {
        Path file = folder.resolve("x.npy");
        // Holes take no disk.
        byte[] start = NpyBytes.of("(536870912,)");
        try (var channel = java.nio.channels.FileChannel.open(
                file, java.nio.file.StandardOpenOption.CREATE_NEW, java.nio.file.StandardOpenOption.WRITE)) {
            channel.write(java.nio.ByteBuffer.wrap(start));
            channel.write(java.nio.ByteBuffer.allocate(1), start.length + (4L << 29) - 1);
        }
        InvalidFileException refusal = assertThrows(InvalidFileException.class, () -> Npy.read(file));
        assertEquals(
                file
                        + ": tensor must have at most %d elements (2 GiB): shape [536870912]"
                                .formatted(Tensor.MAX_ELEMENTS),
                refusal.getMessage());
    }

    @Test
    void readsFromAPipe() throws Exception {
        Path pipe = folder.resolve("pipe");
        assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
        float[] values = new float[100_000];
        IntStream.range(0, values.length).forEach(i -> values[i] = i);
        Thread writer = new Thread(() -> {
            try {
                Files.write(pipe, NpyBytes.of("(100000,)", values), java.nio.file.StandardOpenOption.WRITE);
            } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        });
        writer.start();
        assertArrayEquals(values, Npy.read(pipe).toArray());
        writer.join();
    }

    @Test
    void refusesAMissingFile() {
        Path file = folder.resolve("x.npy");
        assertEquals(
                file + ": file must exist: no such file",
                assertThrows(InvalidFileException.class, () -> Npy.read(file)).getMessage());
    }

    @Test
    void refusesADirectory() {
        assertEquals(
                folder + ": file must be readable: it is a directory",
                assertThrows(InvalidFileException.class, () -> Npy.read(folder)).getMessage());
    }

    @Test
    void saysWhenTheDiskIsFull() {
        Path full = Path.of("/dev/full");
        assertEquals(
                "/dev/full: file must be writable: No space left on device",
                assertThrows(InvalidFileException.class, () -> Npy.write(full, Tensor.zeros(1)))
                        .getMessage());
    }
}
