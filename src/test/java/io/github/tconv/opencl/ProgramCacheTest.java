package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jocl.cl_device_id;
import org.jocl.cl_platform_id;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ProgramCacheTest {
    private static final byte[] BINARY = {1, 2, 3, 4, 5, 6, 7, 8, 9};

    @TempDir
    Path folder;

    @Test
    void givesBackWhatWasStored() {
        ProgramCache cache = new ProgramCache(folder.resolve("made/when/needed"));
        assertTrue(cache.load("key").isEmpty());
        cache.store("key", BINARY);
        assertArrayEquals(BINARY, cache.load("key").orElseThrow());
        assertTrue(cache.load("other").isEmpty());
    }

    @Test
    void everyDamagedByteAndEveryTruncationIsNoticed() throws IOException {
        ProgramCache cache = new ProgramCache(folder);
        cache.store("key", BINARY);
        Path file = folder.resolve("key.bin");
        byte[] sound = Files.readAllBytes(file);
        for (int i = 0; i < sound.length; i++) {
            byte[] damaged = sound.clone();
            damaged[i] ^= 0x10;
            Files.write(file, damaged);
            assertTrue(cache.load("key").isEmpty(), "byte " + i);
            Files.write(file, Arrays.copyOf(sound, i));
            assertTrue(cache.load("key").isEmpty(), "length " + i);
        }
        Files.write(file, sound);
        assertArrayEquals(BINARY, cache.load("key").orElseThrow());
    }

    @Test
    void aFolderThatCannotBeUsedIsNoFailure() throws IOException {
        Path occupied = Files.createFile(folder.resolve("occupied"));
        ProgramCache cache = new ProgramCache(occupied);
        cache.store("key", BINARY);
        assertTrue(cache.load("key").isEmpty());
    }

    @Test
    void manyWritersLeaveOneWholeFile() throws IOException {
        IntStream.range(0, 64).parallel().forEach(i -> new ProgramCache(folder).store("key", BINARY));
        assertArrayEquals(BINARY, new ProgramCache(folder).load("key").orElseThrow());
        try (Stream<Path> files = Files.list(folder)) {
            assertEquals(
                    List.of("key.bin"),
                    files.map(file -> file.getFileName().toString()).toList());
        }
    }

    @Test
    void theKeyHoldsAllThatTheBinaryDependsOn() {
        String key = ProgramCache.key(device("name", "driver"), "source", "options");
        assertEquals(key, ProgramCache.key(device("name", "driver"), "source", "options"));
        assertNotEquals(key, ProgramCache.key(device("name2", "driver"), "source", "options"));
        assertNotEquals(key, ProgramCache.key(device("name", "driver2"), "source", "options"));
        assertNotEquals(key, ProgramCache.key(device("name", "driver"), "source2", "options"));
        assertNotEquals(key, ProgramCache.key(device("name", "driver"), "source", "options2"));
    }

    private static Device device(String name, String driver) {
        DeviceInfo info = new DeviceInfo(0, DeviceInfo.Type.CPU, name, "p", "OpenCL 1.2", driver, 1, 1, 1, null);
        return new Device(info, new cl_platform_id(), new cl_device_id(), Device.HostMemory.APART, 1, 1, 1, false);
    }

    /** Whatever lies in the folder, the numbers are the same; and the second session finds what the first stored. */
    @ParameterizedTest
    @ValueSource(strings = {"sound", "truncated", "noise"})
    void aDeviceComputesTheSameWhateverTheCacheHolds(String state) {
        Problem problem = Problem.parse("ic2_oc3_i3x4_k2x3_s2x1");
        Tensor input = counting(problem.inputShape());
        Tensor weight = counting(problem.layer().weightShape());
        for (DeviceInfo info : OpenClBackend.devices().devices()) {
            if (info.unusable() == null) {
                Device device = Discovery.run().devices().get(info.index());
                Path ofDevice = folder.resolve(state + info.index());
                float[] first = forward(device, ofDevice, problem, input, weight);
                assertNotEquals(0, files(ofDevice).size(), "programs stored for " + info.name());
                files(ofDevice).forEach(file -> spoil(file, state));
                assertArrayEquals(first, forward(device, ofDevice, problem, input, weight));
            }
        }
    }

    private static float[] forward(Device device, Path cache, Problem problem, Tensor input, Tensor weight) {
        Tensor output = Tensor.zeros(problem.outputShape());
        try (Session session = new Session(device, new ProgramCache(cache))) {
            try (PreparedForward prepared = new PreparedForward(
                    session, problem.layer(), weight, null, Activation.none(), ForwardRule.standard(), true)) {
                prepared.forward(problem, input, null, output);
            }
        }
        return output.toArray();
    }

    private static Tensor counting(int... shape) {
        Tensor tensor = Tensor.zeros(shape);
        for (int i = 0; i < tensor.elements(); i++) {
            tensor.set(i, i % 7 - 3);
        }
        return tensor;
    }

    private static List<Path> files(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            return files.toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void spoil(Path file, String state) {
        try {
            byte[] content = Files.readAllBytes(file);
            switch (state) {
                case "truncated" -> Files.write(file, Arrays.copyOf(content, content.length / 2));
                case "noise" -> Files.write(file, BINARY);
                default -> Files.write(file, content);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "Linux, TCONV_CACHE_DIR=/own, /own",
        "Linux, XDG_CACHE_HOME=/xdg, /xdg/tconv",
        "Linux, XDG_CACHE_HOME=relative, /home/me/.cache/tconv",
        "Linux, NOTHING=1, /home/me/.cache/tconv",
        "Mac OS X, NOTHING=1, /home/me/Library/Caches/tconv",
        "Windows 11, LOCALAPPDATA=/local, /local/tconv/cache",
        "Windows 11, NOTHING=1, /home/me/tconv/cache"
    })
    void theFolderIsTheSystems(String system, String variable, String expected) {
        String[] parts = variable.split("=", 2);
        assertEquals(Path.of(expected), CacheFolder.find(Map.of(parts[0], parts[1]), "/home/me", system));
    }
}
