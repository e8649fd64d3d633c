package io.github.tconv.opencl;

import io.github.tconv.op.Axis;
import io.github.tconv.op.Problem;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * {@code forward_xlane.cl}: the lanes of a vector are neighbours of one phase along the row. For wide images, short
 * sums, few output channels: it reads and writes rows as they lie in memory, from a patch of the input in local memory.
 */
final class XLaneVariant implements ForwardVariant {
    /** Multiply-adds that are written out in one loop body: more make long programs, and do not run faster. */
    private static final int UNROLLED = 400;
    /** A patch that leaves the first-level cache room for weights. */
    private static final long NEAR_PATCH_BYTES = 32 << 10;
    /** A patch that may be read often, from the second-level cache. */
    private static final long PATCH_BYTES = 96 << 10;
    /** Partial sums that wait for the next block of input channels. */
    private static final long KEPT_BYTES = 64 << 10;
    /** Local memory beyond which input channels are blocked further; the second-level cache holds it. */
    private static final long LOCAL_BYTES = 256 << 10;
    /** Rows of a work-item beyond which hardly a row is staged twice. */
    private static final int SHARING_ROWS = 8;
    /** Most input channels of a block where all phases are merged: their patch has many rows. */
    private static final int MERGED_BLOCK = 32;
    /** Fewest and most terms that are summed on their own, for the error's sake. */
    private static final int FEWEST_SUMMED = 8;

    private static final int MOST_SUMMED = 64;

    private final LayerShape layer;
    private final Processor processor;
    private final int outTile;
    private final boolean merged;
    private final int inBlock;
    private final int unrolledTaps;

    /**
     * Fixes the packed weight and the order of additions.
     *
     * @param outTile output channels of a register tile
     * @param merged whether a register tile holds all phases of the height
     * @param inBlock input channels that are staged at once
     * @param unrolledTaps taps of a row that are written out
     */
    XLaneVariant(LayerShape layer, Processor processor, int outTile, boolean merged, int inBlock, int unrolledTaps) {
        this.layer = layer;
        this.processor = processor;
        this.outTile = outTile;
        this.merged = merged;
        this.inBlock = inBlock;
        this.unrolledTaps = unrolledTaps;
    }

    /** Whether a register tile of this variant fits the registers at all. */
    static boolean fits(LayerShape layer, Processor processor) {
        return layer.width().stride() <= processor.accumulators();
    }

    /** The variant whose packed weight suits a problem best. */
    static XLaneVariant suiting(Problem problem, Processor processor) {
        LayerShape layer = LayerShape.of(problem.layer());
        boolean merged = layer.oc() <= 4
                && (long) layer.oc() * layer.height().stride() * layer.width().stride() <= processor.accumulators()
                && (long) layer.oc() * layer.height().kernel() * layer.width().kernel() <= UNROLLED;
        int outTile = 1;
        double least = Double.POSITIVE_INFINITY;
        for (int candidate = merged ? layer.oc() : 1; candidate <= Math.min(layer.oc(), 8); candidate++) {
            XLaneVariant variant = new XLaneVariant(layer, processor, candidate, merged, 1, 1);
            double cost = variant.cost(variant.vectorsFor(problem), problem);
            if (cost < least) {
                least = cost;
                outTile = candidate;
            }
        }
        int vectors = new XLaneVariant(layer, processor, outTile, merged, 1, 1).vectorsFor(problem);
        int unrolled = unrolledTaps(layer, (merged ? layer.height().kernel() : 1) * outTile * vectors);
        return new XLaneVariant(layer, processor, outTile, merged, inBlock(layer, processor, merged), unrolled);
    }

    /** Variants that may be faster than the one that suits best by the rule, which is the first. */
    static List<XLaneVariant> candidates(Problem problem, Processor processor) {
        LayerShape layer = LayerShape.of(problem.layer());
        if (!fits(layer, processor)) {
            return List.of();
        }
        XLaneVariant suiting = suiting(problem, processor);
        List<XLaneVariant> candidates = new ArrayList<>(List.of(suiting));
        for (boolean merged : new boolean[] {suiting.merged, !suiting.merged}) {
            for (int outTile = 1; outTile <= Math.min(layer.oc(), 8); outTile++) {
                int vectors = new XLaneVariant(layer, processor, outTile, merged, 1, 1).vectorsFor(problem);
                int sums = outTile
                        * vectors
                        * (merged ? layer.height().stride() : 1)
                        * layer.width().stride();
                int body = (merged ? layer.height().kernel() : 1) * outTile * vectors;
                boolean sensible = sums <= processor.accumulators() && (!merged || body <= UNROLLED);
                if (sensible && (outTile != suiting.outTile || merged != suiting.merged)) {
                    candidates.add(new XLaneVariant(
                            layer,
                            processor,
                            outTile,
                            merged,
                            inBlock(layer, processor, merged),
                            unrolledTaps(layer, body)));
                }
            }
        }
        return candidates;
    }

