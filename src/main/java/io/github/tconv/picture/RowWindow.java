package io.github.tconv.picture;

import io.github.tconv.io.Picture;
import java.util.Arrays;

/** The last rows of a picture that were read, so that strips whose borders overlap read each row once. */
final class RowWindow {
    private final Picture picture;
    private final int height;

    /** Row {@code y} in place {@code y % rows.length}. */
    private final int[][] rows;
    /** Which row is in a place, or -1. */
    private final int[] held;

    /**
     * Makes an empty window.
     *
     * @param picture the picture
     * @param height how many rows in a row are wanted at once
     */
    RowWindow(Picture picture, int height) {
        this.picture = picture;
        this.height = height;
        this.rows =
                new int[Math.min(height, picture.height())][Math.multiplyExact(picture.width(), picture.channels())];
        this.held = new int[rows.length];
        Arrays.fill(held, -1);
    }

    /** Reads what is missing from row {@code first} on, as many rows as were asked for; the picture's own only. */
    void moveTo(int first) {
        int last = Math.min(first + height, picture.height());
        for (int y = Math.max(0, first); y < last; y++) {
            int place = y % rows.length;
            if (held[place] != y) {
                held[place] = -1;
                picture.row(y, rows[place]);
                held[place] = y;
            }
        }
    }

    /** The samples of a row within the window; for a row beyond the picture, those of its first or last. */
    int[] row(int y) {
        return rows[clamp(y, picture.height() - 1) % rows.length];
    }

    static int clamp(int index, int last) {
        return Math.max(0, Math.min(index, last));
    }
}
