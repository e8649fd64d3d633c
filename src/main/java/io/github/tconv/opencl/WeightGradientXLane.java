package io.github.tconv.opencl;

import io.github.tconv.op.Axis;
import io.github.tconv.op.Problem;
import java.util.List;

/**
 * {@code weight_gradient_xlane.cl}: the lanes of a vector are neighbours along the row. For few input channels a group.
 *
 * @param layer the layer
 * @param processor the processor
 * @param inTile input channels of a register tile
 * @param outTile output channels of a register tile
 * @param taps taps of a row of a register tile
 * @param inTiles register tiles of input channels of a work-item
 * @param outTiles register tiles of output channels of a work-item
 * @param tapDepth taps of the depth of a work-item
 * @param tapHeight taps of the height of a work-item
 * @param cut how the sum is cut
 */
record WeightGradientXLane(
        LayerShape layer,
        Processor processor,
        int inTile,
        int outTile,
        int taps,
        int inTiles,
        int outTiles,
        int tapDepth,
        int tapHeight,
        SumBlocks cut)
        implements WeightGradientVariant {
    private static final int MOST_IN = 4;
    private static final int MOST_OUT = 8;
    private static final long KEPT_BYTES = 64 << 10;
    private static final long PATCH_BYTES = 96 << 10;

    /** Whether one row of one channel fits local memory. */
    static boolean fits(LayerShape layer, Processor processor) {
        return least(layer, processor).fits();
    }

    private static WeightGradientXLane least(LayerShape layer, Processor processor) {
        return new WeightGradientXLane(
                layer, processor, 1, 1, 1, 1, 1, 1, 1, new SumBlocks(processor.lanes(), 1, 1, 1, 1));
    }

    /** The variant that suits a problem. */
    static WeightGradientXLane suiting(Problem problem, Processor processor) {
        LayerShape layer = LayerShape.of(problem.layer());
        int inTile = (int) Grid.tiles(layer.ic(), Grid.tiles(layer.ic(), MOST_IN));
        int most = Math.max(1, (processor.registers() - 2 - inTile) / inTile);
        int kernel = layer.width().kernel();
        int taps = (int) Grid.tiles(kernel, Grid.tiles(kernel, most));
        int outTile = Math.max(1, Math.min(Math.min(layer.oc(), MOST_OUT), most / taps));
        return of(problem, processor, inTile, outTile, taps, SumBlocks.batch(problem, processor.lanes()));
    }

    /** The variant with a certain register tile and batch, for whoever knows better than the rule. */
    static WeightGradientXLane of(
            Problem problem, Processor processor, int inTile, int outTile, int taps, SumBlocks batch) {
        LayerShape layer = LayerShape.of(problem.layer());
        WeightGradientXLane one = new WeightGradientXLane(
                layer,
                processor,
                inTile,
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
        if (!one.fits()) {
            one = least(layer, processor);
        }
        int allOut = (int) Grid.tiles(layer.oc(), one.outTile);
        while (one.outTiles < allOut && one.wider(0, 1).fits()) {
            one = one.wider(0, 1);
        }
        int allIn = (int) Grid.tiles(layer.ic(), one.inTile);
        while (one.inTiles < allIn && one.wider(1, 0).fits()) {
            one = one.wider(1, 0);
        }
        return one.with(
                one.inTiles,
                one.outTiles,
                one.tapDepth,
                one.tapHeight,
                one.cut.cut(problem, one.tapChunks() * one.channelChunks()));
    }

    private WeightGradientXLane wider(int in, int out) {
        return with(inTiles + in, outTiles + out, tapDepth, tapHeight, cut);
    }

    private WeightGradientXLane with(int in, int out, int ofDepth, int ofHeight, SumBlocks blocks) {
        return new WeightGradientXLane(layer, processor, inTile, outTile, taps, in, out, ofDepth, ofHeight, blocks);
    }

    private boolean fits() {
        Axis width = layer.width();
        long chunks = Grid.tiles(width.kernel(), taps);
        long tiles = (long) inTiles * outTiles * tapDepth * tapHeight * chunks;
        long kept = tiles * inTile * outTile * taps * processor.lanes() * Float.BYTES;
        long span = (width.kernel() - 1L) * width.dilation() / width.stride();
        long pitch = Grid.tiles(cut.segment() + span, processor.lanes()) * processor.lanes();
        long height = (cut.rows() - 1L) * layer.height().stride()
                + (tapHeight - 1L) * layer.height().dilation()
                + 1;
        long rows = (long) outTiles * outTile * cut.images() * tapDepth * height + 1;
        long patch = rows * width.stride() * pitch * Float.BYTES;
        long panel = (long) inTiles * inTile * cut.images() * cut.rows() * cut.segment() * Float.BYTES;
        long local = processor.localBytes() * 3 / 4;
        return kept <= Math.min(KEPT_BYTES, local / 2) && patch + panel <= Math.min(PATCH_BYTES, local / 2);
    }

    private long tapChunks() {
        return Grid.tiles(layer.depth().kernel(), tapDepth)
                * Grid.tiles(layer.height().kernel(), tapHeight);
    }

    private long channelChunks() {
        return layer.groups()
                * Grid.tiles(layer.ic(), (long) inTiles * inTile)
                * Grid.tiles(layer.oc(), (long) outTiles * outTile);
    }

    @Override
    public List<String> sources() {
        return List.of("common", "transpose", "lanes", "gradient_lanes", "weight_gradient_xlane");
    }

    @Override
    public String constants() {
        return (" -DLANES=%d -DSHUFFLE=1 -DICT=%d -DOCT=%d -DKWC=%d -DIT=%d -DOT=%d -DTAP_D=%d -DTAP_H=%d -DSEG=%d -DRY=%d"
                        + " -DIMGS=%d")
                .formatted(
                        processor.lanes(),
                        inTile,
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
                "weight_gradient_xlane", NdRange.exactly(cut.count(), tapChunks(), channelChunks()), cut.batches());
    }
}
