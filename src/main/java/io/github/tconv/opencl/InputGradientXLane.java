package io.github.tconv.opencl;

import io.github.tconv.op.Axis;
import io.github.tconv.op.Problem;
import java.util.List;

/**
 * {@code input_gradient_xlane.cl}: the lanes of a vector are neighbours along the row. For few input channels a group.
 */
final class InputGradientXLane implements ForwardVariant {
    /** Multiply-adds that are written out in one loop body. */
    private static final int UNROLLED = 400;

    private static final int MOST_TILE_CHANNELS = 8;
    /** A patch that leaves the first-level cache room for weights. */
    private static final long NEAR_PATCH_BYTES = 24 << 10;
    /** Local memory of an item, beyond which output channels are blocked further. */
    private static final long LOCAL_BYTES = 256 << 10;

    private final LayerShape layer;
    private final Processor processor;
    private final int inTile;
    private final int outBlock;

    /**
     * Fixes the packed weight and the order of additions.
     *
     * @param inTile input channels of a register tile
     * @param outBlock output channels of a patch
     */
    InputGradientXLane(LayerShape layer, Processor processor, int inTile, int outBlock) {
        this.layer = layer;
        this.processor = processor;
        this.inTile = inTile;
        this.outBlock = outBlock;
    }

    /** Whether a patch of one row and vector fits local memory. */
    static boolean fits(LayerShape layer, Processor processor) {
        return patchFloats(layer, processor, 1, processor.lanes()) * 2 * Float.BYTES
                <= Math.min(LOCAL_BYTES, processor.localBytes() / 2);
    }

    /** The variant for a layer. */
    static InputGradientXLane suiting(LayerShape layer, Processor processor) {
        int most = Math.min(layer.ic(), MOST_TILE_CHANNELS);
        // As few tiles as there can be, of equal sizes.
        int inTile = (int) Grid.tiles(layer.ic(), Grid.tiles(layer.ic(), most));
        int outBlock = InputGradientChannelLane.outBlock(layer);
        long channel = patchFloats(layer, processor, 1, processor.lanes()) * Float.BYTES;
        while (outBlock > 1 && channel * outBlock > Math.min(LOCAL_BYTES, processor.localBytes() / 2) / 2) {
            outBlock = (outBlock + 1) / 2;
        }
        return new InputGradientXLane(layer, processor, inTile, outBlock);
    }

    private static long patchFloats(LayerShape layer, Processor processor, long rows, long width) {
        Axis across = layer.width();
        long lanes = processor.lanes();
        long pitch = Grid.tiles(width + (across.extent() - 1) / across.stride(), lanes) * lanes;
        return layer.depth().kernel()
                * ((rows - 1) * layer.height().stride() + layer.height().extent())
                * across.stride()
                * pitch;
    }

    @Override
    public String name() {
        return "input_gradient_xlane";
    }

    @Override
    public List<String> sources() {
        return List.of("common", "transpose", "lanes", "gradient_lanes", "input_gradient_xlane");
    }

    @Override
    public String constants() {
        return new Defines()
                .with("LANES", processor.lanes())
                .with("MR", inTile)
                .with("OC_BLOCK", outBlock)
                .with("ROW_PARTS", InputGradientChannelLane.sumsRows(layer, outBlock))
                .with("SHUFFLE", 1)
                .toString();
    }

    private int channelTiles() {
        return (int) Grid.tiles(layer.ic(), inTile);
    }

    @Override
    public long packedFloats() {
        return (long) layer.groups() * channelTiles() * inTile * layer.taps() * layer.oc();
    }

