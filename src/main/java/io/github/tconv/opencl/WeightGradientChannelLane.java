package io.github.tconv.opencl;

import io.github.tconv.op.Axis;
import io.github.tconv.op.Problem;
import java.util.List;

/**
 * {@code weight_gradient_clane.cl}: the lanes of a vector are input channels. For layers with at least some of them a
 * group.
 *
 * @param processor the processor
 * @param share what a work-item computes
 */
record WeightGradientChannelLane(Processor processor, BatchShare share) implements WeightGradientVariant {
    private static final int MOST_VECTORS = 4;
    /** The latency of a multiply-add over its throughput of one a cycle. */
    private static final int LEAST_ITERATION = 8;
    /** Cycles of a turn of the inner loop beside its multiply-adds. */
    private static final double LOOP = 1.5;
    /** Sums of a work-item, and its patch, in the second-level cache. */
    private static final long KEPT_BYTES = 160 << 10;

    private static final long PATCH_BYTES = 160 << 10;
    private static final long PANEL_BYTES = 128 << 10;

    /** The variant that suits a problem. */
    static WeightGradientChannelLane suiting(Problem problem, Processor processor) {
        LayerShape layer = LayerShape.of(problem.layer());
        int vectors = 1;
        int outTile = 1;
        int taps = 1;
        double least = Double.POSITIVE_INFINITY;
        int mostVectors = (int) Math.min(MOST_VECTORS, Grid.tiles(layer.ic(), processor.lanes()));
        for (int v = 1; v <= mostVectors; v++) {
            int most = (processor.registers() - 1 - v) / v;
            for (int k = 1; k <= Math.min(layer.width().kernel(), most); k++) {
                for (int o = 1; o <= Math.min(layer.oc(), most / k); o++) {
                    double cost = cost(layer, processor, v, o, k);
                    if (cost < least * 0.999) {
                        least = cost;
                        vectors = v;
                        outTile = o;
                        taps = k;
                    }
                }
            }
        }
        return of(problem, processor, vectors, outTile, taps, SumBlocks.batch(problem, 4));
    }

    /** What a register tile costs for each useful multiply-add, in cycles. */
    private static double cost(LayerShape layer, Processor processor, int vectors, int outTile, int taps) {
        int sums = vectors * outTile * taps;
        int operands = vectors + outTile * taps;
        double iteration = Math.max(Math.max(sums, operands), LEAST_ITERATION) + 0.1 * operands + LOOP;
        int kernel = layer.width().kernel();
        return iteration
                * Grid.tiles(layer.ic(), (long) vectors * processor.lanes())
                * Grid.tiles(layer.oc(), outTile)
                * Grid.tiles(kernel, taps);
    }

    /**
     * The variant with a certain register tile and batch, for whoever knows better than the rule.
     *
     * @param vectors vectors of input channels
     */
    static WeightGradientChannelLane of(
            Problem problem, Processor processor, int vectors, int outputs, int taps, SumBlocks batch) {
        LayerShape layer = LayerShape.of(problem.layer());
        BatchShare.Tile tile = new BatchShare.Tile(vectors * processor.lanes(), outputs, taps);
        BatchShare share = BatchShare.fitting(layer, tile, batch, any -> fits(any, processor));
        int most = 1;
        while (most < share.allOutTiles() && fits(share.with(1, most + 1), processor)) {
            most++;
        }
        // Chunks of equal sizes.
        int out = (int) Grid.tiles(share.allOutTiles(), Grid.tiles(share.allOutTiles(), most));
        int mostIn = 1;
        while (mostIn < share.allInTiles() && fits(share.with(mostIn + 1, out), processor)) {
            mostIn++;
        }
        int in = (int) Grid.tiles(share.allInTiles(), Grid.tiles(share.allInTiles(), mostIn));
        return new WeightGradientChannelLane(processor, share.with(in, out).cut(problem));
    }

    private static boolean fits(BatchShare share, Processor processor) {
        Axis width = share.layer().width();
        long kept = share.sums() * Float.BYTES;
        long row = (share.cut().segment() - 1L) * width.stride()
                + (share.rowTiles() * share.tile().taps() - 1) * width.dilation()
                + 1;
        long pitch = Grid.tiles(row, processor.lanes()) * processor.lanes();
        long patch = share.patchRows() * pitch * Float.BYTES;
        long local = processor.localBytes() * 3 / 4;
        long panel = share.panelFloats() * Float.BYTES;
        return kept <= Math.min(KEPT_BYTES, local / 3)
                && patch <= Math.min(PATCH_BYTES, local / 3)
                && (share.inTiles() == 1 || panel <= Math.min(PANEL_BYTES, local / 3));
    }

    /** Whether a work-item holds all sums of a group, so that each value of a batch is copied once. */
    boolean readsOnce() {
        return share.readsOnce();
    }

    @Override
    public List<String> sources() {
        return List.of("common", "transpose", "lanes", "gradient_lanes", "batches", "weight_gradient_clane");
    }

    @Override
    public String constants() {
        int vectors = share.tile().inputs() / processor.lanes();
        return new Defines()
                        .with("LANES", processor.lanes())
                        .with("PREFETCH", processor.prefetches())
                        .with("SHUFFLE", 1)
                        .with("V", vectors)
                        .toString()
                + share.constants();
    }

    @Override
    public WeightGradientVariant of(Problem part) {
        return new WeightGradientChannelLane(processor, share.of(LayerShape.of(part.layer())));
    }

    @Override
    public WeightGradientVariant tried(Problem small) {
        return new WeightGradientChannelLane(processor, share.halved(small));
    }

    @Override
    public int blocks() {
        return share.cut().count();
    }

    @Override
    public List<Step> steps() {
        return share.steps("weight_gradient_clane");
    }
}
