package io.github.tconv.opencl;

import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.util.List;

/**
 * {@code forward_thin.cl}: for GPUs, work-items side by side along the output row, each with some output channels and
 * some pixels of one phase in registers. For long strides and large windows.
 */
final class ThinVariant implements ForwardVariant {
    private static final int MOST_CHANNELS = 8;
    /** Sums that a work-item keeps in registers. */
    private static final int MOST_SUMS = 32;

    private static final int MOST_PIXELS = 8;
    private static final int MOST_ROWS = 4;
    /** Work-items of a work-group, two waves of most devices. */
    private static final int ITEMS = 64;
    /** Work-items for each compute unit below which smaller register tiles make more of them. */
    private static final int ITEMS_PER_UNIT = 128;

    private static final int PAIR = 2;
    private static final int QUAD = 4;

    private final LayerShape layer;
    private final Gpu gpu;
    private final int channels;

    /**
     * Fits the tile to a layer.
     *
     * @param layer the layer
     * @param gpu the device
     */
    ThinVariant(LayerShape layer, Gpu gpu) {
        this.layer = layer;
        this.gpu = gpu;
        this.channels = Math.toIntExact(Grid.tiles(layer.oc(), Grid.tiles(layer.oc(), MOST_CHANNELS)));
    }

    /** Tells whether the kernel can compute a layer on such a device. */
    static boolean fits(LayerShape layer, Gpu gpu) {
        return ITEMS <= gpu.groupItems() && new ThinVariant(layer, gpu).packedFloats() <= Tensor.MAX_ELEMENTS;
    }

    private long tilesOfChannels() {
        return Grid.tiles(layer.oc(), channels);
    }

    @Override
    public String name() {
        return "thin";
    }

    @Override
    public List<String> sources() {
        return List.of("common", "phases", "forward_thin");
    }

    @Override
    public String constants() {
        return new Defines().with("THIN_OC", channels).toString();
    }

    @Override
    public long packedFloats() {
        long padded = channels <= PAIR ? channels : Grid.tiles(channels, QUAD) * QUAD;
        return layer.groups() * tilesOfChannels() * layer.ic() * layer.taps() * padded;
    }

    @Override
    public Tile tileFor(Problem problem) {
        int stride = layer.width().stride();
        int width = problem.outputSize(2);
        int pixels = Integer.highestOneBit(Math.min(MOST_PIXELS, MOST_SUMS / channels));
        while (pixels > PAIR && items(problem, pixels) < (long) gpu.units() * ITEMS_PER_UNIT) {
            pixels /= 2;
        }
        int rows = Integer.highestOneBit((int) Math.min(Math.min(pixels, MOST_ROWS), Grid.points(problem, 1)));
        // Columns of an item lie a span apart, which must keep their phase; a stride too long for that has one.
        boolean wide = stride <= ITEMS && width > ITEMS;
        int columns = wide ? pixels / rows : 1;
        int span = columns == 1 ? Math.min(ITEMS, width) : ITEMS / stride * stride;
        return new RowTile(rows, columns, span, Math.max(1, ITEMS / span));
    }

    private long items(Problem problem, int pixels) {
        long outputs = tilesOfChannels() * problem.batch() * layer.groups();
        for (int a = 0; a < 3; a++) {
            outputs *= problem.outputSize(a);
        }
        return outputs / pixels;
    }

    /** A tile of some rows and columns. */
    private final class RowTile implements Tile {
        private final int rows;
        private final int columns;
        private final int span;
        private final int rowLanes;

        RowTile(int rows, int columns, int span, int rowLanes) {
            this.rows = rows;
            this.columns = columns;
            this.span = span;
            this.rowLanes = rowLanes;
        }

        @Override
        public String constants() {
            return new Defines()
                    .with("THIN_Y", rows)
                    .with("THIN_X", columns)
                    .with("THIN_SPAN", span)
                    .with("THIN_ROWS", rowLanes)
                    .toString();
        }

        @Override
        public NdRange range(Problem problem) {
            long rowTiles = Grid.tiles(Grid.points(problem, 1), rows)
                    * problem.outputSize(0)
                    * layer.height().stride();
            return new NdRange(
                    new long[] {
                        span * Grid.tiles(problem.outputSize(2), (long) span * columns),
                        rowLanes * Grid.tiles(rowTiles, rowLanes),
                        tilesOfChannels() * problem.batch() * layer.groups()
                    },
                    new long[] {span, rowLanes, 1});
        }
    }
}
