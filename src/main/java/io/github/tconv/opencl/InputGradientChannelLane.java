package io.github.tconv.opencl;

import io.github.tconv.op.Problem;
import java.util.List;

/**
 * {@code input_gradient_clane.cl}: the lanes of a vector are input channels, and a tile is some positions of some rows.
 * For layers with at least some input channels a group.
 */
final class InputGradientChannelLane implements ForwardVariant {
    /** Terms of a block's row of taps that are summed on their own, for the error's sake; and fewest worth it. */
    private static final int PART_TERMS = 64;

    private static final int LEAST_PART_TERMS = 32;
    /** Multiply-adds that are written out in one loop body. */
    private static final int UNROLLED = 400;
    /** Rows of a register tile: each takes a pointer. */
    private static final int MOST_ROWS = 6;
    /** Vectors of channels of a register tile: more leave too few rows and positions to each. */
    private static final int MOST_VECTORS = 4;
    /** The latency of a multiply-add over its throughput of one a cycle. */
    private static final int LEAST_ITERATION = 8;
    /** Local memory of an item, half of the second-level cache; partial sums are a part of it. */
    private static final long LOCAL_BYTES = 256 << 10;

    private static final long KEPT_BYTES = 96 << 10;
    /** Weights that are in the second-level cache when an item begins. */
    private static final long NEAR_WEIGHT_BYTES = 512 << 10;

    private final LayerShape layer;
    private final Processor processor;
    private final int vectors;
    private final int outBlock;
    private final Remembered<Tile> tiles = new Remembered<>();

    /**
     * Fixes the packed weight and the order of additions.
     *
     * @param vectors vectors of input channels in a tile
     * @param outBlock output channels of a patch
     */
    InputGradientChannelLane(LayerShape layer, Processor processor, int vectors, int outBlock) {
        this.layer = layer;
        this.processor = processor;
        this.vectors = vectors;
        this.outBlock = outBlock;
    }

    /** The variant whose packed weight suits a problem best. */
    static InputGradientChannelLane suiting(Problem problem, Processor processor) {
        LayerShape layer = LayerShape.of(problem.layer());
        int outBlock = outBlock(layer);
        InputGradientChannelLane best = new InputGradientChannelLane(layer, processor, 1, outBlock);
        double least = best.cheapest(problem).cycles;
        int most = (int) Math.min(MOST_VECTORS, Grid.tiles(layer.ic(), processor.lanes()));
        for (int vectors = 2; vectors <= most; vectors++) {
            InputGradientChannelLane candidate = new InputGradientChannelLane(layer, processor, vectors, outBlock);
            double cycles = candidate.cheapest(problem).cycles;
            if (cycles < least) {
                least = cycles;
                best = candidate;
            }
        }
        return best;
    }

    /** The output channels of a patch, from the layer alone: they decide the order of additions. */
    static int outBlock(LayerShape layer) {
        int most = Math.max(1, PART_TERMS / layer.width().kernel());
        return Math.min(layer.oc(), most);
    }

    /** Whether the products of a block and one row of taps are summed on their own. */
    static boolean sumsRows(LayerShape layer, int outBlock) {
        return outBlock * layer.width().kernel() >= LEAST_PART_TERMS;
    }

    @Override
    public String name() {
        return "input_gradient_clane";
    }

    @Override
    public List<String> sources() {
        return List.of("common", "transpose", "lanes", "gradient_lanes", "input_gradient_clane");
    }

    @Override
    public String constants() {
        return new Defines()
                .with("LANES", processor.lanes())
                .with("SHUFFLE", 1)
                .with("V", vectors)
                .with("OC_BLOCK", outBlock)
                .with("ROW_PARTS", sumsRows(layer, outBlock))
                .toString();
    }

    private int channelTile() {
        return processor.lanes() * vectors;
    }

    private int channelTiles() {
        return (int) Grid.tiles(layer.ic(), channelTile());
    }

    @Override
    public long packedFloats() {
        return (long) layer.groups() * channelTiles() * channelTile() * layer.taps() * layer.oc();
    }

    @Override
    public NdRange packRange() {
        return NdRange.exactly((long) layer.groups() * channelTiles(), layer.oc());
    }

    @Override
    public NdRange packRange(int channels) {
        return NdRange.exactly(Grid.tiles(channels, channelTile()), layer.oc());
    }

    @Override
    public Tile tileFor(Problem problem) {
        return tiles.get(problem, () -> cheapest(problem).tile);
    }

    /** A tile of certain sizes, for whoever knows better than the rule. */
    Tile tile(int rows, int positions, int rowTiles, int itemRows, int images, int channelTiles) {
        return new GatherTile(rows, positions, rowTiles, itemRows, images, channelTiles);
    }

    private record Candidate(GatherTile tile, double cycles) {}

    /** The cheapest item of the register tile that wastes least. */
    private Candidate cheapest(Problem problem) {
        int most = Math.max(1, (processor.registers() - 1 - vectors) / vectors);
        int iw = problem.inputSize(2);
        long allRows = (long) problem.batch() * problem.inputSize(1);
        int rows = 1;
        int positions = 1;
        double least = Double.POSITIVE_INFINITY;
        for (int p = 1; p <= Math.min(iw, most); p++) {
            for (int r = 1; r <= Math.min(Math.min(MOST_ROWS, allRows), most / p); r++) {
                double covered = (double) Grid.tiles(iw, p) * p / iw * Grid.tiles(allRows, r) * r / allRows;
                double cost = covered * iteration(r, p) / (r * p);
                if (cost < least * 0.999) {
                    least = cost;
                    rows = r;
                    positions = p;
                }
            }
        }
        return cheapest(problem, rows, positions);
    }