    /** All taps of a row, or as many whole periods of phases as keep the loop body short. */
    private static int unrolledTaps(LayerShape layer, int body) {
        Axis width = layer.width();
        if ((long) body * width.kernel() <= UNROLLED) {
            return width.kernel();
        }
        int period = width.stride() / Grid.greatestCommonDivisor(width.stride(), width.dilation());
        int periods = Math.max(1, UNROLLED / 2 / (body * period));
        return (int) Math.min(Grid.tiles(width.kernel(), period), periods) * period;
    }

    private static int inBlock(LayerShape layer, Processor processor, boolean merged) {
        int rows = merged ? 8 : 1;
        int most = merged ? MERGED_BLOCK : layer.ic();
        int block = Math.min(layer.ic(), most);
        long channel = patchFloats(layer, processor, rows, 4L * processor.lanes()) * Float.BYTES;
        while (block > 1 && channel * block > Math.min(2 * PATCH_BYTES, processor.localBytes() / 2)) {
            block = (block + 1) / 2;
        }
        return block;
    }

    /** Input channels that are summed on their own: from the layer alone, since it decides the order of additions. */
    private int summed() {
        // No more than a sum over the channels has, so that the error is no larger than that of a matrix product a tap.
        int terms = Math.max(FEWEST_SUMMED, Math.min(MOST_SUMMED, layer.ic()));
        return (int) Math.max(1, Math.min(inBlock, terms / layer.mostTaps()));
    }

    private static long patchFloats(LayerShape layer, Processor processor, long rows, long width) {
        long lanes = processor.lanes();
        return (1 + LayerShape.span(layer.depth(), layer.depth().kernel()))
                * (rows + LayerShape.span(layer.height(), layer.height().kernel()))
                * Grid.tiles(
                        width + LayerShape.span(layer.width(), layer.width().kernel()), lanes)
                * lanes;
    }

    /** Vectors of sums that one output channel and one vector of grid points need. */
    private int phases() {
        return layer.width().stride() * (merged ? layer.height().stride() : 1);
    }

    /** Those of them to which any tap belongs: the others are zeros and take no register. */
    private int phasesWithTaps() {
        return LayerShape.phasesWithTaps(layer.width()) * (merged ? LayerShape.phasesWithTaps(layer.height()) : 1);
    }

    private int vectorsFor(Problem problem) {
        long row = Grid.tiles(Grid.points(problem, 2), processor.lanes());
        int best = 1;
        for (int vectors = 2; vectors <= Math.min(row, 8); vectors++) {
            if (cost(vectors, problem) < cost(best, problem)) {
                best = vectors;
            }
        }
        return best;
    }

    /** What a register tile costs for each useful multiply-add, in no unit; infinite where it does not fit. */
    private double cost(int vectors, Problem problem) {
        int sums = outTile * vectors * phasesWithTaps();
        if (sums > processor.accumulators()) {
            return Double.POSITIVE_INFINITY;
        }
        long row = Grid.tiles(Grid.points(problem, 2), processor.lanes());
        double waste = (double) Grid.tiles(row, vectors)
                * vectors
                / row
                * (Grid.tiles(layer.oc(), outTile) * outTile)
                / layer.oc();
        int taps = layer.width().kernel();
        double multiplyAdds = (double) taps * outTile * vectors;
        double loads = (double) taps * outTile + 1.5 * vectors * (1 + LayerShape.span(layer.width(), taps));
        // Loads are hidden behind multiply-adds as long as they are fewer; a dozen sums hide the latency.
        return waste * Math.max(1, 0.5 + 0.7 * loads / multiplyAdds) * Math.max(1, 12.0 / sums) * (1 + 0.1 / sums);
    }

    @Override
    public String name() {
        return "xlane";
    }

    @Override
    public List<String> sources() {
        return List.of("common", "lanes", "forward_xlane");
    }

