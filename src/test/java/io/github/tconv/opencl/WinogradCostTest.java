package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.op.Problem;
import io.github.tconv.op.TransposedConvolution;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class WinogradCostTest {
    /** Two threads of a processor with AVX-512, on which the numbers were fitted. */
    private static final Processor PROCESSOR = new Processor(16, 32, 2, 1 << 20, true);

    /** A Xeon with 2 MiB of second-level cache, whose last cache is far. */
    private static final Processor FAR = new Processor(16, 32, 2, 2 << 20, true);

    @ParameterizedTest
    @ValueSource(
            strings = {
                "ic256_oc128_k4x4_s2x2_p1x1",
                "ic256_oc128_k3x3_s2x2_p1x1_op1x1",
                "ic64_oc64_k3x3_p1x1",
                "ic512_oc256_k16_s8_p4",
                "ic64_oc64_k4x4x4_s2x2x2_p1x1x1"
            })
    void layersOfTwoOrThreeTapsTakeIt(String descriptor) {
        assertTrue(wins(descriptor));
    }

    @ParameterizedTest
    @ValueSource(strings = {"ic256_oc128_k4x4_s2x2_p1x1", "ic64_oc64_k3x3_p1x1", "ic256_oc256_k3x3_p1x1"})
    void whereTheLastCacheIsFarMoreTilesShareTheirWeights(String descriptor) {
        Problem usual = WinogradCost.usual(
                        TransposedConvolution.parse(descriptor).asRank3())
                .orElseThrow();

        assertTrue(wins(descriptor, FAR));
        assertTrue(tiles(usual, FAR) >= 24, () -> "" + tiles(usual, FAR));
        assertTrue(tiles(usual, FAR) >= tiles(usual, PROCESSOR));
    }

    @ParameterizedTest
    @ValueSource(strings = {"ic512_oc512_k4x4_s2x2_p1x1", "ic1024_oc512_k4x4_s2x2_p1x1"})
    void weightsThatComeFromMemoryAreNotMade(String descriptor) {
        assertFalse(wins(descriptor, FAR));
    }

    private static int tiles(Problem problem, Processor processor) {
        String constants = WinogradCost.least(problem, processor).tile().constants();
        return Integer.parseInt(constants.replaceAll(".*-DTILES=(\\d+).*", "$1"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"ic1024_oc512_k4x4_s2x2_p1x1"})
    void smallMapsOfManyChannelsDoNot(String descriptor) {
        assertFalse(wins(descriptor));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "ic1_oc4096_k31x31x31_s16x16x16",
                "ic1_oc1_k2x2x2_p500x500x500",
                "ic4096_oc4096_k3x3",
                "ic2_oc3_k1x6_s1x2_p0x3_e1x0"
            })
    void anyLayerHasAUsualProblem(String descriptor) {
        boolean unused = wins(descriptor);
    }

    @ParameterizedTest
    @CsvSource({"1, 0, 1", "2, 0, 1", "3, 1, 0", "4, 0, 2", "5, 1, 1", "6, 2, 0", "16, 4, 2", "17, 5, 1"})
    void anAxisOfTwoTapsIsCutIntoThreesAndTwos(int outputs, int threes, int twos) {
        TransposedConvolution layer = TransposedConvolution.parse("ic1_oc1_k4_s2");

        assertEquals(threes, WinogradVariant.fullTiles(layer.axes().get(0), outputs));
        assertEquals(twos, WinogradVariant.shortTiles(layer.axes().get(0), outputs));
    }

    @ParameterizedTest
    @CsvSource({
        "ic256_oc128_k4x4_s2x2_p1x1, 2.25",
        "ic64_oc64_k3x3_p1x1, 7.111",
        "ic512_oc256_k16_s8_p4, 0.375",
        "ic2_oc2_k3x3_s2x2, 4"
    })
    void theErrorGrowthIsThatOfTheTransforms(String descriptor, double growth) {
        LayerShape layer = LayerShape.of(TransposedConvolution.parse(descriptor).asRank3());

        assertEquals(growth, new WinogradVariant(layer, PROCESSOR, 1).errorGrowth(), 1e-3);
    }

    private static boolean wins(String descriptor) {
        return wins(descriptor, PROCESSOR);
    }

    private static boolean wins(String descriptor, Processor processor) {
        TransposedConvolution layer = TransposedConvolution.parse(descriptor).asRank3();
        return WinogradVariant.fits(LayerShape.of(layer), processor) && WinogradCost.wins(layer, processor);
    }
}
