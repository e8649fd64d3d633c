package io.github.tconv.opencl;

import io.github.tconv.op.Problem;
import java.util.List;
import java.util.function.Predicate;

/**
 * What a work-item of the kernels that share {@code batches.cl} computes: of one block of the sum, some channels and some
 * rows of taps.
 *
 * @param layer the layer
 * @param tile the sums in registers
 * @param inTiles register tiles of input channels
 * @param outTiles register tiles of output channels
 * @param tapDepth taps of the depth
 * @param tapHeight taps of the height
 * @param cut how the sum is cut
 */
record BatchShare(LayerShape layer, Tile tile, int inTiles, int outTiles, int tapDepth, int tapHeight, SumBlocks cut) {
    /**
     * A register tile.
     *
     * @param inputs input channels
     * @param outputs output channels
     * @param taps taps of a row
     */
    record Tile(int inputs, int outputs, int taps) {}

    /** The least share: a register tile of one row of taps, and a batch of one row. */
    static BatchShare least(LayerShape layer, Tile tile, int segment) {
        return new BatchShare(layer, tile, 1, 1, 1, 1, new SumBlocks(segment, 1, 1, 1, 1));
    }

    /** A register tile of all rows of taps and of a whole batch, or of so much of them that it fits, if any does. */
    static BatchShare fitting(LayerShape layer, Tile tile, SumBlocks batch, Predicate<BatchShare> fits) {
        BatchShare one = new BatchShare(
                layer, tile, 1, 1, layer.depth().kernel(), layer.height().kernel(), batch);
        while (one.tapDepth > 1 && !fits.test(one)) {
            one = one.with((one.tapDepth + 1) / 2, one.tapHeight, batch);
        }
        while (one.tapHeight > 1 && !fits.test(one)) {
            one = one.with(1, (one.tapHeight + 1) / 2, batch);
        }
        while (one.cut.canShrink() && !fits.test(one)) {
            one = one.with(1, 1, one.cut.shrunk());
        }
        return one;
    }

    private BatchShare with(int ofDepth, int ofHeight, SumBlocks blocks) {
        return new BatchShare(layer, tile, inTiles, outTiles, ofDepth, ofHeight, blocks);
    }

    /** The share of so many register tiles. */
    BatchShare with(int in, int out) {
        return new BatchShare(layer, tile, in, out, tapDepth, tapHeight, cut);
    }

    /** The same share, with the same cuts of the sum, of a layer with fewer channels. */
    BatchShare of(LayerShape other) {
        return new BatchShare(other, tile, inTiles, outTiles, tapDepth, tapHeight, cut);
    }

    /** The share with the sum of a problem cut into blocks. */
    BatchShare cut(Problem problem) {
        return with(tapDepth, tapHeight, cut.cut(problem, tapChunks() * channelChunks()));
    }

    /** The share with the sum of a problem cut into two blocks, if it can be. */
    BatchShare halved(Problem problem) {
        return with(tapDepth, tapHeight, cut.halved(problem));
    }

    /** The register tiles along the input channels of a group. */
    int allInTiles() {
        return (int) Grid.tiles(layer.ic(), tile.inputs);
    }

    /** The register tiles along the output channels of a group. */
    int allOutTiles() {
        return (int) Grid.tiles(layer.oc(), tile.outputs);
    }

    private long tapChunks() {
        return Grid.tiles(layer.depth().kernel(), tapDepth)
                * Grid.tiles(layer.height().kernel(), tapHeight);
    }

    private long channelChunks() {
        return layer.groups()
                * Grid.tiles(layer.ic(), (long) inTiles * tile.inputs)
                * Grid.tiles(layer.oc(), (long) outTiles * tile.outputs);
    }

    /** Whether a work-item holds all sums of a group, so that each value of a batch is copied once. */
    boolean readsOnce() {
        return tapChunks() * channelChunks() == layer.groups();
    }

    /** The register tiles along the row. */
    long rowTiles() {
        return Grid.tiles(layer.width().kernel(), tile.taps);
    }

    /** The sums of a work-item. */
    long sums() {
        long tiles = (long) inTiles * outTiles * tapDepth * tapHeight * rowTiles();
        return tiles * tile.inputs * tile.outputs * tile.taps;
    }

    /** The rows of the output gradient that a batch meets, in all output channels. */
    long patchRows() {
        long height = (cut.rows() - 1L) * layer.height().stride()
                + (tapHeight - 1L) * layer.height().dilation()
                + 1;
        return (long) outTiles * tile.outputs * cut.images() * tapDepth * height;
    }

    /** The floats of the input's batch. */
    long panelFloats() {
        return (long) inTiles * tile.inputs * cut.images() * cut.rows() * cut.segment();
    }

    /** The constants of {@code batches.cl}, and the register tiles of input channels. */
    String constants() {
        return new Defines()
                .with("OCT", tile.outputs)
                .with("KWC", tile.taps)
                .with("IT", inTiles)
                .with("OT", outTiles)
                .with("TAP_D", tapDepth)
                .with("TAP_H", tapHeight)
                .with("SEG", cut.segment())
                .with("RY", cut.rows())
                .with("IMGS", cut.images())
                .toString();
    }

    /** The one step of a variant. */
    List<WeightGradientVariant.Step> steps(String kernel) {
        return WeightGradientVariant.Step.only(
                kernel, NdRange.exactly(cut.count(), tapChunks(), channelChunks()), cut.batches());
    }
}