    @Override
    public String constants() {
        return new Defines()
                .with("LANES", processor.lanes())
                .with("MR", outTile)
                .with("MERGE_H", merged)
                .with("IC_BLOCK", inBlock)
                .with("SUMMED", summed())
                .with("KW_UNROLL", unrolledTaps)
                .with("PREFETCH", processor.prefetches())
                .with("SHUFFLE", 1)
                .toString();
    }

    @Override
    public long packedFloats() {
        return layer.groups()
                * Grid.tiles(layer.oc(), outTile)
                * outTile
                * layer.ic()
                * layer.depth().kernel()
                * layer.height().kernel()
                * Grid.tiles(layer.width().kernel(), unrolledTaps)
                * unrolledTaps;
    }

    @Override
    public XTile tileFor(Problem problem) {
        return tileFor(vectorsFor(problem), problem);
    }

    private XTile tileFor(int vectors, Problem problem) {
        long gridRows = Grid.points(problem, 1);
        int row = (int) Grid.tiles(Grid.tiles(Grid.points(problem, 2), processor.lanes()), vectors);
        int outTiles = (int) Grid.tiles(layer.oc(), outTile);
        XTile tile;
        if (merged) {
            tile = new XTile(vectors, Math.min(row, Math.max(1, 8 / vectors)), (int) Math.min(gridRows, 8), outTiles);
        } else {
            tile = new XTile(vectors, Math.min(row, Math.max(1, 4 / vectors)), 1, outTiles);
            // Wide, then high, as long as the patch stays near: weights are used often, rows read whole.
            while (tile.rowTiles < row && tile.widened(1).patchBytes() <= NEAR_PATCH_BYTES) {
                tile = tile.widened(1);
            }
            while (tile.rowTiles == row
                    && tile.rows < gridRows
                    && tile.heightened(1).patchBytes() <= NEAR_PATCH_BYTES) {
                tile = tile.heightened(1);
            }
            while (tile.rowTiles > 1 && tile.patchBytes() > 2 * PATCH_BYTES) {
                tile = tile.widened(-1);
            }
            // Rows that neighbours read as well are staged once for all of them.
            if (LayerShape.span(layer.height(), layer.height().kernel()) > 0) {
                tile = tile.heightened((int) Math.max(0, Math.min(gridRows, SHARING_ROWS) - tile.rows));
            }
        }
        return tile.sharedBy(processor.threads(), problem)
                .keptIn(KEPT_BYTES)
                .stagedIn(Math.min(LOCAL_BYTES, processor.localBytes() * 3 / 4));
    }

    @Override
    public List<Tile> tiles(Problem problem) {
        XTile first = tileFor(problem);
        Map<String, Tile> tiles = new LinkedHashMap<>();
        tiles.put(first.constants(), first);
        int row = (int) Math.min(8, Grid.tiles(Grid.points(problem, 2), processor.lanes()));
        IntStream.rangeClosed(1, row)
                .filter(vectors -> outTile * vectors * phases() <= processor.accumulators())
                .mapToObj(vectors -> tileFor(vectors, problem))
                .forEach(tile -> tiles.putIfAbsent(tile.constants(), tile));
        Stream.of(
                        new XTile(first.vectors, first.rowTiles, first.rows, 2 * first.outTiles),
                        new XTile(first.vectors, first.rowTiles, first.rows, (first.outTiles + 1) / 2),
                        new XTile(first.vectors, first.rowTiles, 2 * first.rows, first.outTiles),
                        new XTile(first.vectors, first.rowTiles, (first.rows + 1) / 2, first.outTiles),
                        new XTile(first.vectors, 2 * first.rowTiles, first.rows, first.outTiles),
                        new XTile(first.vectors, (first.rowTiles + 1) / 2, first.rows, first.outTiles))
                .filter(tile -> tile.isSensible(problem))
                .forEach(tile -> tiles.putIfAbsent(tile.constants(), tile));
        return List.copyOf(tiles.values());
    }

    /** A tile of certain sizes, for whoever knows better than the rule. */
    Tile tile(int vectors, int rowTiles, int rows, int outTiles) {
        return new XTile(vectors, rowTiles, rows, outTiles);
    }

    private final class XTile implements Tile {
        private final int vectors;
        private final int rowTiles;
        private final int rows;
        private final int outTiles;

        /**
         * Cuts the work.
         *
         * @param vectors vectors of a register tile along the row
         * @param rowTiles register tiles of a work-item along the row
         * @param rows rows of the phase grid of a work-item
         * @param outTiles tiles of output channels of a work-item
         */
        XTile(int vectors, int rowTiles, int rows, int outTiles) {
            this.vectors = vectors;
            this.rowTiles = rowTiles;
            this.rows = rows;
            this.outTiles = outTiles;
        }

