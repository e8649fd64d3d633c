package io.github.tconv.opencl;

import io.github.tconv.op.Axis;
import io.github.tconv.op.Problem;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/**
 * Predicts the cycles that a tile of {@code forward_clane.cl} takes, and finds the best tile. The numbers were fitted on
 * one processor with AVX-512 ({@code native-notes}); the choice only needs their proportions.
 */
final class ChannelLaneCost {
    private static final int MAX_ROWS = 8;
    /** From so many rows on, those at the border of an image no longer matter. */
    private static final int MANY_ROWS = 1024;
    /** Weights of a tile and phase that come from the second-level cache in time; beyond, they come from further. */
    private static final double NEAR_WEIGHT_BYTES = 768 << 10;
    /** Cycles for which the weights of a vector occupy the loads: from near and from far. */
    private static final double NEAR_LOAD = 5;

    private static final double FAR_LOAD = 6.5;
    /** The share of the second-level cache that keeps weights whatever comes between their uses. */
    private static final double KEPT_SHARE = 0.5;
    /** A first use waits as long as so many later ones, but shorter than where all have to. */
    private static final double FIRST_USES = 3;

    private static final double HIDDEN_SHARE = 0.6;
    /** Rows that are not neighbours in memory: of several images, and of one, whose border taps they share less often. */
    private static final double ROWS_OF_IMAGES = 1.04;

    private static final double ROWS_OF_ONE_IMAGE = 1.2;
    /** The latency of a multiply-add over its throughput of one a cycle. */
    private static final int LEAST_ITERATION = 8;
    /** Cycles of a row of taps beside the sums themselves. */
    private static final int TAP_OVERHEAD = 30;
    /** Cycles to store four neighbours of a vector's channels at once, and one alone. */
    private static final double STORE_FOUR = 28;

    private static final double STORE_ONE = 28;

    private final LayerShape layer;
    private final Processor processor;
    private final int vectors;
    private final Problem problem;

    /** A tile of rows by positions, and its price. */
    record Candidate(int rows, int positions, double cycles) {}

    ChannelLaneCost(LayerShape layer, Processor processor, int vectors, Problem problem) {
        this.layer = layer;
        this.processor = processor;
        this.vectors = vectors;
        this.problem = problem;
    }

    /** Returns the cheapest tile. */
    Candidate least() {
        Candidate best = new Candidate(1, 1, Double.POSITIVE_INFINITY);
        for (Candidate candidate : all()) {
            if (candidate.cycles() < best.cycles() * 0.999) {
                best = candidate;
            }
        }
        return best;
    }

    /** Returns tiles whose price is near the cheapest one's, which is the first. */
    List<Candidate> near(double times, int most) {
        Candidate least = least();
        return Stream.concat(
                        Stream.of(least),
                        all().stream()
                                .filter(candidate -> !candidate.equals(least))
                                .sorted(Comparator.comparingDouble(Candidate::cycles)))
                .filter(candidate -> candidate.cycles() <= times * least.cycles())
                .limit(most)
                .toList();
    }

    private List<Candidate> all() {
        long gridRows = Grid.points(problem, 0) * Grid.points(problem, 1) * problem.batch();
        long points = Grid.points(problem, 2);
        // Sums, the weights of one channel and one input value.
        int most = Math.max(1, (processor.registers() - vectors - 1) / vectors);
        double[] widthTaps = new double[(int) Math.min(points, most) + 1];
        for (int positions = 1; positions < widthTaps.length; positions++) {
            widthTaps[positions] = executedAlongRow(positions);
        }
        List<Candidate> all = new ArrayList<>();
        for (int rows = 1; rows <= Math.min(Math.min(MAX_ROWS, gridRows), most); rows++) {
            double rowTaps = executedOverRows(rows, gridRows);
            for (int positions = 1; positions < widthTaps.length && positions * rows <= most; positions++) {
                double cycles = cycles(rows, positions, widthTaps[positions] * rowTaps, gridRows, points);
                all.add(new Candidate(rows, positions, cycles));
            }
        }
        return all;
    }

