package io.github.tconv.opencl;

import io.github.tconv.op.Axis;
import io.github.tconv.op.Problem;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * {@code forward_phaselane.cl}: the lanes of a vector are neighbouring phases of the row. For strides of at least a
 * vector.
 */
final class PhaseLaneVariant implements ForwardVariant {
    /** Local memory of a patch that stays near. */
    private static final long NEAR_PATCH_BYTES = 24 << 10;

    private final LayerShape layer;
    private final Processor processor;
    private final int outTile;

    /**
     * Fixes the packed weight.
     *
     * @param outTile output channels of a register tile
     */
    PhaseLaneVariant(LayerShape layer, Processor processor, int outTile) {
        this.layer = layer;
        this.processor = processor;
        this.outTile = outTile;
    }

    /** The variant whose packed weight suits a problem best. */
    static PhaseLaneVariant suiting(Problem problem, Processor processor) {
        LayerShape layer = LayerShape.of(problem.layer());
        int points = new PhaseLaneVariant(layer, processor, 1).pointsFor(problem);
        int most = Math.max(1, Math.min(layer.oc(), processor.accumulators() * 6 / 7 / points));
        return new PhaseLaneVariant(layer, processor, even(layer.oc(), most));
    }

    /** Variants that may be faster than the one that suits best by the rule, which is the first. */
    static List<PhaseLaneVariant> candidates(Problem problem, Processor processor) {
        LayerShape layer = LayerShape.of(problem.layer());
        if (layer.width().stride() < processor.lanes() || !fits(layer, processor)) {
            return List.of();
        }
        PhaseLaneVariant suiting = suiting(problem, processor);
        return Stream.concat(
                        Stream.of(suiting),
                        IntStream.rangeClosed(1, Math.min(layer.oc(), 4))
                                .filter(outTile -> outTile != suiting.outTile)
                                .mapToObj(outTile -> new PhaseLaneVariant(layer, processor, outTile)))
                .toList();
    }

    /** The share of each where a count is cut into as few equal shares as a limit allows. */
    private static int even(long count, long most) {
        return (int) Grid.tiles(count, Grid.tiles(count, most));
    }

    @Override
    public String name() {
        return "phaselane";
    }

    @Override
    public List<String> sources() {
        return List.of("common", "lanes", "forward_phaselane");
    }

    @Override
    public String constants() {
        return new Defines()
                .with("LANES", processor.lanes())
                .with("MR", outTile)
                .with("SLOTS", slots())
                .toString();
    }

    @Override
    public long packedFloats() {
        return layer.groups() * packedFloats(layer.oc());
    }

    /** Of the first channels of a group. */
    private long packedFloats(long channels) {
        return Grid.tiles(channels, outTile)
                * outTile
                * layer.ic()
                * layer.depth().kernel()
                * layer.height().kernel()
                * Grid.tiles(layer.width().stride(), processor.lanes())
                * slots()
                * processor.lanes();
    }

    @Override
    public NdRange packRange() {
        return NdRange.exactly(packedFloats() / processor.lanes());
    }

    @Override
    public NdRange packRange(int channels) {
        return NdRange.exactly(packedFloats(channels) / processor.lanes());
    }

    /** How far the output is shifted so that a block of phases begins where a tap does, as OFFSET in the kernel. */
    private int offset() {
        return Math.floorMod(layer.width().padBegin(), processor.lanes());
    }

    /** The most grid points that the taps of a block of phases come from, as SLOTS in the kernel. */
    private long slots() {
        Axis width = layer.width();
        long extent = width.extent() - 1;
        long shiftedPad = (long) width.padBegin() - offset();
        long most = 1;
        for (long first = 0; first < width.stride(); first += processor.lanes()) {
            long last = Math.floorDiv(extent - first - shiftedPad, width.stride());
            long earliest = -Math.floorDiv(first + processor.lanes() - 1 + shiftedPad, width.stride());
            most = Math.max(most, last - earliest + 1);
        }
        return most;
    }

    private long gridPoints(Problem problem) {
        return Grid.tiles((long) problem.outputSize(2) + offset(), layer.width().stride());
    }

