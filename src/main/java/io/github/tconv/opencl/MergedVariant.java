package io.github.tconv.opencl;

import io.github.tconv.op.Axis;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.util.List;

/**
 * {@code forward_merged.cl}: for GPUs, work-items side by side along the phase grid, each with all phases of the width and
 * height of its points, so that an input element meets every tap once it is read. For few output channels, depthwise
 * layers and short sums. Where few channels share a long sum, several work-items do.
 */
final class MergedVariant implements ForwardVariant {
    /** Work-items of a work-group along the grid: whole waves of every device, which share their weights. */
    private static final int LANES = 64;
    /** Phases and channels that a work-item computes of a grid point. */
    private static final int MOST_POINT_SUMS = 32;

    private static final int MOST_CHANNELS = 8;
    /** Sums of a work-item. */
    private static final int MOST_SUMS = 48;
    /**
     * Sums, weights, and thrice the window of the input (the elements, where they are, whether they exist): with more than
     * this, Intel's compiler spills, which keeps all of them in its 128 registers of 8 floats. Others need far fewer.
     */
    private static final long MOST_VALUES = 160;

    private static final int MOST_POINTS = 4;
    private static final int SPLIT = 4;
    /** Input channels from which on a sum is worth splitting. */
    private static final int LEAST_SPLIT_CHANNELS = 32;
    /** Work-items for each compute unit below which fewer points each make more of them. */
    private static final int ITEMS_PER_UNIT = 256;
    /** Padding further out than any tensor is wide: beyond it the kernel's integers would not do. */
    private static final int MOST_PADDING = 1 << 30;

    private final LayerShape layer;
    private final Gpu gpu;
    private final int channels;
    private final int split;

    /**
     * Fits the tile to a layer.
     *
     * @param layer the layer
     * @param gpu the device
     */
    MergedVariant(LayerShape layer, Gpu gpu) {
        this(layer, gpu, LEAST_SPLIT_CHANNELS);
    }

    /** As above, sharing a sum among work-items from so many input channels on. */
    MergedVariant(LayerShape layer, Gpu gpu, int leastSplitChannels) {
        this.layer = layer;
        this.gpu = gpu;
        long most = Math.max(1, Math.min(MOST_CHANNELS, MOST_POINT_SUMS / phases(layer)));
        this.channels = Math.toIntExact(Grid.tiles(layer.oc(), Grid.tiles(layer.oc(), most)));
        this.split = channels == layer.oc()
                        && layer.ic() >= leastSplitChannels
                        && layer.ic() % SPLIT == 0
                        && LANES * SPLIT <= gpu.groupItems()
                        && localBytes(SPLIT) <= gpu.localBytes()
                ? SPLIT
                : 1;
    }

    /** Tells whether the kernel can compute a layer on such a device. */
    static boolean fits(LayerShape layer, Gpu gpu) {
        if (phases(layer) > MOST_POINT_SUMS
                || !isNear(layer.height())
                || !isNear(layer.width())
                || LANES > gpu.groupItems()) {
            return false;
        }
        MergedVariant variant = new MergedVariant(layer, gpu);
        return variant.values(1) <= MOST_VALUES && variant.packedFloats() <= Tensor.MAX_ELEMENTS;
    }

    private static boolean isNear(Axis axis) {
        return Math.abs((long) axis.padBegin()) <= MOST_PADDING && LayerShape.span(axis, axis.kernel()) < MOST_VALUES;
    }

    private static long phases(LayerShape layer) {
        return (long) layer.height().stride() * layer.width().stride();
    }

    private long localBytes(int parts) {
        return (long) Float.BYTES * parts * LANES * channels * phases(layer);
    }

    private long window(int points) {
        long height = LayerShape.span(layer.height(), layer.height().kernel()) + points;
        return height * (LayerShape.span(layer.width(), layer.width().kernel()) + 1);
    }

    /** The weights of one input channel. */
    private long weights() {
        return (long) layer.height().kernel() * layer.width().kernel() * channels;
    }

    private long sums(int points) {
        return points * phases(layer) * channels;
    }

    private long values(int points) {
        return sums(points) + weights() + 3 * window(points);
    }

    private long tilesOfChannels() {
        return Grid.tiles(layer.oc(), channels);
    }

    @Override
    public String name() {
        return "merged";
    }

    @Override
    public List<String> sources() {
        return List.of("common", "forward_merged");
    }

    @Override
    public String constants() {
        return new Defines()
                .with("LANES", LANES)
                .with("MERGED_OC", channels)
                .with("SPLIT", split)
                .toString();
    }

    @Override
    public long packedFloats() {
        int quad = 4;
        return layer.groups()
                * tilesOfChannels()
                * layer.depth().kernel()
                * layer.ic()
                * Grid.tiles(weights(), quad)
                * quad;
    }

    @Override
    public Tile tileFor(Problem problem) {
        int points = MOST_POINTS;
        while (points > 1
                && (sums(points) > MOST_SUMS
                        || values(points) > MOST_VALUES
                        || points >= 2 * Grid.points(problem, 1)
                        || items(problem, points) < (long) ITEMS_PER_UNIT * gpu.units())) {
            points /= 2;
        }
        return new PointTile(points);
    }

    private long items(Problem problem, int points) {
        long[] global = new PointTile(points).range(problem).global();
        return global[0] * global[1] * global[2];
    }

    /** Some grid points, one below the other. */
    private final class PointTile implements Tile {
        private final int points;

        PointTile(int points) {
            this.points = points;
        }

        @Override
        public String constants() {
            return new Defines().with("POINTS", points).toString();
        }

        @Override
        public NdRange range(Problem problem) {
            long grid = Grid.tiles(Grid.points(problem, 1), points) * Grid.points(problem, 2);
            return new NdRange(
                    new long[] {
                        LANES * Grid.tiles(grid, LANES),
                        (long) split * problem.outputSize(0),
                        tilesOfChannels() * problem.batch() * layer.groups()
                    },
                    new long[] {LANES, split, 1});
        }
    }
}
