package io.github.tconv.io;

import java.awt.Point;
import java.awt.Rectangle;
import java.awt.image.ColorModel;
import java.awt.image.Raster;
import java.awt.image.RenderedImage;
import java.awt.image.SampleModel;
import java.awt.image.WritableRaster;
import java.util.Vector;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * A picture as Java's writers want it, of which no more than one row is in memory.
 *
 * <p>Java's PNG writer asks for one row after another, by {@link #getData(Rectangle)} up to JDK 21 or so and later of the
 * only tile. Its JPEG writer would copy an image of several tiles into memory, but of a single tile it asks for one row
 * after another too. So this is an image of a single tile, and that tile fetches what it is asked for. What PNG's writer
 * asks for are samples, and those go from the picture straight to where it wants them.
 */
final class RowImage implements RenderedImage {
    private final Picture picture;
    private final ColorModel colors;
    private final WritableRaster row;
    private final int[] samples;
    private final IntConsumer rowsDone;
    private final Raster tile;

    RowImage(Picture picture, IntConsumer rowsDone) {
        this.picture = picture;
        this.rowsDone = rowsDone;
        this.colors = picture.colorModel();
        this.row = colors.createCompatibleWritableRaster(picture.width(), 1);
        this.samples = new int[Math.multiplyExact(picture.width(), picture.channels())];
        this.tile = new Tile();
    }

    /** A raster of the picture's size over the memory of one row. */
    private final class Tile extends Raster {
        Tile() {
            super(
                    row.getSampleModel(),
                    row.getDataBuffer(),
                    new Rectangle(picture.width(), picture.height()),
                    new Point(),
                    null);
        }

        @Override
        public Raster createChild(int x, int y, int width, int height, int childX, int childY, int @Nullable [] bands) {
            return fetch(new Rectangle(x, y, width, height)).createChild(x, y, width, 1, childX, childY, bands);
        }

        @Override
        public int[] getPixels(int x, int y, int width, int height, int @Nullable [] into) {
            Rectangle region = new Rectangle(x, y, width, height);
            if (into == null || x != 0 || width != picture.width()) {
                return fetch(region).getPixels(x, y, width, 1, into);
            }
            checkOneRow(region);
            picture.row(y, into);
            rowsDone.accept(y + 1);
            return into;
        }
    }

    private static void checkOneRow(Rectangle region) {
        if (region.height != 1) {
            throw new UnsupportedOperationException("a picture is read one row at a time: " + region);
        }
    }

    private Raster fetch(Rectangle region) {
        checkOneRow(region);
        picture.row(region.y, samples);
        row.setPixels(0, 0, picture.width(), 1, samples);
        rowsDone.accept(region.y + 1);
        return row.createTranslatedChild(0, region.y);
    }

    @Override
    public Raster getData(Rectangle region) {
        return tile;
    }

    @Override
    public Raster getTile(int tileX, int tileY) {
        return tile;
    }

    @Override
    public Raster getData() {
        return tile;
    }

    @Override
    public WritableRaster copyData(@Nullable WritableRaster raster) {
        throw new UnsupportedOperationException("a picture is read one row at a time");
    }

    @Override
    public ColorModel getColorModel() {
        return colors;
    }

    @Override
    public SampleModel getSampleModel() {
        return row.getSampleModel();
    }

    @Override
    public int getWidth() {
        return picture.width();
    }

    @Override
    public int getHeight() {
        return picture.height();
    }

    @Override
    public int getTileWidth() {
        return picture.width();
    }

    @Override
    public int getTileHeight() {
        return picture.height();
    }

    @Override
    public int getNumXTiles() {
        return 1;
    }

    @Override
    public int getNumYTiles() {
        return 1;
    }

    @Override
    public int getMinX() {
        return 0;
    }

    @Override
    public int getMinY() {
        return 0;
    }

    @Override
    public int getMinTileX() {
        return 0;
    }

    @Override
    public int getMinTileY() {
        return 0;
    }

    @Override
    public int getTileGridXOffset() {
        return 0;
    }

    @Override
    public int getTileGridYOffset() {
        return 0;
    }

    @Override
    @SuppressWarnings("JdkObsolete") // what the interface returns
    public @Nullable Vector<RenderedImage> getSources() {
        return null;
    }

    @Override
    public Object getProperty(String name) {
        return java.awt.Image.UndefinedProperty;
    }

    @Override
    public String @Nullable [] getPropertyNames() {
        return null;
    }
}
