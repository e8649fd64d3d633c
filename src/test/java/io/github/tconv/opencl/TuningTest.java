package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.bench.BenchmarkLayer;
import io.github.tconv.op.Activation;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.reference.ReferenceBackend;
import io.github.tconv.verify.Catalogue;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TuningTest {
    private static final Problem TUNED =
            Problem.parse("n2_ic5_oc19_i6x7_k3x4_s2x1_p1x2").asRank3();
    private static final Problem OTHER_SIZE = TUNED.layer().problem(1, 1, 3, 30);

    @TempDir
    private Path folder;

    private Ledger ledger() {
        return new Ledger(new PrivateFolder(folder), Tuning.LEDGER);
    }

    /** Devices for which there is a choice. */
    private static List<Device> devices() {
        return TestDevices.usable().stream()
                .filter(device -> ForwardCandidates.of(TUNED, device).size() > 1)
                .toList();
    }

    private static ForwardVariant ruled(Device device) {
        return ForwardRule.standard().choose(TUNED, device);
    }

    /** A candidate of another name than the rule's choice. */
    private static ForwardVariant other(Device device) {
        return ForwardCandidates.of(TUNED, device).stream()
                .filter(variant -> !variant.name().equals(ruled(device).name()))
                .findFirst()
                .orElseThrow();
    }

    private ForwardRule rule(Device device) {
        return Tuning.of(device, ledger()).before(ForwardRule.standard());
    }

    private static PreparedForward prepared(Session session, Exemplar operands, ForwardRule rule) {
        return new PreparedForward(
                session, TUNED.layer(), operands.weight(), null, Activation.none(), rule, /* copy= */ true);
    }

    @Test
    void aTunedLayerTakesItsVariantForEverySizeAndItsTileForTheTunedOne() {
        for (Device device : devices()) {
            ForwardVariant variant = other(device);
            List<ForwardVariant.Tile> tiles = variant.tiles(TUNED);
            ForwardVariant.Tile tile = tiles.get(tiles.size() - 1);
            assertTrue(Tuning.remember(ledger(), device, variant, Map.of(TUNED, tile)));
            Exemplar operands = new Exemplar(TUNED, Activation.none());
            Exemplar others = new Exemplar(OTHER_SIZE, Activation.none());
            try (Session session = new Session(device);
                    PreparedForward prepared = prepared(session, operands, rule(device));
                    PreparedForward ofOthers = prepared(session, others, rule(device))) {
                assertEquals(
                        variant.name() + variant.constants() + tile.constants() + " (tuned)", prepared.describe(TUNED));
                assertEquals(
                        variant.name()
                                + variant.constants()
                                + variant.tileFor(OTHER_SIZE).constants()
                                + " (tuned)",
                        prepared.describe(OTHER_SIZE));
                assertComputes(prepared, operands);
                // The other size comes first here, and the variant is the same.
                assertComputes(ofOthers, others);
                assertEquals(prepared.describe(TUNED), ofOthers.describe(TUNED));
            }
        }
    }

    private static void assertComputes(PreparedForward prepared, Exemplar operands) {
        Tensor output = operands.unwritten();
        prepared.forward(operands.problem(), operands.read(), null, output);
        Tensor expected = operands.expected(new ReferenceBackend(), false, false);
        assertEquals("", operands.difference(expected, output).orElse(""));
    }

    /** Nothing of a file reaches a compiler, or fails a call: what is no candidate's name is not there. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "x",
                "SOURCES VARIANT",
                "SOURCES VARIANT PROBLEM",
                "SOURCES VARIANT nonsense TILE",
                "SOURCES VARIANT n99999999999_ic1_oc1_i1_k1 TILE",
                "SOURCES VARIANT ic5_oc19_i6x7_k3x4_s2x1 TILE",
                "0000000000000000 VARIANT PROBLEM TILE",
                "SOURCES xlane,LANES=16,MR=9999 PROBLEM TILE",
                "SOURCES forward,-DX=system(1) PROBLEM TILE",
                "SOURCES VARIANT PROBLEM TILE PROBLEM",
                "    "
            })
    void anEntryThatNamesNoCandidateIsIgnored(String pattern) {
        for (Device device : devices()) {
            ForwardVariant variant = other(device);
            Tuning.remember(ledger(), device, variant, Map.of(TUNED, variant.tileFor(TUNED)));
            assertEquals(variant.name(), rule(device).choose(TUNED, device).name());

            ledger().update(entries -> entries.replaceAll((key, value) -> {
                String[] words = value.split(" ", -1);
                return pattern.replace("SOURCES", words[0])
                        .replace("VARIANT", words[1])
                        .replace("PROBLEM", words[2])
                        .replace("TILE", words[3]);
            }));
            assertEquals(
                    ruled(device).name(), rule(device).choose(TUNED, device).name());
        }
    }

    @Test
    void anUnknownTileLeavesTheVariantWithItsOwn() {
        for (Device device : devices()) {
            ForwardVariant variant = other(device);
            Tuning.remember(ledger(), device, variant, Map.of(TUNED, variant.tileFor(TUNED)));
            ledger().update(entries -> entries.replaceAll((key, value) -> value + "9"));
            ForwardVariant chosen = rule(device).choose(TUNED, device);
            assertEquals(variant.name(), chosen.name());
            assertEquals(
                    variant.tileFor(TUNED).constants(), chosen.tileFor(TUNED).constants());
        }
    }

    @Test
    void anotherDriverHasAnotherTuning() {
        for (Device device : devices()) {
            ForwardVariant variant = other(device);
            Tuning.remember(ledger(), device, variant, Map.of(TUNED, variant.tileFor(TUNED)));
            Device updated = TestDevices.ofDriver(device, device.info().driver() + ".1");
            assertEquals(
                    ruled(device).name(), rule(updated).choose(TUNED, updated).name());
            assertEquals(0, Tuning.forget(ledger(), updated, List.of()));
            assertEquals(1, Tuning.forget(ledger(), device, List.of(TUNED.layer())));
            assertEquals(
                    ruled(device).name(), rule(device).choose(TUNED, device).name());
        }
    }

    /** An entry names a candidate by its label; two of one label would be exchanged. */
    @Test
    void labelsTellCandidatesApart() {
        List<Problem> problems = Stream.concat(
                        BenchmarkLayer.suite().stream().map(BenchmarkLayer::problem), Catalogue.small().stream())
                .map(Problem::asRank3)
                .toList();
        for (Device device : devices()) {
            for (Problem problem : problems) {
                Set<String> labels = new HashSet<>();
                for (ForwardVariant variant : ForwardCandidates.of(problem, device)) {
                    assertTrue(
                            labels.add(ForwardCandidates.label(variant)), () -> problem + ": " + variant.constants());
                    List<String> tiles = variant.tiles(problem).stream()
                            .map(ForwardCandidates::label)
                            .toList();
                    assertEquals(tiles.size(), Set.copyOf(tiles).size(), () -> problem + ": " + tiles);
                    assertEquals(
                            ForwardCandidates.label(variant.tileFor(problem)),
                            tiles.get(0),
                            () -> problem + ": " + tiles);
                }
                ForwardVariant ruled = ForwardRule.standard().choose(problem, device);
                assertTrue(
                        labels.contains(ForwardCandidates.label(ruled)) || ruled instanceof PlainVariant,
                        () -> "the rule's choice for " + problem + " can be remembered: " + ruled.name());
            }
        }
    }

    @Test
    void theTunerMeasuresComparesAndRemembers() {
        for (Device device : devices()) {
            Tuner.Table table;
            try (Tuner tuner = new Tuner(device, new ReferenceBackend(), ForwardRule.standard(), folder)) {
                table = tuner.tune(List.of(TUNED), 0.5, /* remember= */ true, share -> {})
                        .get(0);
            }
            List<Tuner.Row> winners = table.rows().stream()
                    .filter(row -> row.verdict() == Tuner.Verdict.WINNER)
                    .toList();
            assertEquals(1, winners.size(), table::toString);
            assertTrue(winners.get(0).milliseconds() > 0, table::toString);
            assertEquals(1, table.rows().stream().filter(Tuner.Row::ruleChoice).count(), table::toString);
            assertTrue(
                    table.rows().stream()
                            .noneMatch(row ->
                                    row.verdict() == Tuner.Verdict.WRONG || row.verdict() == Tuner.Verdict.FAILED),
                    table::toString);
            ForwardVariant chosen = rule(device).choose(TUNED, device);
            assertEquals(winners.get(0).variant(), ForwardCandidates.label(chosen));
            assertEquals(winners.get(0).tile(), ForwardCandidates.label(chosen.tileFor(TUNED)));
            assertTrue(chosen instanceof RetiledVariant retiled && retiled.tuned());
        }
    }

    @Test
    void severalSizesShareAVariant() {
        for (Device device : devices()) {
            try (Tuner tuner = new Tuner(device, new ReferenceBackend(), ForwardRule.standard(), folder)) {
                List<Tuner.Table> tables =
                        tuner.tune(List.of(OTHER_SIZE, TUNED), 0.5, /* remember= */ false, share -> {});
                assertEquals(2, tables.size());
                assertEquals(
                        1,
                        tables.stream()
                                .flatMap(table -> table.rows().stream())
                                .filter(row -> row.verdict() == Tuner.Verdict.WINNER)
                                .map(Tuner.Row::variant)
                                .distinct()
                                .count(),
                        tables::toString);
                assertFalse(Files.exists(tuner.file()));
            }
        }
    }

    /** An oracle that is off by one in one element. */
    @Test
    void whatDiffersFromTheOracleNeverWins() {
        for (Device device : devices()) {
            try (Tuner tuner = new Tuner(device, LyingBackend.open(), ForwardRule.standard(), folder)) {
                Tuner.Table table = tuner.tune(List.of(TUNED), 0.5, /* remember= */ true, share -> {})
                        .get(0);
                assertTrue(
                        table.rows().stream()
                                .allMatch(row -> row.verdict() == Tuner.Verdict.WRONG
                                        || row.verdict() == Tuner.Verdict.NOT_TRIED),
                        table::toString);
                assertTrue(
                        table.rows().stream().anyMatch(row -> row.remark().startsWith("expected ")), table::toString);
                assertFalse(Files.exists(tuner.file()));
            }
        }
    }

    /** A method that is added to the interface and not passed on would be the wrapped variant's no more. */
    @Test
    void aRetiledVariantPassesEverythingOn() {
        Set<String> passedOn = new HashSet<>();
        for (Method method : RetiledVariant.class.getDeclaredMethods()) {
            passedOn.add(method.getName() + Arrays.toString(method.getParameterTypes()));
        }
        for (Method method : ForwardVariant.class.getMethods()) {
            assertTrue(
                    passedOn.contains(method.getName() + Arrays.toString(method.getParameterTypes())),
                    method::toString);
        }
    }

    /** The oracle of the exemplar is right itself: the whole layer, computed in plain Java, gives the same. */
    @Test
    void theExemplarsResultIsTheLayers() {
        ReferenceBackend reference = new ReferenceBackend();
        for (Problem problem : Catalogue.small()) {
            Exemplar operands = new Exemplar(problem.asRank3(), Activation.none());
            Tensor output = operands.unwritten();
            reference.forward(operands.problem(), operands.read(), operands.weight(), operands.bias(), output);
            Tensor expected = operands.expected(reference, /* hasBias= */ true, /* hasResidual= */ false);
            assertArrayEquals(expected.toArray(), output.toArray());
            Exemplar adjoint = new Exemplar(problem.asRank3(), Activation.none(), Parts.INPUT_GRADIENT);
            Tensor inputGradient = adjoint.unwritten();
            reference.inputGradient(adjoint.problem(), adjoint.read(), adjoint.weight(), adjoint.bias(), inputGradient);
            assertArrayEquals(
                    adjoint.expected(reference, /* hasBias= */ true, /* hasResidual= */ false)
                            .toArray(),
                    inputGradient.toArray());
            Exemplar.WeightGradientOperands ofWeight = operands.ofWeightGradient();
            Tensor weightGradient =
                    Exemplar.unwritten(operands.problem().layer().weightShape());
            reference.weightGradient(operands.problem(), ofWeight.input(), ofWeight.outputGradient(), weightGradient);
            assertEquals(
                    "", operands.difference(reference, ofWeight, weightGradient).orElse(""));
            int last = weightGradient.elements() - 1;
            weightGradient.set(last, weightGradient.get(last) + 1);
            assertNotEquals(
                    "", operands.difference(reference, ofWeight, weightGradient).orElse(""));
            output.set(0, output.get(0) + Math.ulp(output.get(0)));
            assertNotEquals("", operands.difference(expected, output).orElse(""));
        }
    }
}
