package io.github.tconv.opencl;

import io.github.tconv.op.Axis;
import io.github.tconv.op.Problem;
import java.util.List;

/**
 * {@code weight_gradient_xlane.cl}: the lanes of a vector are neighbours along the row. For few input channels a group.
 *
 * @param processor the processor
 * @param share what a work-item computes
 */
record WeightGradientXLane(Processor processor, BatchShare share) implements WeightGradientVariant {
    private static final int MOST_IN = 4;
    private static final int MOST_OUT = 8;
    private static final long KEPT_BYTES = 64 << 10;
    private static final long PATCH_BYTES = 96 << 10;

    /** Whether one row of one channel fits local memory. */
    static boolean fits(LayerShape layer, Processor processor) {
        return fits(least(layer, processor), processor);
    }

    private static BatchShare least(LayerShape layer, Processor processor) {
        return BatchShare.least(layer, new BatchShare.Tile(1, 1, 1), processor.lanes());
    }

    /** The variant that suits a problem. */
    static WeightGradientXLane suiting(Problem problem, Processor processor) {
        LayerShape layer = LayerShape.of(problem.layer());
        int inputs = (int) Grid.tiles(layer.ic(), Grid.tiles(layer.ic(), MOST_IN));
        int most = Math.max(1, (processor.registers() - 2 - inputs) / inputs);
        int kernel = layer.width().kernel();
        int taps = (int) Grid.tiles(kernel, Grid.tiles(kernel, most));
        int outputs = Math.max(1, Math.min(Math.min(layer.oc(), MOST_OUT), most / taps));
        BatchShare.Tile tile = new BatchShare.Tile(inputs, outputs, taps);
        return of(problem, processor, tile, SumBlocks.batch(problem, processor.lanes()));
    }

    /** The variant with a certain register tile and batch, for whoever knows better than the rule. */
    static WeightGradientXLane of(Problem problem, Processor processor, BatchShare.Tile tile, SumBlocks batch) {
        LayerShape layer = LayerShape.of(problem.layer());
        BatchShare share = BatchShare.fitting(layer, tile, batch, any -> fits(any, processor));
        if (!fits(share, processor)) {
            share = least(layer, processor);
        }
        int in = 1;
        int out = 1;
        while (out < share.allOutTiles() && fits(share.with(in, out + 1), processor)) {
            out++;
        }
        while (in < share.allInTiles() && fits(share.with(in + 1, out), processor)) {
            in++;
        }
        return new WeightGradientXLane(processor, share.with(in, out).cut(problem));
    }

    private static boolean fits(BatchShare share, Processor processor) {
        Axis width = share.layer().width();
        long kept = share.sums() * processor.lanes() * Float.BYTES;
        long span = (width.kernel() - 1L) * width.dilation() / width.stride();
        long pitch = Grid.tiles(share.cut().segment() + span, processor.lanes()) * processor.lanes();
        // One row more is the line whose phases are split.
        long patch = (share.patchRows() + 1) * width.stride() * pitch * Float.BYTES;
        long panel = share.panelFloats() * Float.BYTES;
        long local = processor.localBytes() * 3 / 4;
        return kept <= Math.min(KEPT_BYTES, local / 2) && patch + panel <= Math.min(PATCH_BYTES, local / 2);
    }

    @Override
    public List<String> sources() {
        return List.of("common", "transpose", "lanes", "gradient_lanes", "batches", "weight_gradient_xlane");
    }

    @Override
    public String constants() {
        return new Defines()
                        .with("LANES", processor.lanes())
                        .with("SHUFFLE", 1)
                        .with("ICT", share.tile().inputs())
                        .toString()
                + share.constants();
    }

    @Override
    public WeightGradientVariant of(Problem part) {
        return new WeightGradientXLane(processor, share.of(LayerShape.of(part.layer())));
    }

    @Override
    public WeightGradientVariant tried(Problem small) {
        return new WeightGradientXLane(processor, share.halved(small));
    }

    @Override
    public int blocks() {
        return share.cut().count();
    }

    @Override
    public List<Step> steps() {
        return share.steps("weight_gradient_xlane");
    }
}
