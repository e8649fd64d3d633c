package io.github.tconv.picture;

import io.github.tconv.io.Picture;
import java.util.stream.IntStream;

/**
 * How close a picture is to an original, in brightness ({@code 0.299 R + 0.587 G + 0.114 B}) and without a frame of a few
 * pixels, as is the custom of the field.
 *
 * @param psnr the peak signal-to-noise ratio in decibels: {@code 10 log10(1 / mean squared difference)}, white being 1
 * @param ssim the structural similarity, 1 for equal pictures: Z. Wang et al., "Image Quality Assessment: From Error
 *     Visibility to Structural Similarity", 2004, with its window and constants
 */
public record Quality(double psnr, double ssim) {
    /** Pixels left out at each edge. */
    public static final int FRAME = 8;

    private static final int WINDOW = 11;
    private static final double DEVIATION = 1.5;
    private static final double C1 = 0.01 * 0.01;
    private static final double C2 = 0.03 * 0.03;

    /**
     * Compares two pictures.
     *
     * @param picture a picture
     * @param original the original, of the same size
     * @return how close they are
     * @throws IllegalArgumentException if the sizes differ, or are too small for the frame and the window
     */
    public static Quality of(Picture picture, Picture original) {
        int width = original.width();
        int height = original.height();
        if (picture.width() != width || picture.height() != height) {
            throw new IllegalArgumentException("pictures must have one size to be compared: %d x %d and %d x %d"
                    .formatted(picture.width(), picture.height(), width, height));
        }
        int least = 2 * FRAME + WINDOW;
        if (width < least || height < least) {
            throw new IllegalArgumentException(
                    "pictures must be at least %d x %d to be compared: %d x %d".formatted(least, least, width, height));
        }
        float[] x = Luma.of(picture);
        float[] y = Luma.of(original);
        double squares = 0;
        for (int row = FRAME; row < height - FRAME; row++) {
            for (int column = FRAME; column < width - FRAME; column++) {
                double difference = (double) x[row * width + column] - y[row * width + column];
                squares += difference * difference;
            }
        }
        double mean = squares / ((double) (width - 2 * FRAME) * (height - 2 * FRAME));
        return new Quality(-10 * Math.log10(mean), ssim(x, y, width, height));
    }

    private static double ssim(float[] x, float[] y, int width, int height) {
        double[] window = window();
        int last = height - FRAME - WINDOW + 1;
        double sum = IntStream.range(FRAME, last)
                .parallel()
                .mapToDouble(top -> ssimOfRow(x, y, width, top, window))
                // An array keeps the order of the additions.
                .boxed()
                .toList()
                .stream()
                .mapToDouble(Double::doubleValue)
                .sum();
        return sum / ((double) (last - FRAME) * (width - 2 * FRAME - WINDOW + 1));
    }

    /** The sum over all windows whose topmost row is this one. The window is a product, so columns are summed first. */
    private static double ssimOfRow(float[] x, float[] y, int width, int top, double[] window) {
        double[][] columns = new double[5][width];
        for (int k = 0; k < WINDOW; k++) {
            for (int column = 0; column < width; column++) {
                double a = x[(top + k) * width + column];
                double b = y[(top + k) * width + column];
                columns[0][column] += window[k] * a;
                columns[1][column] += window[k] * b;
                columns[2][column] += window[k] * a * a;
                columns[3][column] += window[k] * b * b;
                columns[4][column] += window[k] * a * b;
            }
        }
        double sum = 0;
        double[] m = new double[columns.length];
        for (int left = FRAME; left <= width - FRAME - WINDOW; left++) {
            for (int i = 0; i < m.length; i++) {
                m[i] = 0;
                for (int k = 0; k < WINDOW; k++) {
                    m[i] += window[k] * columns[i][left + k];
                }
            }
            double varianceX = m[2] - m[0] * m[0];
            double varianceY = m[3] - m[1] * m[1];
            double covariance = m[4] - m[0] * m[1];
            sum += (2 * m[0] * m[1] + C1)
                    * (2 * covariance + C2)
                    / ((m[0] * m[0] + m[1] * m[1] + C1) * (varianceX + varianceY + C2));
        }
        return sum;
    }

    /** The normal distribution along one axis, its sum 1. */
    private static double[] window() {
        double[] window = new double[WINDOW];
        double sum = 0;
        for (int k = 0; k < WINDOW; k++) {
            double distance = (k - WINDOW / 2) / DEVIATION;
            window[k] = Math.exp(-distance * distance / 2);
            sum += window[k];
        }
        for (int k = 0; k < WINDOW; k++) {
            window[k] /= sum;
        }
        return window;
    }
}
