package io.github.tconv.picture;

import io.github.tconv.io.Picture;

/**
 * A rectangle of a picture.
 *
 * @param source the picture
 * @param left its first column
 * @param top its first row
 * @param width its columns
 * @param height its rows
 */
public record Crop(Picture source, int left, int top, int width, int height) implements Picture {
    /**
     * Checks that the rectangle is inside.
     *
     * @param source the picture
     * @param left the first column
     * @param top the first row
     * @param width the columns, at least 1
     * @param height the rows, at least 1
     * @throws IllegalArgumentException if it is not
     */
    public Crop {
        boolean inside = left >= 0
                && top >= 0
                && width >= 1
                && height >= 1
                && (long) left + width <= source.width()
                && (long) top + height <= source.height();
        if (!inside) {
            throw new IllegalArgumentException("a crop must be within the picture of %d x %d: %d x %d from (%d, %d)"
                    .formatted(source.width(), source.height(), width, height, left, top));
        }
    }

    @Override
    public int channels() {
        return source.channels();
    }

    @Override
    public int maximum() {
        return source.maximum();
    }

    @Override
    public void row(int y, int[] samples) {
        int[] whole = new int[source.width() * channels()];
        source.row(top + y, whole);
        System.arraycopy(whole, left * channels(), samples, 0, width * channels());
    }
}