    @Override
    public Tile tileFor(Problem problem) {
        int row = (int) Grid.tiles(problem.inputSize(2), processor.lanes());
        int vectors = Math.max(1, Math.min(Math.min(row, 8), processor.accumulators() / inTile));
        // Vectors that divide the row.
        vectors = (int) Grid.tiles(row, Grid.tiles(row, vectors));
        int across = (int) Grid.tiles(row, vectors);
        RowTile tile = new RowTile(vectors, 1, 1, channelTiles());
        while (tile.rowTiles < across && tile.widened().patchBytes() <= NEAR_PATCH_BYTES) {
            tile = tile.widened();
        }
        while (tile.rowTiles == across
                && tile.rows < problem.inputSize(1)
                && tile.heightened().localBytes() <= 2 * NEAR_PATCH_BYTES) {
            tile = tile.heightened();
        }
        while (tile.rows > 1 && tile.items(problem) < 8L * processor.threads()) {
            tile = new RowTile(vectors, tile.rowTiles, (tile.rows + 1) / 2, tile.channelTiles);
        }
        while (tile.localBytes() > Math.min(LOCAL_BYTES, processor.localBytes() * 3 / 4) && !tile.isLeast()) {
            tile = tile.rowTiles > 1
                    ? new RowTile(vectors, (tile.rowTiles + 1) / 2, 1, tile.channelTiles)
                    : new RowTile(Math.max(1, tile.vectors / 2), 1, 1, (tile.channelTiles + 1) / 2);
        }
        return tile;
    }

    /** A tile of certain sizes, for whoever knows better than the rule. */
    Tile tile(int vectors, int rowTiles, int rows, int channelTiles) {
        return new RowTile(vectors, rowTiles, rows, channelTiles);
    }

    private final class RowTile implements Tile {
        private final int vectors;
        private final int rowTiles;
        private final int rows;
        private final int channelTiles;

        /**
         * Cuts the work.
         *
         * @param vectors vectors of a register tile along the row
         * @param rowTiles register tiles of a work-item along the row
         * @param rows rows of a work-item
         * @param channelTiles tiles of channels of a work-item
         */
        RowTile(int vectors, int rowTiles, int rows, int channelTiles) {
            this.vectors = vectors;
            this.rowTiles = rowTiles;
            this.rows = rows;
            this.channelTiles = channelTiles;
        }

        RowTile widened() {
            return new RowTile(vectors, rowTiles + 1, rows, channelTiles);
        }

        RowTile heightened() {
            return new RowTile(vectors, rowTiles, rows + 1, channelTiles);
        }

        boolean isLeast() {
            return vectors == 1 && rowTiles == 1 && rows == 1 && channelTiles == 1;
        }

        long patchBytes() {
            return outBlock
                    * patchFloats(layer, processor, rows, (long) rowTiles * vectors * processor.lanes())
                    * Float.BYTES;
        }

        long localBytes() {
            long sums = (long) inTile * vectors * processor.lanes();
            long kept = outBlock < layer.oc() ? (long) channelTiles * rows * rowTiles * sums : sums;
            return patchBytes() + kept * Float.BYTES;
        }

        private long items(Problem problem) {
            long[] global = range(problem).global();
            return global[0] * global[1] * global[2];
        }

        @Override
        public String constants() {
            Axis width = layer.width();
            int period = width.stride() / Grid.greatestCommonDivisor(width.stride(), width.dilation());
            int unrolled = width.kernel();
            // Parts of a row of taps must begin in the first phase.
            while (unrolled > 1
                    && (unrolled * inTile * vectors > UNROLLED || width.kernel() % unrolled != 0)
                    && canShorten(unrolled, period)) {
                unrolled = shorter(unrolled, period);
            }
            return new Defines()
                    .with("NV", vectors)
                    .with("XT", rowTiles)
                    .with("RY", rows)
                    .with("IT", channelTiles)
                    .with("KW_UNROLL", unrolled)
                    .toString();
        }

        private boolean canShorten(int unrolled, int period) {
            return shorter(unrolled, period) > 0;
        }

        /** The next shorter part of which whole ones make up the kernel, or 0. */
        private int shorter(int unrolled, int period) {
            for (int shorter = unrolled - 1; shorter > 0; shorter--) {
                if (layer.width().kernel() % shorter == 0 && shorter % period == 0) {
                    return shorter;
                }
            }
            return 0;
        }

        @Override
        public NdRange range(Problem problem) {
            return NdRange.exactly(
                    Grid.tiles(problem.inputSize(2), (long) rowTiles * vectors * processor.lanes()),
                    problem.inputSize(0) * Grid.tiles(problem.inputSize(1), rows),
                    Grid.tiles(channelTiles(), channelTiles) * layer.groups() * problem.batch());
        }
    }
}
