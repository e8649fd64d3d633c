package io.github.tconv;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.cli.CommandLineFuzz;
import io.github.tconv.io.FileFuzz;
import io.github.tconv.io.InvalidFileException;
import io.github.tconv.io.PictureFile;
import io.github.tconv.op.DescriptorFuzz;
import io.github.tconv.opencl.CacheFuzz;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/**
 * Every reader over the inputs that are kept in {@code src/test/fuzz}, seeds and former findings, and over random changes
 * of them. {@code .github/fuzz.sh} runs the same targets under Jazzer, which looks where the code branches.
 */
class FuzzTest {
    private static final Path INPUTS = Path.of("src/test/fuzz");
    /** As many as take a second or two. */
    private static final int CHANGES = 300;

    /** A warning for each of hundreds of damaged files; held here, lest the collector forgets its level. */
    private static final Logger CACHES = Logger.getLogger("io.github.tconv.opencl");

    @BeforeAll
    static void quiet() {
        CACHES.setLevel(Level.OFF);
    }

    @AfterAll
    static void loud() {
        CACHES.setLevel(null);
    }

    private static Map<String, Consumer<byte[]>> targets() {
        Map<String, Consumer<byte[]>> targets = new TreeMap<>();
        targets.put("npy", FileFuzz.OfNpy::fuzzerTestOneInput);
        targets.put("safetensors", FileFuzz.OfSafetensors::fuzzerTestOneInput);
        targets.put("picture", FileFuzz.OfPicture::fuzzerTestOneInput);
        targets.put("programs", CacheFuzz.OfPrograms::fuzzerTestOneInput);
        targets.put("ledger", CacheFuzz.OfLedger::fuzzerTestOneInput);
        targets.put("descriptor", DescriptorFuzz::fuzzerTestOneInput);
        targets.put("command-line", CommandLineFuzz::fuzzerTestOneInput);
        return targets;
    }

    /** Sixty-nine bytes say 1.2 GB: nothing may be taken on their word. */
    @Test
    void aPictureThatIsTooShortForItsSizeIsRefusedBeforeItsMemoryIsTaken() {
        Path file = INPUTS.resolve("picture/memory-lies.png");
        String message = assertThrows(InvalidFileException.class, () -> PictureFile.read(file))
                .getMessage();
        assertTrue(message.contains("file must be long enough for its 20000 x 20000 pixels"), message);
    }

    @TestFactory
    Stream<DynamicTest> everyReaderTakesOrRefuses() {
        return targets().entrySet().stream()
                .map(target -> DynamicTest.dynamicTest(
                        target.getKey(), () -> feed(INPUTS.resolve(target.getKey()), target.getValue())));
    }

    private static void feed(Path folder, Consumer<byte[]> target) throws IOException {
        List<byte[]> inputs;
        try (Stream<Path> files = Files.list(folder)) {
            inputs = files.sorted().map(FuzzTest::content).toList();
        }
        inputs.forEach(target);
        // The same every time: a test that fails must fail again.
        Random random = new Random(1);
        for (int i = 0; i < CHANGES; i++) {
            target.accept(changed(inputs.get(i % inputs.size()), random));
        }
    }

    private static byte[] content(Path file) {
        try {
            return Files.readAllBytes(file);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static byte[] changed(byte[] input, Random random) {
        byte[] changed = java.util.Arrays.copyOf(
                input, random.nextInt(8) == 0 ? random.nextInt(input.length + 9) : input.length);
        for (int n = random.nextInt(4); n >= 0 && changed.length > 0; n--) {
            int at = random.nextInt(random.nextBoolean() ? changed.length : Math.min(changed.length, 128));
            changed[at] = (byte)
                    (random.nextBoolean()
                            ? random.nextInt(256)
                            : "0123456789,:-_()[]{}\"'\n".charAt(random.nextInt(23)));
        }
        return changed;
    }
}
