package io.github.tconv.picture;

import io.github.tconv.io.Picture;
import java.awt.image.BufferedImage;
import java.awt.image.WritableRaster;

/**
 * Makes pictures half as wide and high, as a camera of fewer pixels would: each pixel is a mean of those around it,
 * weighed by the bicubic filter stretched over two of them, so that fine lines do not turn into coarse ones.
 *
 * <p>It is the convolution whose transpose is the {@linkplain Filter#BICUBIC bicubic} enlargement by 2, divided by the
 * sum of its taps. The picture's edge is repeated outwards. Samples are rounded, as a stored picture's are.
 */
public final class Reduction {
    private static final int SCALE = 2;

    private Reduction() {}

    /**
     * Halves a picture. It is in memory as a whole.
     *
     * @param picture at least 2 pixels wide and high, without alpha; an odd row or column at the end is dropped
     * @return the picture of half the size, of the same channels and depth
     * @throws IllegalArgumentException if the picture is smaller or has alpha
     */
    public static Picture half(Picture picture) {
        if (picture.width() < SCALE || picture.height() < SCALE) {
            throw new IllegalArgumentException("a picture to be halved must be at least 2 x 2: %d x %d"
                    .formatted(picture.width(), picture.height()));
        }
        if (picture.hasAlpha()) {
            throw new IllegalArgumentException("a picture to be halved must have no alpha");
        }
        int channels = picture.channels();
        int width = picture.width() / SCALE;
        int height = picture.height() / SCALE;
        double[] taps = Filter.BICUBIC.taps(SCALE);
        int reach = Filter.BICUBIC.reach(SCALE);
        // Rows that were halved along the width, as many as the height's taps, each in the place of its number.
        double[][] rows = new double[taps.length][width * channels];
        int[] samples = new int[picture.width() * channels];
        WritableRaster raster = picture.colorModel().createCompatibleWritableRaster(width, height);
        int[] result = new int[width * channels];
        int maximum = picture.maximum();
        double[][] window = new double[taps.length][];
        int ready = -reach - 1;
        for (int y = 0; y < height; y++) {
            for (; ready < y * SCALE + taps.length - 1 - reach; ready++) {
                int next = ready + 1;
                picture.row(clamp(next, SCALE * height - 1), samples);
                along(samples, SCALE * width, channels, taps, reach, rows[Math.floorMod(next, taps.length)]);
            }
            for (int k = 0; k < taps.length; k++) {
                window[k] = rows[Math.floorMod(y * SCALE + k - reach, taps.length)];
            }
            for (int i = 0; i < result.length; i++) {
                double sum = 0;
                for (int k = 0; k < taps.length; k++) {
                    sum += taps[k] * window[k][i];
                }
                result[i] = (int) Math.max(0, Math.min(sum / SCALE + 0.5, maximum));
            }
            raster.setPixels(0, y, width, 1, result);
        }
        return Picture.of(new BufferedImage(picture.colorModel(), raster, /* isRasterPremultiplied= */ false, null));
    }

    private static void along(int[] samples, int width, int channels, double[] taps, int reach, double[] row) {
        for (int i = 0; i < row.length; i++) {
            int x = i / channels * SCALE - reach;
            int c = i % channels;
            boolean inside = x >= 0 && x + taps.length <= width;
            double sum = 0;
            for (int k = 0; k < taps.length; k++) {
                int column = inside ? x + k : clamp(x + k, width - 1);
                sum += taps[k] * samples[column * channels + c];
            }
            row[i] = sum / SCALE;
        }
    }

    private static int clamp(int index, int last) {
        return Math.max(0, Math.min(index, last));
    }
}
