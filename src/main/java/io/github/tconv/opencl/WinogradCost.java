package io.github.tconv.opencl;

import io.github.tconv.op.Axis;
import io.github.tconv.op.Problem;
import io.github.tconv.op.TransposedConvolution;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Predicts the cycles that a tile of {@code forward_winograd.cl} takes, and finds the best one. The numbers were fitted
 * on one processor with AVX-512 ({@code native-notes}); the choice only needs their proportions.
 */
final class WinogradCost {
    /** What a win over channel-lane must be, as the prediction is not better than that. */
    private static final double MARGIN = 1.15;
    /** The share of the second-level cache that private memory may take, so that it leaves room for weights. */
    private static final double NEAR_SHARE = 0.28;
    /** Tiles of a work-item beyond which nothing more is gained, and where registers are half empty. */
    private static final int MOST_TILES = 48;

    private static final int MOST_THIN_TILES = 12;

    private static final int MOST_OUT_CHUNK = 4;
    /** Images of a usual problem, and the elements that its tensors should not exceed. */
    private static final int USUAL_BATCH = 4;

    private static final double LARGE = 0x1p26;
    /** Cycles for which the weights of a vector occupy the loads when they come from the last cache. */
    private static final double FAR_LOAD = 5.5;
    /** How many times as long weights take that come from memory, since they are beyond the size of the last cache. */
    private static final double MEMORY_TIMES = 1.45;

    private static final double MEMORY_WAIT = 2;

    /** Cycles for which a weight occupies the memory of all threads. */
    private static final double FROM_MEMORY = 0.5;
    /** The latency of a multiply-add over its throughput of one a cycle, and what weights from afar wait for. */
    private static final int LEAST_ITERATION = 12;
    /** Input channels whose products are summed on their own, and the cycles that each such sum adds. */
    private static final int PART = 32;

    private static final int PART_OVERHEAD = 20;
    /** Cycles to transform a vector of inputs to one point, and one of products back from it. */
    private static final double TRANSFORM = 10;

    private static final double BACK = 4;
    /** Cycles to store a position of a vector's channels. */
    private static final double STORE = 20;

    private final WinogradVariant variant;
    private final LayerShape layer;
    private final Processor processor;
    private final int vectors;
    private final Problem problem;

    /** A tile of a variant, and its price. */
    record Candidate(WinogradVariant variant, ForwardVariant.Tile tile, double cycles) {}

    WinogradCost(WinogradVariant variant, LayerShape layer, Processor processor, int vectors, Problem problem) {
        this.variant = variant;
        this.layer = layer;
        this.processor = processor;
        this.vectors = vectors;
        this.problem = problem;
    }

    /**
     * Whether a layer takes this variant: whether it wins on a problem as networks have it, whose maps grow as their
     * channels become fewer. Not on a certain problem, as the choice decides the bits.
     */
    static boolean wins(TransposedConvolution rank3, Processor processor) {
        Optional<Problem> usual = usual(rank3);
        return usual.isPresent() && wins(usual.get(), processor);
    }

    private static boolean wins(Problem usual, Processor processor) {
        LayerShape layer = LayerShape.of(usual.layer());
        double direct = Double.POSITIVE_INFINITY;
        // Weights that come from memory are counted below, for both.
        Processor near = processor.withNearCache();
        for (int vectors = 1; vectors <= mostVectors(layer, processor); vectors++) {
            direct = Math.min(
                    direct,
                    new ChannelLaneCost(layer, near, vectors, usual).least().cycles());
        }
        Candidate reduced = least(usual, processor);
        double weights = (double) layer.groups() * layer.oc() * layer.ic() * layer.taps();
        // More weights than multiplications are saved come from memory where maps are small.
        direct += weights * FROM_MEMORY / processor.threads();
        double cycles = reduced.cycles() + reduced.variant().packedFloats() * FROM_MEMORY / processor.threads();
        return cycles * MARGIN <= direct;
    }