    private double cycles(int rows, int positions, double executedTaps, long gridRows, long points) {
        int lanes = processor.lanes();
        int sums = rows * positions * vectors;
        double outTiles = layer.groups() * (double) Grid.tiles(layer.oc(), (long) lanes * vectors);
        double weightBytes = (double) Float.BYTES * layer.taps() * layer.ic() * lanes * vectors;
        boolean acrossPhases = weightBytes <= ChannelLaneVariant.CACHED_WEIGHT_BYTES;
        double usedBytes = acrossPhases
                ? weightBytes
                : weightBytes
                        / (layer.depth().stride() * (double) layer.height().stride());
        double loads = (usedBytes > NEAR_WEIGHT_BYTES ? FAR_LOAD : NEAR_LOAD) * vectors;
        int operands = rows * positions + vectors;
        double iteration = Math.max(Math.max(sums, operands), Math.max(loads, LEAST_ITERATION))
                + 0.1 * operands
                + vectors
                        * wait(
                                usedBytes,
                                weightBytes * outTiles,
                                Grid.tiles(points, positions) * Grid.tiles(gridRows, rows));
        double compute = executedTaps * outTiles * ((double) layer.ic() * iteration + 2.0 * sums + TAP_OVERHEAD);

        int run = positions * layer.width().stride();
        double items = Grid.tiles(points, positions)
                * (double) (layer.depth().stride() * layer.height().stride())
                * Grid.tiles(gridRows, rows)
                * outTiles;
        int fours = run / 4;
        double store = items * rows * vectors * (fours * STORE_FOUR + (run - 4 * fours) * STORE_ONE);
        // The last round of work-items leaves threads idle.
        double idle = Math.ceil(items / processor.threads()) * processor.threads() / items;
        double scattered = rows == 1 ? 1 : problem.batch() >= rows ? ROWS_OF_IMAGES : ROWS_OF_ONE_IMAGE;
        return (compute + store) * idle * scattered / processor.threads();
    }

    /**
     * What a vector of weights is waited for where the last cache is far: the more, the less of those of a tile and phase
     * the second-level cache keeps, and by the first of the tiles that use them.
     */
    private double wait(double usedBytes, double allBytes, long uses) {
        if (allBytes <= processor.cacheBytes()) {
            return 0;
        }
        double lost = Math.min(usedBytes / processor.cacheBytes() - KEPT_SHARE, 1);
        double first = Math.min(HIDDEN_SHARE, FIRST_USES / uses);
        return processor.farWait() * Math.max(lost, first);
    }

    /** The taps that the tiles of one row execute over all phases of the width: those with an input position inside. */
    private double executedAlongRow(int positions) {
        Axis width = layer.width();
        long tiles = Grid.tiles(Grid.points(problem, 2), positions);
        double executed = 0;
        for (int k = 0; k < width.kernel(); k++) {
            long offset = offset(width, k);
            // Tile t reads input positions from t * positions + offset on.
            long first = Math.max(0, -Math.floorDiv(offset + positions - 1, positions));
            long end = Math.min(tiles, Math.floorDiv(problem.inputSize(2) - 1 - offset, positions) + 1);
            executed += Math.max(0, end - first);
        }
        return executed;
    }

    /** The taps in depth and height that the tiles of rows execute over all phases: those with any row inside. */
    private double executedOverRows(int rows, long gridRows) {
        Axis depth = layer.depth();
        Axis height = layer.height();
        long tiles = Grid.tiles(gridRows, rows);
        if (gridRows >= MANY_ROWS) {
            return (double) tiles * depth.kernel() * height.kernel();
        }
        long pointsH = Grid.points(problem, 1);
        double executed = 0;
        for (int kd = 0; kd < depth.kernel(); kd++) {
            for (int kh = 0; kh < height.kernel(); kh++) {
                long offsetD = offset(depth, kd);
                long offsetH = offset(height, kh);
                for (long tile = 0; tile < tiles; tile++) {
                    boolean any = false;
                    for (long row = tile * rows; row < Math.min((tile + 1) * rows, gridRows) && !any; row++) {
                        // Rows of a tile are images first; a tile of one row walks over an image.
                        long place = rows > 1 ? row / problem.batch() : row % (gridRows / problem.batch());
                        long id = place / pointsH + offsetD;
                        long ih = place % pointsH + offsetH;
                        any = id >= 0 && id < problem.inputSize(0) && ih >= 0 && ih < problem.inputSize(1);
                    }
                    executed += any ? 1 : 0;
                }
            }
        }
        return executed;
    }

    /** The input position that a tap reads, counted from its grid point. A tap meets one phase only. */
    private static long offset(Axis axis, int k) {
        return -Math.floorDiv((long) k * axis.dilation() - axis.padBegin(), axis.stride());
    }
}
