package io.github.tconv.picture;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.github.tconv.Engine;
import io.github.tconv.Tconv;
import io.github.tconv.io.Picture;
import io.github.tconv.op.Convolution;
import io.github.tconv.op.Tensor;
import org.junit.jupiter.api.Test;

final class ReductionTest {
    /** Where no edge is near: the convolution whose transpose enlarges, over the sum of its taps. */
    @Test
    void isTheTransposeOfTheEnlargement() {
        int width = 26;
        int height = 22;
        SamplePicture picture = SamplePicture.random(width, height, 3, 65_535, 5);
        Tensor samples = Tensor.zeros(1, 3, height, width);
        int[] row = new int[width * 3];
        for (int y = 0; y < height; y++) {
            picture.row(y, row);
            for (int i = 0; i < row.length; i++) {
                samples.set((i % 3 * height + y) * width + i / 3, row[i]);
            }
        }
        Tensor expected;
        try (Engine engine = Tconv.open("reference")) {
            Convolution transpose = new Convolution(Filter.BICUBIC.layer(3, 2));
            expected = engine.forward(transpose, samples, Filter.BICUBIC.weight(3, 2), null);
        }
        Picture half = Reduction.half(picture);
        assertEquals(width / 2, half.width());
        assertEquals(height / 2, half.height());
        assertEquals(65_535, half.maximum());
        int border = Filter.BICUBIC.border(2);
        int[] actual = new int[half.width() * 3];
        for (int y = 2; y < half.height() - 2; y++) {
            half.row(y, actual);
            for (int i = 2 * 3; i < (half.width() - 2) * 3; i++) {
                int place = (i % 3 * expected.size(2) + y + border) * expected.size(3) + i / 3 + border;
                double sample = Math.max(0, Math.min(expected.get(place) / 4, 65_535));
                // Half a sample of rounding, and a float32's of numbers up to four times white.
                assertEquals(sample, actual[i], 0.5 + 0.05, y + ", " + i);
            }
        }
    }

    @Test
    void aConstantStaysAndTheEdgeIsRepeated() {
        int[] row = new int[4];
        Picture half = Reduction.half(SamplePicture.filled(9, 7, 1, 255, () -> 77));
        assertEquals(4, half.width());
        assertEquals(3, half.height());
        for (int y = 0; y < 3; y++) {
            half.row(y, row);
            for (int sample : row) {
                assertEquals(77, sample);
            }
        }
    }

    @Test
    void whatCannotBeHalvedIsRefused() {
        IllegalArgumentException small = assertThrows(
                IllegalArgumentException.class, () -> Reduction.half(SamplePicture.filled(1, 9, 3, 255, () -> 1)));
        assertEquals("a picture to be halved must be at least 2 x 2: 1 x 9", small.getMessage());
        assertThrows(IllegalArgumentException.class, () -> Reduction.half(SamplePicture.filled(9, 9, 4, 255, () -> 1)));
    }
}
