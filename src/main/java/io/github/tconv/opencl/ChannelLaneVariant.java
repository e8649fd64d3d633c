package io.github.tconv.opencl;

import io.github.tconv.op.Problem;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * {@code forward_clane.cl}: the lanes of a vector are output channels, and a tile is some positions of some rows. For
 * long sums into at least a vector of channels. The input is staged once, channels innermost.
 */
final class ChannelLaneVariant implements ForwardVariant {
    /** Weights that stay in the second-level cache while all phases of a tile are computed. */
    static final int CACHED_WEIGHT_BYTES = 512 << 10;

    /** How far the model may be off: tiles up to so many times its best are worth measuring. */
    private static final double NEAR_COST = 1.3;

    private static final int MOST_TILES = 6;
    /** With more vectors of channels too few positions fit the registers to use a weight often. */
    private static final int MOST_VECTORS = 6;

    private final LayerShape layer;
    private final Processor processor;
    private final int vectors;

    /**
     * Fixes the packed weight.
     *
     * @param vectors vectors of output channels in a tile
     */
    ChannelLaneVariant(LayerShape layer, Processor processor, int vectors) {
        this.layer = layer;
        this.processor = processor;
        this.vectors = vectors;
    }

    /** The variant whose packed weight suits a problem best. */
    static ChannelLaneVariant suiting(Problem problem, Processor processor) {
        LayerShape layer = LayerShape.of(problem.layer());
        int most = (int) Math.min(processor.accumulators(), Grid.tiles(layer.oc(), processor.lanes()));
        ChannelLaneVariant best = new ChannelLaneVariant(layer, processor, 1);
        double least = new ChannelLaneCost(layer, processor, 1, problem).least().cycles();
        for (int vectors = 2; vectors <= most; vectors++) {
            double cycles = new ChannelLaneCost(layer, processor, vectors, problem)
                    .least()
                    .cycles();
            if (cycles < least) {
                least = cycles;
                best = new ChannelLaneVariant(layer, processor, vectors);
            }
        }
        return best;
    }

    /** Variants that may be faster than the one that suits best by the model, which is the first. */
    static List<ChannelLaneVariant> candidates(Problem problem, Processor processor) {
        LayerShape layer = LayerShape.of(problem.layer());
        ChannelLaneVariant suiting = suiting(problem, processor);
        long most = Math.min(MOST_VECTORS, Grid.tiles(layer.oc(), processor.lanes()));
        return Stream.concat(
                        Stream.of(suiting),
                        IntStream.rangeClosed(1, (int) most)
                                .filter(vectors -> vectors != suiting.vectors)
                                .mapToObj(vectors -> new ChannelLaneVariant(layer, processor, vectors)))
                .toList();
    }

    @Override
    public String name() {
        return "clane";
    }

    @Override
    public List<String> sources() {
        return List.of("common", "transpose", "channels", "forward_clane");
    }

    @Override
    public String constants() {
        return new Defines()
                .with("LANES", processor.lanes())
                .with("V", vectors)
                .with("PREFETCH", processor.prefetches())
                .toString();
    }

    private long outTiles() {
        return layer.groups() * Grid.tiles(layer.oc(), tileChannels());
    }

    @Override
    public long packedFloats() {
        return outTiles() * tileChannels() * layer.taps() * layer.ic();
    }

    @Override
    public NdRange packRange() {
        return NdRange.exactly(layer.ic(), outTiles());
    }

    @Override
    public NdRange packRange(int channels) {
        return NdRange.exactly(layer.ic(), Grid.tiles(channels, tileChannels()));
    }

    private int tileChannels() {
        return processor.lanes() * vectors;
    }

    @Override
    public Tile tileFor(Problem problem) {
        ChannelLaneCost.Candidate best = new ChannelLaneCost(layer, processor, vectors, problem).least();
        return tile(best.rows(), best.positions());
    }

    @Override
    public List<Tile> tiles(Problem problem) {
        return new ChannelLaneCost(layer, processor, vectors, problem)
                .near(NEAR_COST, MOST_TILES).stream()
                        .map(candidate -> tile(candidate.rows(), candidate.positions()))
                        .toList();
    }

    /** A tile of some positions of some rows. */
    Tile tile(int rows, int positions) {
        return new ChannelTile(rows, positions);
    }

    private final class ChannelTile implements Tile {
        /** The private tile holds all phases of the width as long as it fits the first-level cache. */
        private static final int TILE_BYTES = 32 << 10;

        private final int rows;
        private final int positions;
        private final int phases;

        ChannelTile(int rows, int positions) {
            this.rows = rows;
            this.positions = positions;
            long allPhases = (long) layer.width().stride() * positions * rows * vectors * processor.lanes();
            this.phases =
                    allPhases * Float.BYTES > TILE_BYTES ? 1 : layer.width().stride();
        }

        @Override
        public String constants() {
            long weightBytes = layer.taps() * layer.ic() * processor.lanes() * vectors * Float.BYTES;
            return new Defines()
                    .with("ROWS", rows)
                    .with("P", positions)
                    .with("PHASES", phases)
                    .with("PHASE_FASTEST", weightBytes <= CACHED_WEIGHT_BYTES)
                    .toString();
        }

        @Override
        public long stagedFloats(Problem problem) {
            return ChannelStaging.floats(problem, stagedWidth(problem));
        }

        private long stagedWidth(Problem problem) {
            return positions == 1
                    ? problem.inputSize(2)
                    : Grid.tiles(Grid.points(problem, 2), positions) * positions + ChannelStaging.reach(layer.width());
        }

        @Override
        public NdRange stageRange(Problem problem) {
            return ChannelStaging.range(problem);
        }

        @Override
        public NdRange range(Problem problem) {
            long gridRows = Grid.points(problem, 0) * Grid.points(problem, 1) * problem.batch();
            long rowPhases = (long) layer.depth().stride()
                    * layer.height().stride()
                    * (layer.width().stride() / phases);
            return NdRange.exactly(
                    Grid.tiles(Grid.points(problem, 2), positions), rowPhases * Grid.tiles(gridRows, rows), outTiles());
        }

        @Override
        public int blockChannels(Problem problem) {
            return tileChannels();
        }
    }
}
