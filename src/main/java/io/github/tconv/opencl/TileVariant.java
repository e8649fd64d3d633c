package io.github.tconv.opencl;

import io.github.tconv.op.Axis;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.util.List;

/**
 * {@code forward_tile.cl}: for GPUs, a work-group makes a tile of output channels and pixels of one phase out of blocks in
 * local memory. All tiles of a layer have the same output channels, which the packed weight depends on, and differ in
 * their pixels and in how many work-items share them.
 */
final class TileVariant implements ForwardVariant {
    /** Output channels of a tile: more read the input less often, fewer leave more work-groups to small images. */
    private static final int MOST_CHANNELS = 64;
    /** Input channels of a block. Eight are unrolled whole; sixteen made compilers read ahead until they spilled. */
    private static final int BLOCK = 8;

    private static final int PAIR = 2;
    private static final int QUAD = 4;
    /** Four pixels and eight channels are 32 sums a work-item: 74 registers on RDNA 2, 94 on Ampere. */
    private static final int ITEM_PIXELS = 4;

    private static final int ITEM_CHANNELS = 8;
    /** Where there are too few work-items to hide latency, twice as many with half the channels each. */
    private static final int ITEM_CHANNELS_OF_FEW = 4;
    /**
     * Products of a sum for each of the work-items that share it, and at most how many do. Layers with long sums have
     * small images as a rule, whose outputs alone keep no large card busy.
     */
    private static final long PART_PRODUCTS = 512;

    private static final int MOST_PARTS = 4;

    private static final int MOST_ITEMS = 256;
    private static final int LEAST_PIXEL_LANES = 8;
    private static final int MOST_PIXEL_LANES = 64;
    /** Work-items for each compute unit from which on there are enough to hide latency. */
    private static final int ITEMS_PER_UNIT = 256;

    private static final int GROUPS_PER_UNIT = 2;
    /**
     * From so many products a sum on the reads of local memory weigh more than how neighbours are stored, and a work-item's
     * pixels lie side by side in pairs. In fours they cost CDNA 2 a wave, for it reads further ahead.
     */
    private static final long LONG_SUM = 512;

    private static final long MOST_PHASES = 1 << 16;

    private final LayerShape layer;
    private final Gpu gpu;
    private final int channels;
    private final int block;
    private final int split;

    /**
     * Fits the tile to a layer.
     *
     * @param layer the layer
     * @param gpu the device
     */
    TileVariant(LayerShape layer, Gpu gpu) {
        this(layer, gpu, PART_PRODUCTS);
    }

    /** As above, with at least so many products of a sum for each of the work-items that share it. */
    TileVariant(LayerShape layer, Gpu gpu, long partProducts) {
        this.layer = layer;
        this.gpu = gpu;
        this.channels = channels(layer.oc());
        this.block = layer.ic() <= QUAD ? QUAD : BLOCK;
        int parts = MOST_PARTS;
        while (parts > 1
                && (parts * partProducts > sum(layer)
                        || Grid.tiles(layer.ic(), block) % parts != 0
                        || !fits(parts, channels / ITEM_CHANNELS, LEAST_PIXEL_LANES))) {
            parts /= 2;
        }
        this.split = parts;
    }

    /** The channels of a tile for which the least is computed in vain and read again: both count. */
    private static int channels(int outChannels) {
        int best = MOST_CHANNELS;
        for (int candidate = MOST_CHANNELS / 2; candidate >= ITEM_CHANNELS; candidate /= 2) {
            if (cost(outChannels, candidate) < cost(outChannels, best)) {
                best = candidate;
            }
        }
        return best;
    }

    private static double cost(int outChannels, int tile) {
        return Grid.tiles(outChannels, tile) * tile * (1 + (double) ITEM_CHANNELS / tile);
    }

    /** Tells whether the kernel can compute a layer on such a device. */
    static boolean fits(LayerShape layer, Gpu gpu) {
        TileVariant variant = new TileVariant(layer, gpu);
        return variant.phases() <= MOST_PHASES
                && variant.packedFloats() <= Tensor.MAX_ELEMENTS
                && variant.fits(1, variant.channels / ITEM_CHANNELS, LEAST_PIXEL_LANES);
    }

    /** Tells whether a work-group is within the device's limits. */
    private boolean fits(int parts, int channelLanes, int pixelLanes) {
        return parts * channelLanes * pixelLanes <= Math.min(MOST_ITEMS, gpu.groupItems())
                && parts * localBytes(pixelLanes) <= gpu.localBytes();
    }

