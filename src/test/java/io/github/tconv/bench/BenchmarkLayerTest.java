package io.github.tconv.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class BenchmarkLayerTest {
    @Test
    void theSuiteHasFifteenLayersOfEveryRank() {
        List<BenchmarkLayer> suite = BenchmarkLayer.suite();

        assertEquals(15, suite.size());
        assertEquals(
                List.of(1, 2, 3),
                suite.stream()
                        .map(layer -> layer.problem().layer().rank())
                        .distinct()
                        .sorted()
                        .toList());
    }

    @Test
    void flopsOfTheSuiteAreTheProductsDoneByHand() {
        // 2 * 8 images * 256 * 128 channels * 16*16 inputs * 4*4 taps
        assertEquals(2_147_483_648.0, flops("dcgan-3"));
        // 2 * 64 channels, each with itself alone * 64*64 inputs * 4*4 taps
        assertEquals(8_388_608.0, flops("depthwise"));
        // 2 * 64 * 32 channels * 32*32*32 inputs * 2*2*2 taps
        assertEquals(1_073_741_824.0, flops("vnet"));
    }

    private static double flops(String name) {
        return BenchmarkLayer.named(List.of(name)).get(0).problem().flops();
    }

    @Test
    void layersComeInTheOrderOfTheirNames() {
        assertEquals(
                List.of("pose", "dcgan-1"),
                BenchmarkLayer.named(List.of("pose", "dcgan-1")).stream()
                        .map(BenchmarkLayer::name)
                        .toList());
    }

    @Test
    void anUnknownNameIsSaidWithTheKnownOnes() {
        String message = assertThrows(
                        IllegalArgumentException.class, () -> BenchmarkLayer.named(List.of("dcgan-3", "dcgan-4")))
                .getMessage();

        assertTrue(message.startsWith("layer must be one of dcgan-1, dcgan-3, dcgan-rgb,"), message);
        assertTrue(message.endsWith(": dcgan-4"), message);
    }

    @Test
    void aListWithoutItsHeadOrAFieldIsRefused() {
        assertThrows(IllegalArgumentException.class, () -> BenchmarkLayer.parse("a,ic1_oc1_i1_k1,b\n"));
        assertThrows(IllegalArgumentException.class, () -> BenchmarkLayer.parse("name,descriptor,source\na,b\n"));
        assertThrows(IllegalArgumentException.class, () -> BenchmarkLayer.parse("# a remark alone\n"));
    }
}
