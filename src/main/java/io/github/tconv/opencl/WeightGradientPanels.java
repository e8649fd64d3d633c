package io.github.tconv.opencl;

import io.github.tconv.op.Axis;
import io.github.tconv.op.Problem;
import java.util.ArrayList;
import java.util.List;

/**
 * {@code weight_gradient_panels.cl}: a product of packed matrices, with fewer multiplications on the axes that are minimal.
 * The lanes of a vector are input channels.
 */
final class WeightGradientPanels implements WeightGradientVariant {
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

    private final Problem problem;
    private final LayerShape layer;
    private final Processor processor;
    private final PanelAxis height;
    private final PanelAxis width;
    private final RegisterTile tile;
    private final Batch batch;
    private final Panel panel;
    /** Rows of phases of a work-item. */
    private final int phaseRows;

    /**
     * The sums in registers.
     *
     * @param vectors vectors of input channels
     * @param outs output channels: as many as lanes, a half or a quarter
     */
    record RegisterTile(int vectors, int outs) {}

    /**
     * The positions whose products are summed on their own.
     *
     * @param tiles tiles of the input
     * @param run tiles that are transformed at once
     */
    record Batch(int tiles, int run) {}

    /**
     * What is in the panels at once.
     *
     * @param batches batches of the input
     * @param outs output channels of each group
     */
    record Panel(int batches, int outs) {}

    private WeightGradientPanels(
            Problem problem,
            Processor processor,
            PanelAxis height,
            PanelAxis width,
            RegisterTile tile,
            Batch batch,
            Panel panel,
            int phaseRows) {
        this.problem = problem;
        this.layer = LayerShape.of(problem.layer());
        this.processor = processor;
        this.height = height;
        this.width = width;
        this.tile = tile;
        this.batch = batch;
        this.panel = panel;
        this.phaseRows = phaseRows;
    }

