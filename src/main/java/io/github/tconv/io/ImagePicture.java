package io.github.tconv.io;

import java.awt.Graphics2D;
import java.awt.color.ColorSpace;
import java.awt.image.BufferedImage;
import java.awt.image.ColorModel;
import java.awt.image.DirectColorModel;
import java.awt.image.IndexColorModel;
import java.awt.image.Raster;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** A picture in memory. */
final class ImagePicture implements Picture {
    private final Raster raster;
    private final int channels;
    private final int maximum;
    /** The samples of every palette index, one index after the other, or null if the raster holds samples. */
    private final int @Nullable [] palette;

    private ImagePicture(Raster raster, int channels, int maximum, int @Nullable [] palette) {
        this.raster = raster;
        this.channels = channels;
        this.maximum = maximum;
        this.palette = palette;
    }

    static ImagePicture of(BufferedImage image) {
        ColorModel colors = image.getColorModel();
        if (colors instanceof IndexColorModel index) {
            return ofPalette(image.getRaster(), index);
        }
        int bits = colors.getComponentSize(0);
        if (holdsSamples(colors, bits)) {
            return new ImagePicture(image.getRaster(), colors.getNumComponents(), (1 << bits) - 1, null);
        }
        BufferedImage converted = new BufferedImage(image.getWidth(), image.getHeight(), BufferedImage.TYPE_INT_ARGB);
        Graphics2D graphics = converted.createGraphics();
        graphics.drawImage(image, 0, 0, null);
        graphics.dispose();
        return new ImagePicture(converted.getRaster(), 4, 255, null);
    }

    /** Whether the raster's values are the picture's samples as they stand. */
    private static boolean holdsSamples(ColorModel colors, int bits) {
        int colorSpace = colors.getColorSpace().getType();
        boolean alike = IntStream.of(colors.getComponentSize()).allMatch(size -> size == bits);
        boolean integer = colors.getTransferType() == (bits == 8 ? 0 : 1) || colors instanceof DirectColorModel;
        return (bits == 8 || bits == 16)
                && alike
                && integer
                && (colorSpace == ColorSpace.TYPE_GRAY || colorSpace == ColorSpace.TYPE_RGB)
                && !(colors.hasAlpha() && colors.isAlphaPremultiplied());
    }

    private static ImagePicture ofPalette(Raster indices, IndexColorModel index) {
        int size = index.getMapSize();
        boolean grey = IntStream.range(0, size)
                .allMatch(i -> index.getRed(i) == index.getGreen(i) && index.getRed(i) == index.getBlue(i));
        boolean alpha = index.hasAlpha();
        int channels = (grey ? 1 : 3) + (alpha ? 1 : 0);
        // A file may hold an index that its palette lacks, which is black then.
        int[] palette = new int[Math.max(256, size) * channels];
        for (int i = 0; i < size; i++) {
            int at = i * channels;
            palette[at] = index.getRed(i);
            if (!grey) {
                palette[at + 1] = index.getGreen(i);
                palette[at + 2] = index.getBlue(i);
            }
            if (alpha) {
                palette[at + channels - 1] = index.getAlpha(i);
            }
        }
        return new ImagePicture(indices, channels, 255, palette);
    }

    @Override
    public int width() {
        return raster.getWidth();
    }

    @Override
    public int height() {
        return raster.getHeight();
    }

    @Override
    public int channels() {
        return channels;
    }

    @Override
    public int maximum() {
        return maximum;
    }

    @Override
    public void row(int y, int[] samples) {
        raster.getPixels(raster.getMinX(), raster.getMinY() + y, width(), 1, samples);
        if (palette != null) {
            // From the right, because the indices stand where the samples go.
            for (int x = width() - 1; x >= 0; x--) {
                System.arraycopy(palette, samples[x] * channels, samples, x * channels, channels);
            }
        }
    }
}
