package io.github.tconv.opencl;

import io.github.tconv.op.Axis;
import io.github.tconv.op.Problem;
import java.util.ArrayList;
import java.util.List;

/**
 * {@code weight_gradient_panels.cl}: a product of packed matrices, with fewer multiplications on the axes that are minimal.
 * The lanes of a vector are input channels.
 *
 * @param problem the problem
 * @param layer its layer
 * @param processor the processor
 * @param minimalHeight whether the height has fewer products
 * @param minimalWidth whether the width has
 * @param vectors vectors of input channels of a register tile
 * @param outTile output channels of a register tile: as many as lanes, a half or a quarter
 * @param phaseRows rows of phases of a work-item
 * @param tiles tiles of a batch
 * @param run tiles that are transformed at once
 * @param batches batches that are in the panels at once
 * @param outs output channels that are, of each group
 */
record WeightGradientPanels(
        Problem problem,
        LayerShape layer,
        Processor processor,
        boolean minimalHeight,
        boolean minimalWidth,
        int vectors,
        int outTile,
        int phaseRows,
        int tiles,
        int run,
        int batches,
        int outs)
        implements WeightGradientVariant {
    private static final int MOST_VECTORS = 8;
    /** Tiles whose products are summed on their own. */
    private static final int BATCH = 64;
    /** The latency of a multiply-add over its throughput of one a cycle. */
    private static final int LEAST_ITERATION = 8;
    /** Cycles of a turn of the inner loop beside its multiply-adds. */
    private static final double LOOP = 1.5;
    /** What each vector of inputs adds, which comes from the second-level cache, and each output gradient. */
    private static final double VECTOR = 0.6;

    private static final double SCALAR = 0.1;
    /** Sums of a work-item, and what one stages, in the second-level cache. */
    private static final long KEPT_BYTES = 192 << 10;

    private static final long STAGED_BYTES = 96 << 10;
    /** Floats of either workspace: a few million products for every panel, and still in the last cache. */
    private static final long WORKSPACE = 1 << 20;
    /** Work-items enough to keep threads busy. */
    private static final int ITEMS = 12;
    /** Floats between panels, as the kernel has it. */
    private static final int GAP = 16;

    /** Whether an axis can have fewer products. */
    static boolean canBeMinimal(Axis axis) {
        int taps = (int) Grid.tiles(axis.kernel(), axis.stride());
        return axis.dilation() == 1 && (taps == 2 || taps == 3);
    }

    /** The variant with fewer products on every axis that can have them. */
    static WeightGradientPanels suiting(Problem problem, Processor processor) {
        LayerShape layer = LayerShape.of(problem.layer());
        return suiting(problem, processor, canBeMinimal(layer.height()), canBeMinimal(layer.width()));
    }

    private static WeightGradientPanels suiting(
            Problem problem, Processor processor, boolean minimalHeight, boolean minimalWidth) {
        LayerShape layer = LayerShape.of(problem.layer());
        int vectors = 1;
        int outTile = 1;
        double least = Double.POSITIVE_INFINITY;
        int mostVectors = (int) Math.min(MOST_VECTORS, Grid.tiles(layer.ic(), processor.lanes()));
        for (int v = 1; v <= mostVectors; v++) {
            for (int o = processor.lanes() / 4; o <= processor.lanes(); o *= 2) {
                if (o > (processor.registers() - 2 - v) / v) {
                    break;
                }
                int sums = v * o;
                double iteration = Math.max(Math.max(sums, v + o), LEAST_ITERATION) + VECTOR * v + SCALAR * o + LOOP;
                double cost =
                        iteration * Grid.tiles(layer.ic(), v * (long) processor.lanes()) * Grid.tiles(layer.oc(), o);
                if (cost < least * 0.999) {
                    least = cost;
                    vectors = v;
                    outTile = o;
                }
            }
        }
        return of(problem, processor, minimalHeight, minimalWidth, vectors, outTile);
    }

    /** The variant with a certain register tile; the rest is cut so that the caches hold it. */
    static WeightGradientPanels of(
            Problem problem,
            Processor processor,
            boolean minimalHeight,
            boolean minimalWidth,
            int vectors,
            int outTile) {
        LayerShape layer = LayerShape.of(problem.layer());
        WeightGradientPanels one = new WeightGradientPanels(
                problem,
                layer,
                processor,
                minimalHeight,
                minimalWidth,
                vectors,
                outTile,
                1,
                BATCH,
                BATCH,
                1,
                layer.oc());
        int tiles = BATCH;
        while (tiles > 4 && one.mostTiles() <= tiles / 2) {
            tiles /= 2;
        }
        one = one.with(1, tiles, tiles, 1, layer.oc());
        int run = tiles;
        while (run > 1 && one.with(1, tiles, run, 1, layer.oc()).stagedBytes() > STAGED_BYTES) {
            run /= 2;
        }
        one = one.with(1, tiles, run, 1, outTile);
        long most = Math.max(1, Math.min(WORKSPACE / one.inputFloats(), WORKSPACE / one.outputFloats()));
        long all = one.allBatches();
        int batches = (int) Grid.tiles(all, Grid.tiles(all, most));
        long outTiles = Grid.tiles(layer.oc(), outTile);
        long ranges = 1;
        int outs = (int) outTiles * outTile;
        while (outs > outTile && one.with(1, tiles, run, batches, outs).outputFloats() > WORKSPACE) {
            ranges++;
            outs = (int) Grid.tiles(outTiles, ranges) * outTile;
        }
        int rows = layer.depth().kernel() * phases(layer.height(), minimalHeight);
        int phaseRows = rows;
        while (phaseRows > 1
                && (one.with(phaseRows, tiles, run, batches, outs).keptBytes() > KEPT_BYTES
                        || one.with(phaseRows, tiles, run, batches, outs)
                                        .range(outs)
                                        .items()
                                < ITEMS)) {
            phaseRows = (phaseRows + 1) / 2;
        }
        return one.with(phaseRows, tiles, run, batches, outs);
    }

    private WeightGradientPanels with(int ofPhases, int ofBatch, int ofRun, int atOnce, int channels) {
        return new WeightGradientPanels(
                problem,
                layer,
                processor,
                minimalHeight,
                minimalWidth,
                vectors,
                outTile,
                ofPhases,
                ofBatch,
                ofRun,
                atOnce,
                channels);
    }

    private static int taps(Axis axis, boolean minimal) {
        return minimal ? (int) Grid.tiles(axis.kernel(), axis.stride()) : 1;
    }

    private static int phases(Axis axis, boolean minimal) {
        return minimal ? axis.stride() : axis.kernel();
    }

    private static int tile(Axis axis, boolean minimal) {
        int taps = taps(axis, minimal);
        return taps == 1 ? 1 : taps == 2 ? 3 : 2;
    }

    private static int slots(Axis axis, boolean minimal) {
        int taps = taps(axis, minimal);
        return taps == 1 ? 1 : taps == 2 && axis.kernel() % axis.stride() != 0 ? 5 : 4;
    }

    private static int products(Axis axis, boolean minimal) {
        return phases(axis, minimal) * (tile(axis, minimal) - 1) + axis.kernel();
    }

    private static int reach(Axis axis, boolean minimal) {
        return tile(axis, minimal) + taps(axis, minimal) - 1;
    }

    /** The full tiles of an axis of some size. */
    static int fullTiles(int size, int tile) {
        int rest = size % tile;
        return Math.max(size - (rest == 0 ? 0 : tile - rest) * (tile - 1), 0) / tile;
    }

    /** Its tiles that are short of a position. */
    static int shortTiles(int size, int tile) {
        return tile == 1 ? 0 : (int) Grid.tiles(size - fullTiles(size, tile) * (long) tile, tile - 1);
    }

    private long tilesOf(boolean shortHeight, boolean shortWidth) {
        int height = tile(layer.height(), minimalHeight);
        int width = tile(layer.width(), minimalWidth);
        int h = problem.inputSize(1);
        int w = problem.inputSize(2);
        return (long) problem.batch()
                * problem.inputSize(0)
                * (shortHeight ? shortTiles(h, height) : fullTiles(h, height))
                * (shortWidth ? shortTiles(w, width) : fullTiles(w, width));
    }

    private long mostTiles() {
        return Math.max(
                Math.max(tilesOf(false, false), tilesOf(false, true)),
                Math.max(tilesOf(true, false), tilesOf(true, true)));
    }

    private long allBatches() {
        return Grid.tiles(tilesOf(false, false), tiles)
                + Grid.tiles(tilesOf(false, true), tiles)
                + Grid.tiles(tilesOf(true, false), tiles)
                + Grid.tiles(tilesOf(true, true), tiles);
    }

    private int channelTiles() {
        return (int) Grid.tiles(layer.ic(), vectors * (long) processor.lanes());
    }

    private int pitch() {
        return (int) Grid.tiles(outs, processor.lanes()) * processor.lanes();
    }

    private long inputFloats() {
        return (long) batches
                * layer.groups()
                * channelTiles()
                * slots(layer.height(), minimalHeight)
                * slots(layer.width(), minimalWidth)
                * (tiles * vectors * processor.lanes() + GAP);
    }

    private long outputFloats() {
        return (long) batches
                * layer.groups()
                * layer.depth().kernel()
                * products(layer.height(), minimalHeight)
                * products(layer.width(), minimalWidth)
                * (tiles * pitch() + GAP);
    }

    private long stagedBytes() {
        long positions = (long) tile(layer.height(), minimalHeight) * run * tile(layer.width(), minimalWidth);
        Axis width = layer.width();
        long span = (run * (long) tile(width, minimalWidth) - 1) * width.stride()
                + (width.kernel() - 1L) * width.dilation()
                + 1;
        long input = positions * vectors;
        long output = reach(layer.height(), minimalHeight) * span;
        return Math.max(input, output) * processor.lanes() * Float.BYTES;
    }

    private long keptBytes() {
        Axis height = layer.height();
        Axis width = layer.width();
        long rows = taps(height, minimalHeight) == 1 ? 1 : reach(height, minimalHeight);
        long columns = phases(width, minimalWidth) * (taps(width, minimalWidth) == 1 ? 1L : reach(width, minimalWidth));
        return phaseRows * rows * columns * outTile * vectors * processor.lanes() * Float.BYTES;
    }

    /** The work-items for so many output channels of each group. None is idle: PoCL gives a thread the first half of them. */
    private NdRange range(int channels) {
        return NdRange.exactly(
                (long) layer.groups() * channelTiles(),
                Grid.tiles(layer.depth().kernel() * (long) phases(layer.height(), minimalHeight), phaseRows),
                Grid.tiles(channels, outTile));
    }

    @Override
    public List<String> sources() {
        return List.of("common", "transpose", "lanes", "gradient_lanes", "weight_gradient_panels");
    }

    @Override
    public String constants() {
        return (" -DLANES=%d -DSHUFFLE=1 -DMINIMAL_H=%d -DMINIMAL_W=%d -DV=%d -DOCT=%d -DPHASES=%d -DTILES=%d -DRUN=%d"
                        + " -DOCS=%d -DPITCH_OC=%d -DPREFETCH=%d")
                .formatted(
                        processor.lanes(),
                        minimalHeight ? 1 : 0,
                        minimalWidth ? 1 : 0,
                        vectors,
                        outTile,
                        phaseRows,
                        tiles,
                        run,
                        outs,
                        pitch(),
                        processor.prefetches() ? 1 : 0);
    }

    /**
     * A weight is C ((A x) . (B d)), summed over tiles: with A, B and C the matrices of the kernel's comment, a term passes
     * through at most as many roundings as there are tiles, and twelve in the transforms of both axes. So it is off by at
     * most gamma(k + 12) times the tiles times max|x| max|d| times a = max over taps t of sum over points p of |C[t][p]|
     * (sum |A[p]|) (sum |B[p]|) for each axis: 8 for M = 3, T = 2; 6 for M = 2, T = 3; 4 for M = 2, T = 2. A tile has M of
     * the k positions, or M - 1, and at the end of an axis perhaps one.
     */
    @Override
    public double errorGrowth() {
        return minimalHeight || minimalWidth ? growth(1, minimalHeight) * growth(2, minimalWidth) : 0;
    }

    private double growth(int axis, boolean minimal) {
        int taps = taps(problem.layer().axes().get(axis), minimal);
        int size = problem.inputSize(axis);
        int tile = taps == 1 ? 1 : taps == 2 ? 3 : 2;
        double matrices = taps == 1 ? 1 : taps == 2 ? 8 : 6;
        return matrices * (fullTiles(size, tile) + shortTiles(size, tile)) / size;
    }

    @Override
    public long[] workspaces() {
        return new long[] {inputFloats(), outputFloats()};
    }

    @Override
    public List<Step> steps() {
        List<Step> steps = new ArrayList<>();
        int all = (int) allBatches();
        for (int first = 0; first < all; first += batches) {
            int count = Math.min(batches, all - first);
            steps.add(new Step(
                    "weight_gradient_panels_input",
                    List.of(Role.INPUT, Role.FIRST_WORKSPACE),
                    new int[] {first},
                    NdRange.exactly(count, (long) layer.groups() * channelTiles())));
            for (int firstOut = 0; firstOut < layer.oc(); firstOut += outs) {
                int channels = Math.min(outs, layer.oc() - firstOut);
                steps.add(new Step(
                        "weight_gradient_panels_output",
                        List.of(Role.OUTPUT_GRADIENT, Role.SECOND_WORKSPACE),
                        new int[] {first, firstOut},
                        NdRange.exactly(count, layer.groups() * Grid.tiles(outs, processor.lanes()))));
                steps.add(new Step(
                        "weight_gradient_panels",
                        List.of(Role.FIRST_WORKSPACE, Role.SECOND_WORKSPACE, Role.WEIGHT_GRADIENT),
                        new int[] {first, count, firstOut},
                        range(channels)));
            }
        }
        return steps;
    }
}
