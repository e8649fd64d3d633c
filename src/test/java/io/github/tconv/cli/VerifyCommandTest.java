package io.github.tconv.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.verify.Catalogue;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class VerifyCommandTest {
    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    private int verify(String... args) {
        String[] all = new String[args.length + 1];
        all[0] = "verify";
        System.arraycopy(args, 0, all, 1, args.length);
        return Main.execute(new PrintWriter(out), new PrintWriter(err), all);
    }

    @Test
    void theSmallCatalogueIsATableWithARowForEachProblem() {
        int exitCode = verify("--small", "--device", "reference");

        List<String> lines = out.toString().lines().toList();
        assertEquals("", err.toString());
        assertEquals(0, exitCode);
        assertTrue(lines.get(0).startsWith("reference (plain Java"), lines.get(0));
        assertEquals(
                "problem forward bias prepared input-gradient convolution prepared-convolution weight-gradient bias-gradient",
                lines.get(1).replaceAll(" +", " "));
        for (int i = 0; i < Catalogue.small().size(); i++) {
            assertEquals(
                    Catalogue.small().get(i) + " ok ok ok ok ok ok ok ok",
                    lines.get(2 + i).replaceAll(" +", " "));
        }
        int problems = Catalogue.small().size();
        assertEquals(
                "%d problems, %d checks: all ok; the largest error on reals is 0.00 of what is allowed"
                        .formatted(problems, 8 * problems),
                lines.get(2 + problems));
    }

    @Test
    void problemsOfTheUserTakeTheCataloguesPlace() {
        assertEquals(0, verify("--device", "reference", "--problem", "ic1_oc2_i3_k2", "--problem", "ic2_oc1_i3_k2"));
        assertEquals(5, out.toString().lines().count(), out.toString());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    ic1_oc1_i2_k0  | tconv: kernel must be positive: 0
                    nonsense       | tconv: a descriptor reads like n8_ic256_oc128_i16x16_k4x4_s2x2_p1x1; in 'nonsense' 'nonsense' is none of n, ic, oc, g, i, k, s, d, p, e, op with its values
                    ic1_oc1_i1x1048576_k1x1 | tconv: a sum must have less than 1048576 terms to be exact: 1048576 in the weight-gradient of ic1_oc1_i1x1048576_k1x1
                    """)
    void whatIsNoProblemIsTheUsersMistake(String descriptor, String message) {
        assertEquals(2, verify("--device", "reference", "--problem", descriptor));
        assertEquals(message, err.toString().strip());
    }

    @Test
    void theSmallCatalogueExcludesOtherProblems() {
        assertEquals(2, verify("--small", "--problem", "ic1_oc1_i2_k1"));
        assertEquals(
                "tconv: --small must not be given together with --problem: [ic1_oc1_i2_k1]",
                err.toString().strip());
    }
}
