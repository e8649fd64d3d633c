package io.github.tconv.opencl;

import io.github.tconv.op.Axis;
import io.github.tconv.op.Problem;
import java.util.List;

/**
 * {@code weight_gradient_clane.cl}: the lanes of a vector are input channels. For layers with at least some of them a
 * group.
 *
 * @param layer the layer
 * @param processor the processor
 * @param vectors vectors of input channels of a register tile
 * @param outTile output channels of a register tile
 * @param taps taps of a row of a register tile
 * @param inTiles register tiles of input channels of a work-item
 * @param outTiles register tiles of output channels of a work-item
 * @param tapDepth taps of the depth of a work-item
 * @param tapHeight taps of the height of a work-item
 * @param cut how the sum is cut
 */
record WeightGradientChannelLane(
        LayerShape layer,
        Processor processor,
        int vectors,
        int outTile,
        int taps,
        int inTiles,
        int outTiles,
        int tapDepth,
        int tapHeight,
        SumBlocks cut)
        implements WeightGradientVariant {
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

    /** The variant with a certain register tile and batch, for whoever knows better than the rule. */
    static WeightGradientChannelLane of(
            Problem problem, Processor processor, int vectors, int outTile, int taps, SumBlocks batch) {
        LayerShape layer = LayerShape.of(problem.layer());
        WeightGradientChannelLane one = new WeightGradientChannelLane(
                layer,
                processor,
                vectors,
                outTile,
                taps,
                1,
                1,
                layer.depth().kernel(),
                layer.height().kernel(),
                batch);
        while (one.tapDepth > 1 && !one.fits()) {
            one = one.with(1, 1, (one.tapDepth + 1) / 2, one.tapHeight, one.cut);
        }
        while (one.tapHeight > 1 && !one.fits()) {
            one = one.with(1, 1, 1, (one.tapHeight + 1) / 2, one.cut);
        }
        while (one.cut.canShrink() && !one.fits()) {
            one = one.with(1, 1, 1, 1, one.cut.shrunk());
        }
        int all = (int) Grid.tiles(layer.oc(), outTile);
        int most = 1;
        while (most < all
                && one.with(1, most + 1, one.tapDepth, one.tapHeight, one.cut).fits()) {
            most++;
        }
        // Chunks of equal sizes.
        int outTiles = (int) Grid.tiles(all, Grid.tiles(all, most));
        int allIn = (int) Grid.tiles(layer.ic(), (long) vectors * processor.lanes());
        int mostIn = 1;
        while (mostIn < allIn
                && one.with(mostIn + 1, outTiles, one.tapDepth, one.tapHeight, one.cut)
                        .fits()) {
            mostIn++;
        }
        int inTiles = (int) Grid.tiles(allIn, Grid.tiles(allIn, mostIn));
        WeightGradientChannelLane whole = one.with(inTiles, outTiles, one.tapDepth, one.tapHeight, one.cut);
        return whole.with(
                inTiles,
                outTiles,
                one.tapDepth,
                one.tapHeight,
                one.cut.cut(problem, whole.tapChunks() * whole.channelChunks()));
    }

    private WeightGradientChannelLane with(int in, int out, int ofDepth, int ofHeight, SumBlocks blocks) {
        return new WeightGradientChannelLane(
                layer, processor, vectors, outTile, taps, in, out, ofDepth, ofHeight, blocks);
    }

    private boolean fits() {
        Axis width = layer.width();
        long chunks = Grid.tiles(width.kernel(), taps);
        long rows = (long) tapDepth * tapHeight;
        long kept =
                (long) inTiles * outTiles * rows * chunks * outTile * taps * vectors * processor.lanes() * Float.BYTES;
        long row = (cut.segment() - 1L) * width.stride() + (chunks * taps - 1) * width.dilation() + 1;
        long pitch = Grid.tiles(row, processor.lanes()) * processor.lanes();
        long height = (cut.rows() - 1L) * layer.height().stride()
                + (tapHeight - 1L) * layer.height().dilation()
                + 1;
        long patch = (long) outTiles * outTile * cut.images() * tapDepth * height * pitch * Float.BYTES;
        long local = processor.localBytes() * 3 / 4;
        long panel =
                (long) inTiles * cut.images() * cut.rows() * cut.segment() * vectors * processor.lanes() * Float.BYTES;
        return kept <= Math.min(KEPT_BYTES, local / 3)
                && patch <= Math.min(PATCH_BYTES, local / 3)
                && (inTiles == 1 || panel <= Math.min(PANEL_BYTES, local / 3));
    }

    /** Whether a work-item holds all sums of a group, so that each value of a batch is copied once. */
    boolean readsOnce() {
        return tapChunks() * channelChunks() == layer.groups();
    }

    private long tapChunks() {
        return Grid.tiles(layer.depth().kernel(), tapDepth)
                * Grid.tiles(layer.height().kernel(), tapHeight);
    }

    private long channelChunks() {
        return layer.groups()
                * Grid.tiles(layer.ic(), (long) inTiles * vectors * processor.lanes())
                * Grid.tiles(layer.oc(), (long) outTiles * outTile);
    }

    @Override
    public List<String> sources() {
        return List.of("common", "transpose", "lanes", "gradient_lanes", "weight_gradient_clane");
    }

    @Override
    public String constants() {
        return " -DLANES=%d -DPREFETCH=%d -DSHUFFLE=1 -DV=%d -DOCT=%d -DKWC=%d -DIT=%d -DOT=%d -DTAP_D=%d -DTAP_H=%d -DSEG=%d -DRY=%d -DIMGS=%d"
                .formatted(
                        processor.lanes(),
                        processor.prefetches() ? 1 : 0,
                        vectors,
                        outTile,
                        taps,
                        inTiles,
                        outTiles,
                        tapDepth,
                        tapHeight,
                        cut.segment(),
                        cut.rows(),
                        cut.images());
    }

    @Override
    public int blocks() {
        return cut.count();
    }

    @Override
    public List<Step> steps() {
        return Step.only(
                "weight_gradient_clane", NdRange.exactly(cut.count(), tapChunks(), channelChunks()), cut.batches());
    }
}
