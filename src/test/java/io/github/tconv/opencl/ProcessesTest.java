package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.op.Problem;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What holds between processes: one cache for all of them, and the same bits whatever the number of threads. */
class ProcessesTest {
    /** Small enough to compile at once. */
    private static final String SMALL = "ic2_oc3_i3x4_k2x3_s2x1";
    /** Of every kind: long sums, images, groups, three axes; large enough that all threads have work. */
    private static final String[] SEVERAL = {
        "n4_ic64_oc64_i9x8_k4x4_s2x2_p1x1",
        "ic8_oc3_i40x70_k3x5_s2x3_p1x2",
        "n2_ic12_oc8_g4_i31x17_k3x2_s1x2",
        "ic4_oc6_i7x9x11_k2x3x2_s2x1x2"
    };

    /** More sizes than one are compiled ahead. */
    private static final String MANY_TILES = "n2_ic2_oc7_i9x8_k4x3_s2x3";

    @TempDir
    Path folder;

    private static boolean hasProcessor() {
        return OpenClBackend.devices().devices().stream()
                .anyMatch(device -> device.type() == DeviceInfo.Type.CPU && device.unusable() == null);
    }

    private Process start(Path cache, int threads, String... problems) throws IOException {
        return start(ChildMain.class, cache, threads, problems);
    }

    private static Process start(Class<?> main, Path cache, int threads, String... problems) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                "-XX:TieredStopAtLevel=1",
                main.getName()));
        command.addAll(Arrays.asList(problems));
        ProcessBuilder builder = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD);
        builder.environment().put("TCONV_CACHE_DIR", cache.toString());
        builder.environment().put("TCONV_PROGRAM_CACHE", "on");
        builder.environment().put("POCL_MAX_PTHREAD_COUNT", String.valueOf(threads));
        return builder.start();
    }

    /** Returns the number of programs that were compiled from source, and the digest. */
    private static String[] end(Process process) throws IOException, InterruptedException {
        String line = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
        assertEquals(0, process.waitFor(), line);
        return line.split(" ", -1);
    }

    @Test
    void eightProcessesShareAnEmptyCacheAndALaterOneFindsAllOfIt() throws Exception {
        if (!hasProcessor()) {
            return;
        }
        Path cache = folder.resolve("cache");
        List<Process> together = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            together.add(start(cache, 2, SMALL));
        }
        String digest = null;
        for (Process process : together) {
            String[] outcome = end(process);
            digest = digest == null ? outcome[1] : digest;
            assertEquals(digest, outcome[1]);
        }
        // None of them closed its engine.
        try (Stream<Path> files = Files.list(cache)) {
            List<String> names =
                    files.map(file -> file.getFileName().toString()).toList();
            assertNotEquals(List.of(), names);
            assertTrue(names.stream().noneMatch(name -> name.endsWith(".tmp")), names.toString());
        }
        String[] later = end(start(cache, 2, SMALL));
        assertEquals("0", later[0], "programs compiled from source");
        assertEquals(digest, later[1]);
    }

    @Test
    void oneThreadAndTwoGiveTheSameBits() throws Exception {
        if (!hasProcessor()) {
            return;
        }
        Path cache = folder.resolve("bits");
        String one = end(start(cache, 1, SEVERAL))[1];
        assertEquals(one, end(start(cache, 2, SEVERAL))[1]);
        assertEquals(one, end(start(cache, 2, SEVERAL))[1]);
    }

    /** Whoever is in LLVM when it takes itself down crashes the process. */
    @Test
    void theEndWaitsForWhatIsCompiledInTheBackground() throws Exception {
        Problem problem = Problem.parse(MANY_TILES);
        boolean compilesAhead = TestDevices.usable().stream()
                .filter(device -> device.info().type() == DeviceInfo.Type.CPU)
                .limit(1)
                .anyMatch(
                        device -> !(ForwardRule.standard().choose(problem.asRank3(), device) instanceof PlainVariant));
        if (!compilesAhead) {
            return;
        }
        String[] said = end(start(EndingMain.class, folder.resolve("ending"), 2, MANY_TILES));
        assertEquals(List.of("compiling", "compiled"), List.of(said));
    }
}