    /**
     * Four images whose side times channels are those of the common networks, 16 by 16 of 256, 64 by 64 of 64, and as
     * many positions on one axis or three; fewer where tensors would be large. None where padding alone makes them so.
     */
    static Optional<Problem> usual(TransposedConvolution rank3) {
        double positions = Math.pow(Math.max(4, Math.min(64, 4096 / rank3.inChannels())), 2);
        long axes = rank3.axes().stream().filter(axis -> axis.kernel() > 1).count();
        int side = (int) Math.round(Math.pow(positions, 1.0 / axes));
        int[] sizes = sizes(rank3, side);
        while (side > 1 && elements(rank3, sizes) > LARGE) {
            side /= 2;
            sizes = sizes(rank3, side);
        }
        return elements(rank3, sizes) > LARGE ? Optional.empty() : Optional.of(rank3.problem(USUAL_BATCH, sizes));
    }

    private static int[] sizes(TransposedConvolution rank3, int side) {
        // As much again as padding takes away, so that there is an output.
        return rank3.axes().stream()
                .mapToInt(axis ->
                        (axis.kernel() > 1 ? side : 1) + Math.max(0, axis.padBegin() + axis.padEnd()) / axis.stride())
                .toArray();
    }

    private static double elements(TransposedConvolution rank3, int[] sizes) {
        double elements = (double) USUAL_BATCH * Math.max(rank3.inChannels(), rank3.outChannels());
        for (int a = 0; a < sizes.length; a++) {
            elements *= (double) sizes[a] * rank3.axes().get(a).stride();
        }
        return elements;
    }

    /** The cheapest tile of the cheapest variant. */
    static Candidate least(Problem problem, Processor processor) {
        LayerShape layer = LayerShape.of(problem.layer());
        Candidate best = null;
        for (int vectors = 1; vectors <= mostVectors(layer, processor); vectors++) {
            WinogradVariant variant = new WinogradVariant(layer, processor, vectors);
            if (variant.fits()) {
                Candidate candidate = new WinogradCost(variant, layer, processor, vectors, problem).least();
                best = best == null || candidate.cycles() < best.cycles() ? candidate : best;
            }
        }
        if (best == null) {
            throw new IllegalArgumentException("the layer must fit the variant: " + problem.layer());
        }
        return best;
    }

    static int mostVectors(LayerShape layer, Processor processor) {
        // More vectors leave too few tiles in registers for a weight's load.
        return (int) Math.min(4, Grid.tiles(layer.oc(), processor.lanes()));
    }

    /** Returns the cheapest tile. */
    Candidate least() {
        return leastOf(all());
    }

    private static Candidate leastOf(List<Candidate> all) {
        Candidate best = all.get(0);
        for (Candidate candidate : all) {
            if (candidate.cycles() < best.cycles() * 0.999) {
                best = candidate;
            }
        }
        return best;
    }

    /** Returns tiles whose price is near the cheapest one's, which is the first. */
    List<Candidate> near(double times, int most) {
        List<Candidate> all = all();
        Candidate least = leastOf(all);
        return Stream.concat(
                        Stream.of(least),
                        all.stream()
                                .filter(candidate -> !candidate.equals(least))
                                .sorted(Comparator.comparingDouble(Candidate::cycles)))
                .filter(candidate -> candidate.cycles() <= times * least.cycles())
                .limit(most)
                .toList();
    }

    /** All tiles of which a work-item's memory is near, and the smallest one. */
    private List<Candidate> all() {
        long outTiles = outTiles();
        List<Candidate> all = new ArrayList<>();
        all.add(new Candidate(variant, variant.tile(1, 1, 1), cycles(1, 1, 1, outTiles)));
        int most = Math.max(1, (processor.registers() - 1 - vectors) / vectors);
        double near = NEAR_SHARE * processor.cacheBytes();
        for (int inRegisters = 1; inRegisters <= most; inRegisters++) {
            int mostTiles = Math.max(2 * inRegisters < most ? MOST_THIN_TILES : MOST_TILES, inRegisters);
            for (int tiles = inRegisters; tiles <= mostTiles; tiles += inRegisters) {
                for (int outChunk = 1; outChunk <= Math.min(outTiles, MOST_OUT_CHUNK); outChunk++) {
                    boolean smallest = inRegisters * tiles * outChunk == 1;
                    if (!smallest && variant.privateBytes(inRegisters, tiles, outChunk) <= near) {
                        all.add(new Candidate(
                                variant,
                                variant.tile(inRegisters, tiles, outChunk),
                                cycles(inRegisters, tiles, outChunk, outTiles)));
                    }
                }
            }
        }
        return all;
    }

