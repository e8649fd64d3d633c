package io.github.tconv.io;

import java.awt.color.ColorSpace;
import java.awt.image.BufferedImage;
import java.awt.image.ColorModel;
import java.awt.image.ComponentColorModel;
import java.awt.image.DataBuffer;
import java.awt.image.WritableRaster;

/**
 * A picture whose rows are read one after another, so that it need not be in memory as a whole. A sample is a whole
 * number from 0 to {@link #maximum()}, as the file has it: encoded for a display, not linear light, and not multiplied
 * by alpha.
 */
public interface Picture {
    /**
     * Returns the width.
     *
     * @return pixels, at least 1
     */
    int width();

    /**
     * Returns the height.
     *
     * @return pixels, at least 1
     */
    int height();

    /**
     * Returns the number of samples of a pixel.
     *
     * @return 1 (grey), 2 (grey, alpha), 3 (red, green, blue) or 4 (red, green, blue, alpha)
     */
    int channels();

    /**
     * Returns the largest sample: white, and opaque.
     *
     * @return 255 or 65535
     */
    int maximum();

    /**
     * Reads a row. Any order is allowed; from the top down is the quickest.
     *
     * @param y the row, 0 being the topmost
     * @param samples at least {@code width * channels} places, of which the first are written, pixel after pixel
     */
    void row(int y, int[] samples);

    /**
     * Tells whether the last channel is alpha.
     *
     * @return whether there are 2 or 4 channels
     */
    default boolean hasAlpha() {
        return channels() % 2 == 0;
    }

    /**
     * Drops an alpha channel that says nothing, for formats without one.
     *
     * @return this picture if it has no alpha, otherwise the same colours without it
     * @throws IllegalArgumentException if a pixel is not opaque
     */
    default Picture withoutAlpha() {
        return hasAlpha() ? OpaquePicture.of(this) : this;
    }

    /**
     * Makes a picture over an image of Java's. Grey, RGB and palettes of 8 bits and less become 8 bits a sample, 16 bits
     * stay 16; a grey palette becomes grey. Colour profiles are passed over, and other kinds of images are converted to
     * 8 bit sRGB with alpha.
     *
     * @param image the image, which is not copied unless it is converted
     * @return the picture
     */
    static Picture of(BufferedImage image) {
        return ImagePicture.of(image);
    }

    /**
     * Reads the whole picture into memory.
     *
     * @return a new image of {@link #colorModel()}
     */
    default BufferedImage toImage() {
        ColorModel colors = colorModel();
        WritableRaster raster = colors.createCompatibleWritableRaster(width(), height());
        int[] samples = new int[Math.multiplyExact(width(), channels())];
        for (int y = 0; y < height(); y++) {
            row(y, samples);
            raster.setPixels(0, y, width(), 1, samples);
        }
        return new BufferedImage(colors, raster, /* isRasterPremultiplied= */ false, null);
    }

    /**
     * Returns how Java's images say what the samples are.
     *
     * @return grey or sRGB, 8 or 16 bits a sample
     */
    default ColorModel colorModel() {
        return new ComponentColorModel(
                ColorSpace.getInstance(channels() <= 2 ? ColorSpace.CS_GRAY : ColorSpace.CS_sRGB),
                hasAlpha(),
                /* isAlphaPremultiplied= */ false,
                hasAlpha() ? ColorModel.TRANSLUCENT : ColorModel.OPAQUE,
                maximum() == 255 ? DataBuffer.TYPE_BYTE : DataBuffer.TYPE_USHORT);
    }
}
