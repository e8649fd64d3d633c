package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.Engine;
import io.github.tconv.Tconv;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Others may write in the temporary folder, and have written in the cache's before it was made. */
class HostileFolderTest {
    private static final byte[] BINARY = {1, 2, 3, 4, 5};

    @TempDir
    Path folder;

    private static boolean hasPermissions() {
        return FileSystems.getDefault().supportedFileAttributeViews().contains("posix");
    }

    @Test
    void theCacheIsPrivateToTheUser() throws IOException {
        Path cache = folder.resolve("cache");
        new ProgramCache(cache).store("key", BINARY);
        if (hasPermissions()) {
            assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(cache)));
            assertEquals(
                    "rw-------",
                    PosixFilePermissions.toString(Files.getPosixFilePermissions(cache.resolve("key.bin"))));
        }
    }

    @Test
    void whatOthersMayWriteIsNotRead() throws IOException {
        if (!hasPermissions()) {
            return;
        }
        Path cache = folder.resolve("cache");
        ProgramCache programs = new ProgramCache(cache);
        programs.store("key", BINARY);
        Path file = cache.resolve("key.bin");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-rw-rw-"));
        assertTrue(programs.load("key").isEmpty(), "a file that others may write");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
        assertTrue(programs.load("key").isPresent());
        Files.setPosixFilePermissions(cache, PosixFilePermissions.fromString("rwxrwxrwx"));
        assertTrue(programs.load("key").isEmpty(), "a folder that others may write");
    }

    @Test
    void noLinkIsFollowed() throws IOException {
        Path elsewhere = folder.resolve("elsewhere");
        new ProgramCache(elsewhere).store("key", BINARY);
        Path target = elsewhere.resolve("key.bin");
        byte[] before = Files.readAllBytes(target);

        Path linked = Files.createSymbolicLink(folder.resolve("linked"), elsewhere);
        ProgramCache throughFolder = new ProgramCache(linked);
        assertTrue(throughFolder.load("key").isEmpty(), "a folder that is a link");
        throughFolder.store("other", BINARY);
        assertFalse(Files.exists(elsewhere.resolve("other.bin")));

        Path cache = folder.resolve("cache");
        ProgramCache throughFile = new ProgramCache(cache);
        throughFile.store("first", BINARY);
        Path link = Files.createSymbolicLink(cache.resolve("key.bin"), target);
        assertTrue(throughFile.load("key").isEmpty(), "a file that is a link");
        throughFile.store("key", new byte[] {9});
        assertFalse(Files.isSymbolicLink(link), "the link is replaced");
        assertTrue(Files.isRegularFile(link, LinkOption.NOFOLLOW_LINKS));
        assertArrayEquals(before, Files.readAllBytes(target), "what it led to is untouched");
    }

    /** JOCL would load a file of a fixed name from there, whoever put it there. */
    @Test
    void aLibraryPlantedInTheTemporaryFolderIsNotLoaded() throws Exception {
        Path temporary = Files.createDirectory(folder.resolve("tmp"));
        Set<String> planted = new HashSet<>();
        for (String type : List.of("linux", "windows", "apple")) {
            for (String machine : List.of("x86_64", "aarch64", "arm64", "x86")) {
                for (String pattern :
                        List.of("libJOCL_2_0_6-%s-%s.so", "JOCL_2_0_6-%s-%s.dll", "libJOCL_2_0_6-%s-%s.dylib")) {
                    planted.add(pattern.formatted(type, machine));
                }
            }
        }
        for (String name : planted) {
            Files.writeString(temporary.resolve(name), "no library");
        }
        assertEquals(
                0,
                start(temporary, folder.resolve("cache"), folder.resolve("out")).waitFor());
        for (String name : planted) {
            assertEquals("no library", Files.readString(temporary.resolve(name)), name);
        }
        assertTrue(Files.readString(folder.resolve("out")).startsWith("[1.0, 2.0"));
    }

    /** All find no cache and no unpacked library, and all make both at once. */
    @Test
    void eightProcessesAtOnceOnAnEmptyCacheGiveTheSameBits() throws Exception {
        Path temporary = Files.createDirectory(folder.resolve("tmp"));
        Path cache = folder.resolve("cache");
        List<Process> processes = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            processes.add(start(temporary, cache, folder.resolve("out" + i)));
        }
        Set<String> results = new HashSet<>();
        for (int i = 0; i < processes.size(); i++) {
            assertEquals(0, processes.get(i).waitFor(), "process " + i);
            results.add(Files.readString(folder.resolve("out" + i)));
        }
        assertEquals(1, results.size(), results::toString);
        boolean processor = Discovery.run().devices().stream()
                .anyMatch(device -> device.info().unusable() == null);
        if (processor) {
            try (Stream<Path> files = Files.list(cache)) {
                assertTrue(files.anyMatch(file -> file.toString().endsWith(".bin")), "no program was stored");
            }
        }
    }

    private static Process start(Path temporary, Path cache, Path out) throws IOException {
        ProcessBuilder builder = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "-Djava.io.tmpdir=" + temporary,
                        "-cp",
                        System.getProperty("java.class.path"),
                        Work.class.getName())
                .redirectOutput(out.toFile())
                .redirectError(ProcessBuilder.Redirect.DISCARD);
        builder.environment().put("TCONV_CACHE_DIR", cache.toString());
        builder.environment().put("TCONV_PROGRAM_CACHE", "on");
        return builder.start();
    }

    /** Computes a small layer and prints the result. */
    static final class Work {
        private Work() {}

        public static void main(String[] none) {
            Problem problem = Problem.parse("ic1_oc1_i3_k2_s2");
            try (Engine engine = Tconv.open()) {
                Tensor input = Tensor.of(new float[] {1, 0.5f, 0.25f}, 1, 1, 3);
                Tensor weight = Tensor.of(new float[] {1, 2}, 1, 1, 2);
                Tensor output = engine.forward(problem.layer(), input, weight, null);
                Tensor gradient = engine.weightGradient(problem.layer(), input, output);
                String text = java.util.Arrays.toString(output.toArray()) + gradient.get(0) + ' ' + gradient.get(1);
                System.out.write(text.getBytes(StandardCharsets.UTF_8), 0, text.length());
                System.out.flush();
            }
        }
    }
}
