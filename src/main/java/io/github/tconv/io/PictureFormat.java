package io.github.tconv.io;

import java.nio.file.Path;
import java.util.Locale;

/** The formats that pictures are written in. */
public enum PictureFormat {
    /** Portable Network Graphics: lossless, 8 or 16 bits a sample, with alpha. */
    PNG("png", Integer.MAX_VALUE),
    /** JPEG: lossy, 8 bits a sample, no alpha. */
    JPEG("jpeg", 65_535);

    private final String imageIoName;
    private final int largestSide;

    PictureFormat(String imageIoName, int largestSide) {
        this.imageIoName = imageIoName;
        this.largestSide = largestSide;
    }

    String imageIoName() {
        return imageIoName;
    }

    /**
     * Tells the format from a file's name.
     *
     * @param file the file, which need not exist
     * @return the format
     * @throws InvalidFileException if the name ends neither in .png nor in .jpg or .jpeg
     */
    public static PictureFormat of(Path file) {
        String name = file.toString().toLowerCase(Locale.ROOT);
        if (name.endsWith(".png")) {
            return PNG;
        }
        if (name.endsWith(".jpg") || name.endsWith(".jpeg")) {
            return JPEG;
        }
        throw new InvalidFileException(file, "picture's name must end in .png, .jpg or .jpeg");
    }

    /**
     * Checks that a picture of a size can be written.
     *
     * @param width in pixels
     * @param height in pixels
     * @throws IllegalArgumentException if a side is too long
     */
    public void checkSize(long width, long height) {
        checkSide("width", width);
        checkSide("height", height);
    }

    private void checkSide(String name, long pixels) {
        if (pixels > largestSide) {
            throw new IllegalArgumentException(
                    "output %s must be at most %d in a %s: %d".formatted(name, largestSide, this, pixels));
        }
    }
}
