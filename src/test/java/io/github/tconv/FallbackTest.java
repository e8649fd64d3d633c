package io.github.tconv;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A machine without OpenCL, made in a process of its own: the driver list and the loader are read once a process. */
class FallbackTest {
    @TempDir
    Path folder;

    @Test
    void withoutAnyDriverTheEngineIsPlainJavaAndSaysWhyOnce() throws Exception {
        Outcome outcome = open("auto", "OCL_ICD_VENDORS", folder + "/");

        assertFellBack(outcome, "no OpenCL platform");
    }

    @Test
    void withoutALoaderTheEngineIsPlainJavaAndSaysWhyOnce() throws Exception {
        // An empty file in front of the real loader, under both names by which it is looked for.
        Files.createFile(folder.resolve("libOpenCL.so"));
        Files.createFile(folder.resolve("libOpenCL.so.1"));

        Outcome outcome = open("auto", "LD_LIBRARY_PATH", folder.toString());

        assertFellBack(outcome, "no OpenCL loader");
    }

    private static void assertFellBack(Outcome outcome, String reason) {
        assertEquals(0, outcome.exitCode, outcome.all());
        assertEquals(2, outcome.out.size(), outcome.all());
        for (String line : outcome.out) {
            assertTrue(line.startsWith("reference (plain Java"), line);
            assertTrue(line.contains("because " + reason), line);
        }
        assertEquals(1, outcome.count("tconv computes in plain Java: " + reason), outcome.all());
    }

    @Test
    void whoAsksForOpenClGetsNoFallback() throws Exception {
        Outcome outcome = open("opencl", "OCL_ICD_VENDORS", folder + "/");

        assertEquals(1, outcome.exitCode, outcome.all());
        assertEquals(List.of(), outcome.out);
        assertEquals(1, outcome.count("IllegalArgumentException: device must be"), outcome.all());
        assertEquals(1, outcome.count("there is none: no OpenCL platform"), outcome.all());
    }

    private Outcome open(String device, String variable, String value) throws IOException, InterruptedException {
        Path out = folder.resolve("out.txt");
        Path err = folder.resolve("err.txt");
        ProcessBuilder process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        OpenTwice.class.getName(),
                        device)
                .redirectOutput(out.toFile())
                .redirectError(err.toFile());
        process.environment().put(variable, value);
        int exitCode = process.start().waitFor();
        // Without a loader, JOCL's native code prints two lines of its own to the standard output.
        List<String> said = lines(out).stream()
                .filter(line -> !line.startsWith("Could not load libOpenCL"))
                .toList();
        return new Outcome(exitCode, said, lines(err));
    }

    private static List<String> lines(Path file) throws IOException {
        return Files.readAllLines(file, StandardCharsets.UTF_8);
    }

    /** What a process left behind. */
    private record Outcome(int exitCode, List<String> out, List<String> err) {
        long count(String text) {
            return err.stream().filter(line -> line.contains(text)).count();
        }

        String all() {
            return "exit " + exitCode + "\n" + String.join("\n", out) + "\n" + String.join("\n", err);
        }
    }

    /** Opens the named device two times and prints what each engine says of itself. */
    static final class OpenTwice {
        private OpenTwice() {}

        public static void main(String[] device) {
            for (int i = 0; i < 2; i++) {
                try (Engine engine = Tconv.open(device[0])) {
                    System.out.println(engine.describe());
                }
            }
        }
    }
}