    private int pointsFor(Problem problem) {
        return even(gridPoints(problem), processor.accumulators() * 4L / 7);
    }

    @Override
    public PhaseTile tileFor(Problem problem) {
        int most = Math.max(1, processor.accumulators() / outTile);
        int points = even(gridPoints(problem), Math.min(most, processor.accumulators() * 4L / 7));
        PhaseTile tile = new PhaseTile(points, (int) Math.min(4, Grid.points(problem, 1)), (int)
                Math.min(8, (long) layer.depth().stride() * layer.height().stride()));
        while (tile.rows > 1 && tile.patchBytes() > NEAR_PATCH_BYTES) {
            tile = new PhaseTile(points, tile.rows - 1, tile.phases);
        }
        while (tile.phases > 1 && tile.items(problem) < 16L * processor.threads()) {
            tile = new PhaseTile(points, tile.rows, (tile.phases + 1) / 2);
        }
        return tile;
    }

    @Override
    public List<Tile> tiles(Problem problem) {
        PhaseTile first = tileFor(problem);
        Map<String, Tile> tiles = new LinkedHashMap<>();
        tiles.put(first.constants(), first);
        int most = (int) Math.min(gridPoints(problem), Math.max(1, processor.accumulators() / outTile));
        Stream.of(
                        new PhaseTile(Math.min(most, first.points + 1), first.rows, first.phases),
                        new PhaseTile((first.points + 1) / 2, first.rows, first.phases),
                        new PhaseTile(first.points, (first.rows + 1) / 2, first.phases),
                        new PhaseTile(first.points, first.rows, (first.phases + 1) / 2))
                .forEach(tile -> tiles.putIfAbsent(tile.constants(), tile));
        return List.copyOf(tiles.values());
    }

    /** Whether the patch of the smallest tile fits local memory. */
    static boolean fits(LayerShape layer, Processor processor) {
        PhaseLaneVariant variant = new PhaseLaneVariant(layer, processor, 1);
        return variant.new PhaseTile(processor.accumulators(), 1, 1).patchBytes() <= processor.localBytes() / 2;
    }

    /** A tile of certain sizes, for whoever knows better than the rule. */
    Tile tile(int points, int rows, int phases) {
        return new PhaseTile(points, rows, phases);
    }

    private final class PhaseTile implements Tile {
        private final int points;
        private final int rows;
        private final int phases;

        /**
         * Cuts the work.
         *
         * @param points grid points of a register tile
         * @param rows rows of the phase grid of a work-item
         * @param phases phases of depth and height of a work-item
         */
        PhaseTile(int points, int rows, int phases) {
            this.points = points;
            this.rows = rows;
            this.phases = phases;
        }

        private long patchBytes() {
            long lanes = processor.lanes();
            return (1 + LayerShape.span(layer.depth(), layer.depth().kernel()))
                    * (rows + LayerShape.span(layer.height(), layer.height().kernel()))
                    * Grid.tiles(
                            points
                                    + LayerShape.span(
                                            layer.width(), layer.width().kernel())
                                    + 1,
                            lanes)
                    * lanes
                    * layer.ic()
                    * Float.BYTES;
        }

        private long items(Problem problem) {
            long[] global = range(problem).global();
            return global[0] * global[1] * global[2];
        }

        @Override
        public String constants() {
            return new Defines()
                    .with("QT", points)
                    .with("RY", rows)
                    .with("PHASE_CHUNK", phases)
                    .toString();
        }

        @Override
        public NdRange range(Problem problem) {
            long rowPhases = (long) layer.depth().stride() * layer.height().stride();
            return NdRange.exactly(
                    Grid.tiles(gridPoints(problem), points),
                    Grid.points(problem, 0) * Grid.tiles(Grid.points(problem, 1), rows),
                    (long) problem.batch()
                            * layer.groups()
                            * Grid.tiles(layer.oc(), outTile)
                            * Grid.tiles(rowPhases, phases));
        }

        /** The axis counts the tiles of an image before the next image. */
        @Override
        public int blockChannels(Problem problem) {
            return problem.batch() == 1 ? outTile : 0;
        }
    }
}