    /** The cycles in which a register tile takes one tap of one channel. */
    private double iteration(int rows, int positions) {
        int operands = rows * positions + vectors;
        return Math.max(Math.max(rows * positions * vectors, operands), LEAST_ITERATION) + 0.1 * operands;
    }

    private Candidate cheapest(Problem problem, int rows, int positions) {
        Candidate best = new Candidate(new GatherTile(1, 1, 1, 1, 1, 1), Double.POSITIVE_INFINITY);
        int across = (int) Grid.tiles(problem.inputSize(2), positions);
        for (int images = 1; images <= problem.batch(); images = next(images, problem.batch())) {
            for (int itemRows = 1; itemRows <= problem.inputSize(1); itemRows = next(itemRows, problem.inputSize(1))) {
                for (int rowTiles = 1; rowTiles <= across; rowTiles = next(rowTiles, across)) {
                    for (int tiles = 1; tiles <= channelTiles(); tiles = next(tiles, channelTiles())) {
                        GatherTile tile = new GatherTile(rows, positions, rowTiles, itemRows, images, tiles);
                        if (tile.fits()) {
                            double cycles = tile.cycles(problem);
                            if (cycles < best.cycles * 0.999) {
                                best = new Candidate(tile, cycles);
                            }
                        }
                    }
                }
            }
        }
        return best;
    }

    /** 1, 2, 4 and so on, and the whole. */
    private static int next(int value, int whole) {
        return value < whole ? Math.min(whole, 2 * value) : whole + 1;
    }

    private final class GatherTile implements Tile {
        private final int rows;
        private final int positions;
        private final int rowTiles;
        private final int itemRows;
        private final int images;
        private final int channelTiles;

        /**
         * Cuts the work.
         *
         * @param rows rows of a register tile
         * @param positions positions of a register tile
         * @param rowTiles register tiles of a work-item along the row
         * @param itemRows rows of a work-item in each image
         * @param images images of a work-item
         * @param channelTiles tiles of channels of a work-item
         */
        GatherTile(int rows, int positions, int rowTiles, int itemRows, int images, int channelTiles) {
            this.rows = rows;
            this.positions = positions;
            this.rowTiles = rowTiles;
            this.itemRows = itemRows;
            this.images = images;
            this.channelTiles = channelTiles;
        }

        private long pitch() {
            long width = (rowTiles * (long) positions - 1) * layer.width().stride()
                    + layer.width().extent();
            return Grid.tiles(width, processor.lanes()) * processor.lanes();
        }

        private long patchRows() {
            long height =
                    (itemRows - 1L) * layer.height().stride() + layer.height().extent();
            return (long) images * layer.depth().kernel() * height;
        }

        /** Register tiles of a work-item and a tile of channels. */
        private long placeTiles() {
            return Grid.tiles((long) images * itemRows, rows) * rowTiles;
        }

        boolean fits() {
            long kept = (outBlock < layer.oc() ? channelTiles * placeTiles() : rowTiles)
                    * rows
                    * positions
                    * channelTile()
                    * Float.BYTES;
            long patch = outBlock * patchRows() * pitch() * Float.BYTES;
            long most = Math.min(LOCAL_BYTES, processor.localBytes() * 3 / 4);
            // An item of one row and tile is the least there is.
            boolean least = rows == 1 && rowTiles == 1 && itemRows == 1 && images == 1 && channelTiles == 1;
            return least || (kept <= KEPT_BYTES && patch + kept <= most);
        }

        /** What a problem takes on one thread of many, roughly, in cycles. */
        double cycles(Problem problem) {
            int sums = rows * positions * vectors;
            double terms = (double) layer.oc() * layer.taps();
            double flushes = Math.max(1, terms / PART_TERMS) * 3 * sums;
            double store = sums * 7.0;
            double tile = terms * iteration(rows, positions) + flushes + store + 40;
            double staging = layer.oc() * (double) patchRows() * (10 + 4.0 * pitch() / processor.lanes());
            double weightBytes = (double) channelTiles * terms * channelTile() * Float.BYTES;
            double allWeights = (double) packedFloats() * Float.BYTES;
            double far = allWeights > NEAR_WEIGHT_BYTES ? weightBytes / 16 : 0;
            double item = channelTiles * placeTiles() * tile + staging + far + 500;
            double items = items(problem);
            double rounds = Math.ceil(items / processor.threads());
            return rounds * item;
        }

        private double items(Problem problem) {
            long[] global = range(problem).global();
            return (double) global[0] * global[1] * global[2];
        }

        @Override
        public String constants() {
            int width = layer.width().kernel();
            int unrolled = width;
            while (unrolled > 1 && (width % unrolled != 0 || unrolled * rows * positions * vectors > UNROLLED)) {
                unrolled--;
            }
            return new Defines()
                    .with("ROWS", rows)
                    .with("P", positions)
                    .with("XT", rowTiles)
                    .with("RY", itemRows)
                    .with("IMGS", images)
                    .with("IT", channelTiles)
                    .with("KW_UNROLL", unrolled)
                    .toString();
        }

        @Override
        public NdRange range(Problem problem) {
            return NdRange.exactly(
                    Grid.tiles(problem.inputSize(2), (long) rowTiles * positions),
                    problem.inputSize(0) * Grid.tiles(problem.inputSize(1), itemRows),
                    Grid.tiles(channelTiles(), channelTiles) * layer.groups() * Grid.tiles(problem.batch(), images));
        }

        @Override
        public int blockChannels(Problem problem) {
            return channelTiles * channelTile();
        }
    }
}
