package io.github.tconv.picture;

import io.github.tconv.io.Picture;

/**
 * How a picture is cut: into strips of whole input rows, and these into tiles, all of one size so that a device meets one
 * problem again and again. What of the last ones lies beyond the picture is computed and dropped.
 *
 * @param scale output pixels an input pixel
 * @param border input pixels that a tile needs beyond its edge
 * @param rows input rows of a strip
 * @param columns input columns of a tile
 */
record Strips(int scale, int border, int rows, int columns) {
    /** Of a tile's output: 4 MiB, which a processor's cache about holds, and still much work for a device. */
    static final int TILE_ELEMENTS = 1 << 20;

    static Strips of(Picture picture, int border, int scale, int tileElements) {
        checkSide("width", (long) picture.width() * scale);
        checkSide("height", (long) picture.height() * scale);
        long pixel = (long) scale * scale * picture.channels();
        if (picture.width() * pixel > Integer.MAX_VALUE) {
            throw new IllegalArgumentException("output samples of one input row must be at most %d: %d * %d * %d * %d"
                    .formatted(Integer.MAX_VALUE, picture.width(), scale, scale, picture.channels()));
        }
        long rows = Math.max(1, Math.min(picture.height(), tileElements / (picture.width() * pixel)));
        long widest = Math.max(1, Math.min(picture.width(), tileElements / (rows * pixel)));
        long tiles = (picture.width() + widest - 1) / widest;
        return new Strips(scale, border, (int) rows, (int) ((picture.width() + tiles - 1) / tiles));
    }

    private static void checkSide(String name, long pixels) {
        if (pixels > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(
                    "output %s must be at most %d: %d".formatted(name, Integer.MAX_VALUE, pixels));
        }
    }

    /** The sizes of the layer's input for one tile. */
    int[] inputShape(int channels) {
        return new int[] {1, channels, rows + 2 * border, columns + 2 * border};
    }

    /** The sizes of the layer's output for one tile. */
    int[] outputShape(int channels) {
        return new int[] {1, channels, rows * scale, columns * scale};
    }
}
