package io.github.tconv.picture;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

final class QualityTest {
    @Test
    void aConstantDifferenceHasItsDecibels() {
        Quality quality = Quality.of(
                SamplePicture.filled(40, 30, 3, 255, () -> 110), SamplePicture.filled(40, 30, 3, 255, () -> 100));
        // Brightness is a float.
        assertEquals(20 * Math.log10(25.5), quality.psnr(), 1e-4);
        double a = 110 / 255.0;
        double b = 100 / 255.0;
        assertEquals((2 * a * b + 1e-4) / (a * a + b * b + 1e-4), quality.ssim(), 1e-6);
    }

    @Test
    void equalPicturesAreOne() {
        SamplePicture picture = SamplePicture.random(40, 30, 3, 255, 1);
        Quality quality = Quality.of(picture, picture);
        assertEquals(Double.POSITIVE_INFINITY, quality.psnr());
        assertEquals(1, quality.ssim(), 1e-12);
    }

    /** In a picture with room for one window only, by the definition. */
    @Test
    void similarityIsThatOfItsDefinition() {
        SamplePicture left = SamplePicture.random(27, 27, 1, 255, 2);
        SamplePicture right = SamplePicture.random(27, 27, 1, 255, 3);
        float[] x = Luma.of(left);
        float[] y = Luma.of(right);
        double[] sums = new double[6];
        double squares = 0;
        for (int i = 0; i < 121; i++) {
            int row = i / 11;
            int column = i % 11;
            int place = (8 + row) * 27 + 8 + column;
            double weight = Math.exp(-(Math.pow(row - 5.0, 2) + Math.pow(column - 5.0, 2)) / (2 * 1.5 * 1.5));
            double[] terms = {1, x[place], y[place], x[place] * x[place], y[place] * y[place], x[place] * y[place]};
            for (int t = 0; t < terms.length; t++) {
                sums[t] += weight * terms[t];
            }
            squares += Math.pow(x[place] - y[place], 2) / 121;
        }
        for (int t = 1; t < sums.length; t++) {
            sums[t] /= sums[0];
        }
        double covariance = sums[5] - sums[1] * sums[2];
        double variances = sums[3] - sums[1] * sums[1] + sums[4] - sums[2] * sums[2];
        double expected = (2 * sums[1] * sums[2] + 1e-4)
                * (2 * covariance + 9e-4)
                / ((sums[1] * sums[1] + sums[2] * sums[2] + 1e-4) * (variances + 9e-4));
        Quality quality = Quality.of(left, right);
        assertEquals(expected, quality.ssim(), 1e-6);
        assertEquals(-10 * Math.log10(squares), quality.psnr(), 1e-5);
    }

    @Test
    void picturesThatCannotBeComparedAreRefused() {
        SamplePicture small = SamplePicture.filled(26, 27, 1, 255, () -> 0);
        SamplePicture large = SamplePicture.filled(27, 27, 1, 255, () -> 0);
        assertEquals(
                "pictures must have one size to be compared: 26 x 27 and 27 x 27",
                assertThrows(IllegalArgumentException.class, () -> Quality.of(small, large))
                        .getMessage());
        assertEquals(
                "pictures must be at least 27 x 27 to be compared: 26 x 27",
                assertThrows(IllegalArgumentException.class, () -> Quality.of(small, small))
                        .getMessage());
    }
}