    /** The variant with fewer products on every axis that can have them. */
    static WeightGradientPanels suiting(Problem problem, Processor processor) {
        LayerShape layer = LayerShape.of(problem.layer());
        RegisterTile best = new RegisterTile(1, 1);
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
                    best = new RegisterTile(v, o);
                }
            }
        }
        return of(problem, processor, PanelAxis.suiting(layer.height()), PanelAxis.suiting(layer.width()), best);
    }

    /** The variant with a certain register tile; the rest is cut so that the caches hold it. */
    static WeightGradientPanels of(
            Problem problem, Processor processor, PanelAxis height, PanelAxis width, RegisterTile tile) {
        LayerShape layer = LayerShape.of(problem.layer());
        WeightGradientPanels one = new WeightGradientPanels(
                problem, processor, height, width, tile, new Batch(BATCH, BATCH), new Panel(1, tile.outs), 1);
        int tiles = BATCH;
        while (tiles > 4 && one.mostTiles() <= tiles / 2) {
            tiles /= 2;
        }
        one = one.with(new Batch(tiles, tiles));
        while (one.batch.run > 1 && one.stagedBytes() > STAGED_BYTES) {
            one = one.with(new Batch(tiles, one.batch.run / 2));
        }
        long most = Math.max(1, Math.min(WORKSPACE / one.inputFloats(), WORKSPACE / one.outputFloats()));
        long all = one.allBatches();
        int batches = (int) Grid.tiles(all, Grid.tiles(all, most));
        long outTiles = Grid.tiles(layer.oc(), tile.outs);
        one = one.with(new Panel(batches, (int) outTiles * tile.outs));
        for (long ranges = 2; one.panel.outs > tile.outs && one.outputFloats() > WORKSPACE; ranges++) {
            one = one.with(new Panel(batches, (int) Grid.tiles(outTiles, ranges) * tile.outs));
        }
        one = one.with(layer.depth().kernel() * height.phases());
        while (one.phaseRows > 1
                && (one.keptBytes() > KEPT_BYTES || one.range(one.panel.outs).items() < ITEMS)) {
            one = one.with((one.phaseRows + 1) / 2);
        }
        return one;
    }

    /** The same with one batch and one tile of output channels in the panels, as where all together are too large. */
    WeightGradientPanels batchByBatch() {
        return with(new Panel(1, tile.outs));
    }

    private WeightGradientPanels with(Batch other) {
        return new WeightGradientPanels(problem, processor, height, width, tile, other, panel, phaseRows);
    }

    private WeightGradientPanels with(Panel other) {
        return new WeightGradientPanels(problem, processor, height, width, tile, batch, other, phaseRows);
    }

    private WeightGradientPanels with(int ofPhases) {
        return new WeightGradientPanels(problem, processor, height, width, tile, batch, panel, ofPhases);
    }

    private long tilesOf(boolean shortHeight, boolean shortWidth) {
        int h = problem.inputSize(1);
        int w = problem.inputSize(2);
        return (long) problem.batch()
                * problem.inputSize(0)
                * (shortHeight ? height.shortTiles(h) : height.fullTiles(h))
                * (shortWidth ? width.shortTiles(w) : width.fullTiles(w));
    }

    private long allTiles() {
        return tilesOf(false, false) + tilesOf(false, true) + tilesOf(true, false) + tilesOf(true, true);
    }

    /** What is packed in all, of either operand. */
    long packedFloats() {
        long input = (long) height.slots() * width.slots() * channelTiles() * tile.vectors * processor.lanes();
        long output = (long) layer.depth().kernel() * height.products() * width.products() * layer.oc();
        return allTiles() * layer.groups() * (input + output);
    }

    /** The products of packed floats. */
    long products() {
        long tiles = 0;
        for (boolean shortHeight : new boolean[] {false, true}) {
            for (boolean shortWidth : new boolean[] {false, true}) {
                tiles += tilesOf(shortHeight, shortWidth) * height.products(shortHeight) * width.products(shortWidth);
            }
        }
        return tiles * layer.depth().kernel() * channelPairs();
    }

    /** The products that the sum is written with. */
    long directProducts() {
        long positions = (long) Grid.positions(problem);
        return positions * layer.taps() * channelPairs();
    }

    private long channelPairs() {
        return (long) layer.groups() * layer.ic() * layer.oc();
    }

    private long mostTiles() {
        return Math.max(
                Math.max(tilesOf(false, false), tilesOf(false, true)),
                Math.max(tilesOf(true, false), tilesOf(true, true)));
    }

    private long allBatches() {
        return Grid.tiles(tilesOf(false, false), batch.tiles)
                + Grid.tiles(tilesOf(false, true), batch.tiles)
                + Grid.tiles(tilesOf(true, false), batch.tiles)
                + Grid.tiles(tilesOf(true, true), batch.tiles);
    }

    private int channelTiles() {
        return (int) Grid.tiles(layer.ic(), tile.vectors * (long) processor.lanes());
    }

    private int pitch() {
        return (int) Grid.tiles(panel.outs, processor.lanes()) * processor.lanes();
    }

    private long inputFloats() {
        return (long) panel.batches
                * layer.groups()
                * channelTiles()
                * height.slots()
                * width.slots()
                * (batch.tiles * tile.vectors * processor.lanes() + GAP);
    }

    private long outputFloats() {
        return (long) panel.batches
                * layer.groups()
                * layer.depth().kernel()
                * height.products()
                * width.products()
                * (batch.tiles * pitch() + GAP);
    }

    private long stagedBytes() {
        long positions = (long) height.tile() * batch.run * width.tile();
        Axis row = layer.width();
        long span = (batch.run * (long) width.tile() - 1) * row.stride() + (row.kernel() - 1L) * row.dilation() + 1;
        long input = positions * tile.vectors;
        long output = height.reach() * span;
        return Math.max(input, output) * processor.lanes() * Float.BYTES;
    }

    private long keptBytes() {
        long rows = height.taps() == 1 ? 1 : height.reach();
        long columns = width.phases() * (width.taps() == 1 ? 1L : width.reach());
        return phaseRows * rows * columns * tile.outs * tile.vectors * processor.lanes() * Float.BYTES;
    }

    /** The work-items for so many output channels of each group. None is idle: PoCL gives a thread the first half of them. */
    private NdRange range(int channels) {
        return NdRange.exactly(
                (long) layer.groups() * channelTiles(),
                Grid.tiles(layer.depth().kernel() * (long) height.phases(), phaseRows),
                Grid.tiles(channels, tile.outs));
    }

    @Override
    public List<String> sources() {
        return List.of("common", "transpose", "lanes", "gradient_lanes", "weight_gradient_panels");
    }

    @Override
    public String constants() {
        return new Defines()
                .with("LANES", processor.lanes())
                .with("SHUFFLE", 1)
                .with("MINIMAL_H", height.minimal())
                .with("MINIMAL_W", width.minimal())
                .with("V", tile.vectors)
                .with("OCT", tile.outs)
                .with("PHASES", phaseRows)
                .with("TILES", batch.tiles)
                .with("RUN", batch.run)
                .with("OCS", panel.outs)
                .with("PITCH_OC", pitch())
                .with("PREFETCH", processor.prefetches())
                .toString();
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
        return height.minimal() || width.minimal()
                ? height.errorGrowth(problem.inputSize(1)) * width.errorGrowth(problem.inputSize(2))
                : 0;
    }

    /** The batches that are in the panels at once decide how often sums are added to the weight gradient, so they stay. */
    @Override
    public WeightGradientVariant of(Problem part) {
        long outs = Grid.tiles(LayerShape.of(part.layer()).oc(), tile.outs) * tile.outs;
        Panel some = new Panel(panel.batches, (int) Math.min(panel.outs, outs));
        return new WeightGradientPanels(part, processor, height, width, tile, batch, some, phaseRows);
    }

    /** With half of the batches in the panels at once, so that sums are added to the weight gradient too. */
    @Override
    public WeightGradientVariant tried(Problem small) {
        WeightGradientPanels all =
                new WeightGradientPanels(small, processor, height, width, tile, batch, panel, phaseRows);
        return all.with(new Panel((int) Grid.tiles(all.allBatches(), 2), panel.outs));
    }

    @Override
    public long[] workspaces() {
        return new long[] {inputFloats(), outputFloats()};
    }

    @Override
    public List<Step> steps() {
        List<Step> steps = new ArrayList<>();
        int all = (int) allBatches();
        for (int first = 0; first < all; first += panel.batches) {
            int count = Math.min(panel.batches, all - first);
            steps.add(new Step(
                    "weight_gradient_panels_input",
                    List.of(Role.INPUT, Role.FIRST_WORKSPACE),
                    new int[] {first},
                    NdRange.exactly(count, (long) layer.groups() * channelTiles())));
            for (int firstOut = 0; firstOut < layer.oc(); firstOut += panel.outs) {
                int channels = Math.min(panel.outs, layer.oc() - firstOut);
                steps.add(new Step(
                        "weight_gradient_panels_output",
                        List.of(Role.OUTPUT_GRADIENT, Role.SECOND_WORKSPACE),
                        new int[] {first, firstOut},
                        NdRange.exactly(count, layer.groups() * Grid.tiles(panel.outs, processor.lanes()))));
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
