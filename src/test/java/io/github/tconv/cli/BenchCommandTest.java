package io.github.tconv.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.bench.BenchmarkReport;
import io.github.tconv.bench.LayerResult;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BenchCommandTest {
    private static final String PROBLEM = "ic2_oc3_i4x5_k3x2_s2x1";

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    @TempDir
    private Path folder;

    private int bench(String... options) {
        String[] arguments = new String[options.length + 1];
        arguments[0] = "bench";
        System.arraycopy(options, 0, arguments, 1, options.length);
        return Main.execute(new PrintWriter(out), new PrintWriter(err), arguments);
    }

    @Test
    void aProblemIsMeasuredBothWaysAndWrittenAsJson() throws IOException {
        Path json = folder.resolve("bench.json");

        int exit = bench("--device", "reference", "--problem", PROBLEM, "--seconds", "0.02", "--json", json.toString());

        assertEquals(0, exit, err::toString);
        BenchmarkReport report = BenchmarkReport.fromJson(Files.readString(json));
        LayerResult layer = report.layers().get(0);
        assertEquals(PROBLEM, layer.descriptor());
        assertEquals(2.0 * 2 * 3 * 20 * 6 * 1e-9, layer.gflop(), 1e-15);
        assertEquals(
                List.of("tconv given", "tconv fresh"),
                layer.entries().stream().map(LayerResult.Entry::contender).toList());
        for (LayerResult.Entry entry : layer.entries()) {
            assertFalse(entry.milliseconds().isEmpty());
        }
        assertTrue(out.toString().lines().anyMatch(line -> line.startsWith(PROBLEM)), out::toString);
    }

    @Test
    void layersOfAFileKeepTheirNames() throws IOException {
        Path list = Files.writeString(
                folder.resolve("layers.csv"), "# mine\nname,descriptor,source\nhead," + PROBLEM + ",made up\n");

        int exit = bench("--device", "reference", "--file", list.toString(), "--seconds", "0.02");

        assertEquals(0, exit, err::toString);
        assertTrue(out.toString().lines().anyMatch(line -> line.startsWith("head ")), out::toString);
        assertTrue(out.toString().lines().noneMatch(line -> line.startsWith("dcgan")), out::toString);
    }

    @Test
    void aSoakTellsWhatTheProcessHolds() {
        int exit = bench("--device", "reference", "--problem", PROBLEM, "--soak", "200");

        assertEquals(0, exit, err::toString);
        List<String> lines = out.toString().lines().toList();
        // Two lines of head, twenty reports and the end.
        assertEquals(23, lines.size(), out::toString);
        assertTrue(lines.get(21).strip().matches("200 +2 +2 .*"), out::toString);
        assertTrue(lines.get(22).matches("after closing: \\d+ handles"), out::toString);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    --layers dcgan-4        | layer must be one of
                    --problem ic0_oc1_i1_k1 | input channels must be positive: 0
                    --problem nonsense      | a descriptor reads like
                    --file none.csv         | none.csv: file must be readable: no such file
                    --file pom.xml          | pom.xml: the list of layers must begin with
                    --soak 0                | soak must be a positive number of calls: 0
                    --seconds 0             | seconds must be positive: 0.0
                    --patience 0.5          | patience must be at least 1: 0.5
                    --pause -1              | pause must be at least 0: -1.0
                    --loop -1               | loop must be at least 0: -1.0
                    --device nowhere        | device must be
                    """)
    void aMistakeIsOneLineAndWritesNothing(String mistake, String message) {
        Path json = folder.resolve("bench.json");
        String[] option = mistake.split(" ", -1);

        int exit = bench(option[0], option[1], "--json", json.toString());

        assertEquals(2, exit);
        assertEquals(1, err.toString().lines().count(), err::toString);
        assertTrue(err.toString().contains(message), err::toString);
        assertFalse(Files.exists(json));
    }
}
