package io.github.tconv.picture;

import io.github.tconv.io.Picture;

/** The brightness of pixels: {@code 0.299 R + 0.587 G + 0.114 B} (ITU-R BT.601, as in JPEG), 1 being white. */
final class Luma {
    private static final double RED = 0.299;
    private static final double GREEN = 0.587;
    private static final double BLUE = 0.114;

    private Luma() {}

    /** The brightness of the pixel whose samples begin at a place. Alpha is passed over. */
    static float of(int[] samples, int first, int channels, int maximum) {
        if (channels <= 2) {
            return (float) samples[first] / maximum;
        }
        return (float) ((RED * samples[first] + GREEN * samples[first + 1] + BLUE * samples[first + 2]) / maximum);
    }

    /** The brightness of a whole picture, row after row. */
    static float[] of(Picture picture) {
        float[] luma = new float[Math.multiplyExact(picture.width(), picture.height())];
        int[] samples = new int[Math.multiplyExact(picture.width(), picture.channels())];
        for (int y = 0; y < picture.height(); y++) {
            picture.row(y, samples);
            for (int x = 0; x < picture.width(); x++) {
                luma[y * picture.width() + x] =
                        of(samples, x * picture.channels(), picture.channels(), picture.maximum());
            }
        }
        return luma;
    }
}