    /** The products of one output element, those of the taps of its phase. */
    static long sum(LayerShape layer) {
        return layer.ic() * phaseTaps(layer.depth()) * phaseTaps(layer.height()) * phaseTaps(layer.width());
    }

    private static long phaseTaps(Axis axis) {
        return Grid.tiles(axis.kernel(), axis.stride());
    }

    /** The output channels of a group that the tiles compute beyond those there are, as a factor of at least 1. */
    double padding() {
        return (double) tilesOfChannels() * channels / layer.oc();
    }

    private long tilesOfChannels() {
        return Grid.tiles(layer.oc(), channels);
    }

    private long phases() {
        long most = MOST_PHASES + 1; // of each axis, so that no product overflows
        return Math.min(layer.depth().stride(), most)
                * Math.min(layer.height().stride(), most)
                * Math.min(layer.width().stride(), most);
    }

    private long localBytes(int pixelLanes) {
        int copies = 2;
        return (long) copies * Float.BYTES * block * (pixelLanes * ITEM_PIXELS + channels);
    }

    @Override
    public String name() {
        return "tile";
    }

    @Override
    public List<String> sources() {
        return List.of("common", "phases", "forward_tile");
    }

    @Override
    public String constants() {
        return new Defines().with("BLOCK_IC", block).with("SPLIT", split).toString();
    }

    @Override
    public long packedFloats() {
        return layer.groups() * tilesOfChannels() * channels * layer.taps() * Grid.tiles(layer.ic(), block) * block;
    }

    @Override
    public Tile tileFor(Problem problem) {
        long pixels = pixels(problem);
        long items = pixels * phases() * layer.groups() * tilesOfChannels() * channels / (ITEM_CHANNELS * ITEM_PIXELS);
        boolean few = items * split < (long) gpu.units() * ITEMS_PER_UNIT
                && fits(split, channels / ITEM_CHANNELS_OF_FEW, LEAST_PIXEL_LANES);
        int itemChannels = few ? ITEM_CHANNELS_OF_FEW : ITEM_CHANNELS;
        int channelLanes = channels / itemChannels;
        int pixelLanes = MOST_PIXEL_LANES;
        while (pixelLanes > LEAST_PIXEL_LANES
                && (!fits(split, channelLanes, pixelLanes)
                        || (split > 1 && pixelLanes * ITEM_PIXELS > 2 * block * itemChannels)
                        || pixels <= (long) pixelLanes / 2 * ITEM_PIXELS
                        || groups(problem, pixelLanes) < (long) gpu.units() * GROUPS_PER_UNIT)) {
            pixelLanes /= 2;
        }
        return new PhaseTile(pixelLanes, channelLanes, itemChannels, sum(layer) < LONG_SUM ? 1 : PAIR);
    }

    private static long pixels(Problem problem) {
        return problem.batch() * Grid.points(problem, 0) * Grid.points(problem, 1) * Grid.points(problem, 2);
    }

    private long groups(Problem problem, int pixelLanes) {
        return Grid.tiles(pixels(problem), (long) pixelLanes * ITEM_PIXELS)
                * phases()
                * layer.groups()
                * tilesOfChannels();
    }

    /** A tile of {@code pixelLanes * ITEM_PIXELS} pixels. */
    private final class PhaseTile implements Tile {
        private final int pixelLanes;
        private final int channelLanes;
        private final int itemChannels;
        private final int vector;

        PhaseTile(int pixelLanes, int channelLanes, int itemChannels, int vector) {
            this.pixelLanes = pixelLanes;
            this.channelLanes = channelLanes;
            this.itemChannels = itemChannels;
            this.vector = vector;
        }

        @Override
        public String constants() {
            return new Defines()
                    .with("LANES_PIX", pixelLanes)
                    .with("LANES_OC", channelLanes)
                    .with("ITEM_PIX", ITEM_PIXELS)
                    .with("ITEM_OC", itemChannels)
                    .with("VECTOR_PIX", vector)
                    .toString();
        }

        @Override
        public NdRange range(Problem problem) {
            long tiles = Grid.tiles(pixels(problem), (long) pixelLanes * ITEM_PIXELS);
            return new NdRange(
                    new long[] {pixelLanes * phases() * tiles, tilesOfChannels() * channelLanes * split * layer.groups()
                    },
                    new long[] {pixelLanes, (long) channelLanes * split});
        }
    }
}
