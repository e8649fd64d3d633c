package io.github.tconv.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.io.AtomicFile;
import io.github.tconv.io.Npy;
import io.github.tconv.op.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** On the default device, which may be plain Java; {@code TuningTest} tests what is measured. */
class TuneCommandTest {
    /** Of a layer that no other test uses, for the tuning file is the user's. */
    private static final String PROBLEM = "ic3_oc7_i5x11_k3x2_s1x2";

    @TempDir
    private Path folder;

    private static boolean hasChoice(CommandOutcome outcome) {
        return !outcome.out().contains("nothing to tune");
    }

    @Test
    void printsATableRemembersAndForgets() {
        CommandOutcome dry = CommandOutcome.of("tune", PROBLEM, "--seconds", "0.2", "--dry-run");
        dry.assertDone();
        if (!hasChoice(dry)) {
            return;
        }
        assertTrue(dry.out().contains("nothing is remembered"), dry.out());
        assertTrue(CommandOutcome.of("tune", "--forget", PROBLEM).out().contains("forgot 0 in "));

        CommandOutcome tuned = CommandOutcome.of("tune", PROBLEM, "--seconds", "0.2");
        tuned.assertDone();
        assertTrue(tuned.out().lines().anyMatch(PROBLEM::equals), tuned.out());
        assertTrue(tuned.out().lines().anyMatch(line -> line.matches("\\d+\\.\\d{3} +100 % .*winner.*")), tuned.out());
        assertTrue(tuned.out().contains("the rule's choice"), tuned.out());
        assertTrue(tuned.out().contains("remembered 1 in "), tuned.out());

        assertTrue(CommandOutcome.of("tune", "--forget", PROBLEM).out().contains("forgot 1 in "));
        assertTrue(CommandOutcome.of("tune", "--forget", PROBLEM).out().contains("forgot 0 in "));
    }

    @Test
    void takesLayersFromASuiteAndFromFiles() throws IOException {
        Path suite = folder.resolve("suite.csv");
        Files.writeString(suite, "name,descriptor,source\nmine,ic2_oc3_i4_k2_s2,here\n");
        Path x = folder.resolve("x.npy");
        Path w = folder.resolve("w.npy");
        write(x, Tensor.zeros(1, 2, 3, 5));
        write(w, Tensor.zeros(2, 3, 2, 2));
        CommandOutcome outcome = CommandOutcome.of(
                "tune",
                "--suite",
                suite.toString(),
                "--input",
                x.toString(),
                "--weight",
                w.toString(),
                "--stride",
                "2,1",
                "--seconds",
                "0.1",
                "--dry-run");
        outcome.assertDone();
        if (hasChoice(outcome)) {
            assertTrue(outcome.out().lines().anyMatch("ic2_oc3_i4_k2_s2"::equals), outcome.out());
            assertTrue(outcome.out().lines().anyMatch("ic2_oc3_i3x5_k2x2_s2x1"::equals), outcome.out());
        }
    }

    private static void write(Path path, Tensor tensor) throws IOException {
        try (AtomicFile file = AtomicFile.create(path)) {
            Npy.write(file, tensor);
            file.commit();
        }
    }

    @Test
    void thereIsNothingToTuneInPlainJava() {
        CommandOutcome outcome = CommandOutcome.of("tune", PROBLEM, "--device", "reference");
        outcome.assertDone();
        assertFalse(hasChoice(outcome));
        assertEquals(1, outcome.out().lines().count());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    tune                                        | a layer must be given
                    tune nonsense                               | a descriptor reads like
                    tune ic0_oc1_i1_k1                          | input channels must be positive: 0
                    tune ic1_oc1_i1_k1 --seconds 0              | seconds must be positive: 0.0
                    tune ic1_oc1_i1_k1 --seconds NaN            | seconds must be positive: NaN
                    tune ic1_oc1_i1_k1 --device nowhere         | device must be
                    tune ic1_oc1_i1_k1 --stride 2               | belong to --input and --weight
                    tune --input x.npy                          | --input and --weight must be given together
                    tune --suite /does/not/exist.csv            | no such file
                    tune --suite pom.xml                        | the list of layers must begin with
                    tune ic1_oc1_i1_k1 --forget --dry-run       | must not be given together
                    """)
    void aMistakeIsOneLine(String command, String message) {
        CommandOutcome.of(command.split(" ", -1)).assertMistake(message);
    }
}
