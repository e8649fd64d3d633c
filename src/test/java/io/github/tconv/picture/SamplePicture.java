package io.github.tconv.picture;

import io.github.tconv.io.Picture;
import java.util.Arrays;
import java.util.Random;
import java.util.function.IntSupplier;

/** A picture of given samples, pixel after pixel. */
public final class SamplePicture implements Picture {
    private final int width;
    private final int height;
    private final int channels;
    private final int maximum;
    private final int[] samples;

    public SamplePicture(int width, int height, int channels, int maximum, int... samples) {
        this.width = width;
        this.height = height;
        this.channels = channels;
        this.maximum = maximum;
        this.samples = samples;
    }

    /** Random samples, a quarter of them black and a quarter white, where filters overshoot. */
    public static SamplePicture random(int width, int height, int channels, int maximum, long seed) {
        Random random = new Random(seed);
        return filled(width, height, channels, maximum, () -> switch (random.nextInt(4)) {
            case 0 -> 0;
            case 1 -> maximum;
            default -> random.nextInt(maximum + 1);
        });
    }

    /** Samples as the supplier gives them, pixel after pixel. */
    public static SamplePicture filled(int width, int height, int channels, int maximum, IntSupplier sample) {
        int[] samples = new int[width * height * channels];
        Arrays.setAll(samples, i -> sample.getAsInt());
        return new SamplePicture(width, height, channels, maximum, samples);
    }

    /** Any picture, read whole. */
    public static SamplePicture copyOf(Picture picture) {
        int rowLength = picture.width() * picture.channels();
        int[] row = new int[rowLength];
        int[] all = new int[rowLength * picture.height()];
        for (int y = 0; y < picture.height(); y++) {
            picture.row(y, row);
            System.arraycopy(row, 0, all, y * rowLength, rowLength);
        }
        return new SamplePicture(picture.width(), picture.height(), picture.channels(), picture.maximum(), all);
    }

    @Override
    public int width() {
        return width;
    }

    @Override
    public int height() {
        return height;
    }

    @Override
    public int channels() {
        return channels;
    }

    @Override
    public int maximum() {
        return maximum;
    }

    /** All samples, which may be written. */
    public int[] samples() {
        return samples;
    }

    @Override
    public void row(int y, int[] into) {
        System.arraycopy(samples, y * width * channels, into, 0, width * channels);
    }

    /** The sample at a place; beyond the edge, that of the nearest pixel. */
    int at(int x, int y, int c) {
        int column = Math.max(0, Math.min(x, width - 1));
        int row = Math.max(0, Math.min(y, height - 1));
        return samples[(row * width + column) * channels + c];
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof SamplePicture that
                && width == that.width
                && height == that.height
                && channels == that.channels
                && maximum == that.maximum
                && Arrays.equals(samples, that.samples);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(samples);
    }

    @Override
    public String toString() {
        return "%d x %d, %d channels to %d: %s".formatted(width, height, channels, maximum, Arrays.toString(samples));
    }
}
