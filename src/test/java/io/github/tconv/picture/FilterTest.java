package io.github.tconv.picture;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.github.tconv.op.TransposedConvolution;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

final class FilterTest {
    @Test
    void bilinearTapsAreThoseOfTheTextbook() {
        assertArrayEquals(new double[] {0.25, 0.75, 0.75, 0.25}, Filter.BILINEAR.taps(2));
        // Thirds are not exact; half an ulp of 1 for each of the three operations.
        assertArrayEquals(new double[] {1 / 3.0, 2 / 3.0, 1, 2 / 3.0, 1 / 3.0}, Filter.BILINEAR.taps(3), 3 * 0x1p-53);
    }

    @Test
    void bicubicTapsOfScaleTwoAreTheQuartersOfCatmullRom() {
        double[] expected = {-3, -9, 29, 111, 111, 29, -9, -3};
        for (int i = 0; i < expected.length; i++) {
            expected[i] /= 128;
        }
        assertArrayEquals(expected, Filter.BICUBIC.taps(2));
    }

    @ParameterizedTest
    @EnumSource
    void tapsOfEachPhaseSumToOneAndAreSymmetric(Filter filter) {
        for (int scale = 1; scale <= Upscaler.MAX_SCALE; scale++) {
            double[] taps = filter.taps(scale);
            double[] sums = new double[scale];
            for (int k = 0; k < taps.length; k++) {
                sums[k % scale] += taps[k];
                // Each side was divided by a sum of the same terms in another order: 6 roundings each.
                assertEquals(taps[k], taps[taps.length - 1 - k], 12 * 0x1p-53, filter + " " + scale);
            }
            for (double sum : sums) {
                assertEquals(1, sum, 12 * 0x1p-53, filter + " " + scale);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void layerMakesThePictureScaleTimesAsLarge(Filter filter) {
        for (int scale = 1; scale <= Upscaler.MAX_SCALE; scale++) {
            TransposedConvolution layer = filter.layer(3, scale);
            int border = filter.border(scale);
            assertEquals(7L * scale, layer.axes().get(0).outputSize(7 + 2L * border), layer::toString);
            assertEquals(3, layer.groups());
        }
    }

    @Test
    void isFoundByNameOnly() {
        assertEquals(Filter.LANCZOS, Filter.of("Lanczos"));
        assertEquals(
                "filter must be nearest, bilinear, bicubic or lanczos: 'cubic'",
                assertThrows(IllegalArgumentException.class, () -> Filter.of("cubic"))
                        .getMessage());
    }

    @Test
    void refusesScalesOutOfRange() {
        for (int scale : new int[] {0, -1, 65}) {
            assertEquals(
                    "scale must be from 1 to 64: " + scale,
                    assertThrows(IllegalArgumentException.class, () -> Filter.NEAREST.layer(1, scale))
                            .getMessage());
        }
    }
}