        XTile widened(int by) {
            return new XTile(vectors, rowTiles + by, rows, outTiles);
        }

        XTile heightened(int by) {
            return new XTile(vectors, rowTiles, rows + by, outTiles);
        }

        /**
         * Halves an item's share until every thread has some: first rows, then channels, then columns. Fewer items are
         * enough where halving means that rows, or all of the input, are staged twice.
         */
        XTile sharedBy(int threads, Problem problem) {
            XTile tile = this;
            long enough = LayerShape.span(layer.height(), layer.height().kernel()) > 0 ? 8L : 16L;
            while (tile.rows > 1 && tile.items(problem) < enough * threads) {
                tile = new XTile(vectors, tile.rowTiles, (tile.rows + 1) / 2, tile.outTiles);
            }
            while (tile.outTiles > 1 && tile.items(problem) < 8L * threads) {
                tile = new XTile(vectors, tile.rowTiles, tile.rows, (tile.outTiles + 1) / 2);
            }
            while (tile.rowTiles > 1 && tile.items(problem) < 4L * threads) {
                tile = new XTile(vectors, (tile.rowTiles + 1) / 2, tile.rows, tile.outTiles);
            }
            return tile;
        }

        /** Halves an item's share until its partial sums fit. */
        XTile keptIn(long bytes) {
            XTile tile = this;
            while (tile.keptBytes() > bytes && tile.outTiles * tile.rows * tile.rowTiles > 1) {
                if (tile.outTiles > 1) {
                    tile = new XTile(vectors, tile.rowTiles, tile.rows, (tile.outTiles + 1) / 2);
                } else if (tile.rows > 1) {
                    tile = new XTile(vectors, tile.rowTiles, (tile.rows + 1) / 2, tile.outTiles);
                } else {
                    tile = new XTile(vectors, (tile.rowTiles + 1) / 2, tile.rows, tile.outTiles);
                }
            }
            return tile;
        }

        /** Halves an item's share until its patch and partial sums fit. */
        XTile stagedIn(long bytes) {
            XTile tile = this;
            while (tile.rows * tile.rowTiles > 1 && tile.patchBytes() + tile.keptBytes() > bytes) {
                tile = tile.rows > 1
                        ? new XTile(vectors, tile.rowTiles, (tile.rows + 1) / 2, tile.outTiles)
                        : new XTile(vectors, (tile.rowTiles + 1) / 2, tile.rows, tile.outTiles);
            }
            return tile;
        }

        /** Whether no count is beyond what there is, and the work-item's memory within the device's. */
        boolean isSensible(Problem problem) {
            return outTiles <= Grid.tiles(layer.oc(), outTile)
                    && rows <= Grid.points(problem, 1)
                    && rowTiles <= Grid.tiles(Grid.points(problem, 2), (long) vectors * processor.lanes())
                    && keptBytes() <= 2 * KEPT_BYTES
                    && patchBytes() + keptBytes() <= Math.min(LOCAL_BYTES, processor.localBytes() * 3 / 4);
        }

        private long patchBytes() {
            return patchFloats(layer, processor, rows, (long) rowTiles * vectors * processor.lanes())
                    * inBlock
                    * Float.BYTES;
        }

        private long keptBytes() {
            if (inBlock >= layer.ic()) {
                return 0;
            }
            long rowPhases =
                    (long) layer.depth().stride() * (merged ? 1 : layer.height().stride());
            long sums = (long) outTile * vectors * phases() * processor.lanes();
            return outTiles * rowPhases * rows * rowTiles * sums * Float.BYTES;
        }

        private long items(Problem problem) {
            long[] global = range(problem).global();
            return global[0] * global[1] * global[2];
        }

        @Override
        public String constants() {
            return new Defines()
                    .with("NV", vectors)
                    .with("XT", rowTiles)
                    .with("RY", rows)
                    .with("OC_CHUNK", outTiles)
                    .toString();
        }

        @Override
        public NdRange range(Problem problem) {
            return NdRange.exactly(
                    Grid.tiles(Grid.points(problem, 2), (long) rowTiles * vectors * processor.lanes()),
                    Grid.points(problem, 0) * Grid.tiles(Grid.points(problem, 1), rows),
                    (long) problem.batch() * layer.groups() * Grid.tiles(Grid.tiles(layer.oc(), outTile), outTiles));
        }
    }
}