    private long outTiles() {
        return Grid.tiles(layer.oc(), (long) processor.lanes() * vectors);
    }

    private double cycles(int inRegisters, int tiles, int outChunk, long outTiles) {
        long chunks = Grid.tiles(outTiles, outChunk);
        long images = problem.batch() * Grid.points(problem, 0);
        double cycles = 0;
        double items = 0;
        for (boolean shortH : new boolean[] {false, true}) {
            for (boolean shortW : new boolean[] {false, true}) {
                long ofKind = images * tiles(1, shortH) * tiles(2, shortW);
                long whole = ofKind / tiles;
                long groups = whole * (tiles / inRegisters) + Grid.tiles(ofKind - whole * tiles, inRegisters);
                double kindItems = Grid.tiles(ofKind, tiles);
                items += kindItems;
                if (ofKind > 0) {
                    double points = points(layer.height(), shortH) * points(layer.width(), shortW);
                    double outputs = (double) outputs(layer.height(), shortH) * outputs(layer.width(), shortW) * ofKind;
                    cycles += ofPoints(inRegisters, groups, groups / kindItems, outTiles, chunks)
                            * points
                            * layer.depth().kernel();
                    cycles += (ofKind * points * BACK * layer.depth().stride()
                                    + outputs * rowPhases() * layer.width().stride() * STORE)
                            * vectors
                            * outTiles;
                }
            }
        }
        items *= rowPhases() * chunks * layer.groups();
        // The last round of work-items leaves threads idle.
        double idle = Math.ceil(items / processor.threads()) * processor.threads() / items;
        return cycles * layer.groups() * idle / processor.threads();
    }

    /** Transforming the inputs of some register tiles to one point, and adding their products. */
    private double ofPoints(int inRegisters, long groups, double reuse, long outTiles, long chunks) {
        int sums = inRegisters * vectors;
        int operands = inRegisters + vectors;
        boolean cached = (double) variant.packedFloats() * Float.BYTES <= Processor.LAST_CACHE_BYTES;
        double shared = (cached ? 1 : MEMORY_TIMES) / reuse;
        double loads = vectors * Math.max(1, FAR_LOAD * shared);
        double iteration = Math.max(Math.max(sums, operands), Math.max(loads, LEAST_ITERATION))
                + 0.1 * operands
                + vectors * processor.farWait() * (cached ? 1 : MEMORY_WAIT) / reuse;
        double products = layer.ic() * iteration + Grid.tiles(layer.ic(), PART) * (3.0 * sums + PART_OVERHEAD);
        double transform = (double) inRegisters * Grid.tiles(layer.ic(), processor.lanes()) * TRANSFORM;
        return groups * (products * outTiles + transform * chunks);
    }

    private double rowPhases() {
        return (double) layer.depth().stride() * layer.height().stride();
    }

    private long tiles(int axis, boolean shorter) {
        Axis of = axis == 1 ? layer.height() : layer.width();
        long outputs = Grid.points(problem, axis);
        return shorter ? WinogradVariant.shortTiles(of, outputs) : WinogradVariant.fullTiles(of, outputs);
    }

    private static int outputs(Axis axis, boolean shorter) {
        return shorter ? WinogradVariant.SHORT_TILE : WinogradVariant.fullTile(axis);
    }

    /** The products of a tile on one axis, in all phases. */
    private static double points(Axis axis, boolean shorter) {
        int stride = axis.stride();
        int phasesWithTaps = Math.min(stride, axis.kernel());
        return axis.kernel() + (double) phasesWithTaps * (outputs(axis, shorter) - 1);
    }
}
