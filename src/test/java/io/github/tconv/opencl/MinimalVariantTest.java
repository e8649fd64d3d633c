package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.op.Problem;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MinimalVariantTest {
    private static final Processor WIDE = new Processor(16, 32, 2, 1 << 20, true);
    private static final Processor NARROW = new Processor(8, 16, 4, 1 << 18, true);

    private static Problem problem(String descriptor) {
        return Problem.parse(descriptor).asRank3();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "ic64_oc32_i1000000_k4_s2_p1",
                "ic512_oc3_i300x2000_k4x4_s2x2_p1x1",
                "n16_ic48_oc3_i8x8_k4x4_s2x2_p1x1"
            })
    void aTileFillsLocalMemoryAtMostAndIsNoSmallerThanItMust(String descriptor) {
        Problem problem = problem(descriptor);
        for (Processor processor : List.of(WIDE, NARROW)) {
            MinimalVariant variant = MinimalVariant.suiting(problem, processor);
            long[] items = variant.tileFor(problem).range(problem).global();
            double positions = (double) problem.batch() * Grid.points(problem, 1) * Grid.points(problem, 2);

            assertTrue(variant.localBytes(problem) <= processor.localBytes(), descriptor);
            assertTrue(positions / items[0] / items[1] / items[2] >= 4, () -> descriptor + " on " + processor);
        }
    }

    @Test
    void onlyAKernelOfTwiceItsStrideFits() {
        assertTrue(fits("ic2_oc2_i5x5_k3x4_s1x2"));
        assertFalse(fits("ic2_oc2_i5x5_k4x3_s2x2"));
        assertFalse(fits("ic2_oc2_i5x5_k4x4_s2x2_d1x2"));
        assertFalse(MinimalVariant.candidates(problem("ic2_oc2_i5x5_k4x4_s2x2"), WIDE)
                .isEmpty());
        assertTrue(MinimalVariant.candidates(problem("ic2_oc2_i5x5_k4x3_s2x2"), WIDE)
                .isEmpty());
    }

    private static boolean fits(String descriptor) {
        return MinimalVariant.fits(LayerShape.of(problem(descriptor).layer()), WIDE);
    }

    @Test
    void candidatesAndTheirTilesDiffer() {
        Problem problem = problem("ic48_oc21_i64x64_k4x4_s2x2_p1x1");
        List<MinimalVariant> candidates = MinimalVariant.candidates(problem, WIDE);

        assertEquals(
                candidates.size(),
                candidates.stream().map(ForwardCandidates::label).distinct().count());
        for (MinimalVariant candidate : candidates) {
            List<ForwardVariant.Tile> tiles = candidate.tiles(problem);
            assertEquals(candidate.tileFor(problem).constants(), tiles.get(0).constants());
            assertEquals(
                    tiles.size(),
                    tiles.stream().map(ForwardCandidates::label).distinct().count());
        }
    }

    /** As many work-items as the size's own tile makes are not enough: all of a tile's positions are multiplied. */
    @Test
    void theTileThatMultipliesLessTakesAnothersPlace() {
        Problem problem = problem("ic64_oc16_i100_k4_s2_p1");
        for (Processor processor : List.of(WIDE, NARROW)) {
            MinimalVariant variant = MinimalVariant.suiting(problem, processor);
            ForwardVariant.Tile own = variant.tileFor(problem);
            ForwardVariant.Tile near = variant.tile(1, 64, 1);
            ForwardVariant.Tile wide = variant.tile(1, 128, 1);
            assertEquals(
                    near.range(problem).items(), wide.range(problem).items(), "each has one tile for all 50 pairs");
            assertTrue(near.distance(problem, own) < wide.distance(problem, own));
            assertTrue(own.distance(problem, own) <= near.distance(problem, own));
        }
    }
}
