package io.github.tconv.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class BenchmarkTableTest {
    private static final Accuracy RIGHT = new Accuracy(1e-7, 1e-8, true);

    private final LayerResult slow =
            layer("slow", List.of(4.0, 2.0, 2.0), List.of(8.0, 8.0, 4.0), List.of(1.0, 1.0, 1.0));
    private final LayerResult fast =
            layer("fast", List.of(1.0, 1.0, 1.0), List.of(8.0, 8.0, 8.0), List.of(9.0, 9.0, 9.0));

    private static LayerResult layer(String name, List<Double> ours, List<Double> a, List<Double> b) {
        return new LayerResult(
                name,
                "ic1_oc1_i1_k1",
                "made up",
                0.2,
                List.of(200.0, 400.0, 100.0),
                0.01,
                0,
                List.of(
                        new LayerResult.Entry("tconv", false, null, ours, RIGHT, 2048L),
                        new LayerResult.Entry("A", true, null, a, RIGHT, null),
                        new LayerResult.Entry("B", true, null, b, RIGHT, null)));
    }

    @Test
    void speedsAndSharesAreMediansOfTheRounds() {
        assertEquals(100, slow.gflops(slow.entries().get(0)), 1e-9);
        // 50 of 200, 100 of 400, 100 of 100
        assertEquals(0.25, slow.shareOfPeak(slow.entries().get(0)).orElseThrow(), 1e-9);
        assertEquals(200, slow.medianPeak());
    }

    @Test
    void ratiosAreTakenRoundByRound() {
        Quartiles ratio =
                LayerResult.ratio(slow.entries().get(0), slow.entries().get(1));

        assertEquals(new Quartiles(2, 2, 3), ratio);
        assertEquals("B", slow.fasterPeer().orElseThrow().contender());
        assertEquals("A", fast.fasterPeer().orElseThrow().contender());
    }

    @Test
    void theLastLineIsTheGeometricMean() {
        String text = new BenchmarkTable(List.of(slow, fast)).toString();

        // Against A 2 and 8, against B 0.5 and 9, against the faster 0.5 and 8.
        assertTrue(text.lines().anyMatch(line -> line.matches("geometric mean +4\\.00 +2\\.12 +2\\.00")), text);
        assertTrue(text.lines().anyMatch(line -> line.matches("slow .* 2\\.00 \\(2\\.00-3\\.00\\) .*")), text);
    }
}
