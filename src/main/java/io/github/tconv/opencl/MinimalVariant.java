package io.github.tconv.opencl;

import io.github.tconv.op.Axis;
import io.github.tconv.op.Problem;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/**
 * {@code forward_minimal.cl}: two neighbours of a phase from three products instead of four, Winograd's F(2, 2), along
 * the axes whose kernel is twice their stride. For few output channels and at least a short sum: the products of a tile
 * wait in local memory, and the input is read as it lies.
 */
final class MinimalVariant implements ForwardVariant {
    /** Fewest and most input channels whose products are summed on their own, for the error's sake. */
    private static final int FEWEST_SUMMED = 8;

    private static final int MOST_SUMMED = 32;
    /** The share of local memory, which is the second-level cache, that a work-item may fill. */
    private static final double LOCAL_SHARE = 0.6;

    /** The widest and highest tiles that are considered. */
    private static final int MOST_PAIRS = 512;

    private static final int MOST_ROWS = 64;

    private final LayerShape layer;
    private final Processor processor;
    private final int outChunk;
    private final int products;
    private final int inBlock;

    /**
     * Fixes the packed weight and the order of additions.
     *
     * @param outChunk output channels of a work-item
     * @param products products of a register tile: of channels and phases
     * @param inBlock input channels that are staged at once
     */
    MinimalVariant(LayerShape layer, Processor processor, int outChunk, int products, int inBlock) {
        this.layer = layer;
        this.processor = processor;
        this.outChunk = outChunk;
        this.products = products;
        this.inBlock = inBlock;
    }

    private MinimalVariant(LayerShape layer, Processor processor, int outChunk, int products) {
        this(layer, processor, outChunk, products, share(layer.ic(), Grid.tiles(layer.ic(), summed(layer))));
    }

    /**
     * Input channels of a block; it decides the order of additions. An output adds two components' sums for each axis,
     * whose squared errors add up, so that a sum of a share of the channels is about as good as a matrix product's of all.
     */
    private static int summed(LayerShape layer) {
        int components = filtersBoth(layer) ? 4 : 2;
        return Math.max(FEWEST_SUMMED, Math.min(MOST_SUMMED, layer.ic() / components));
    }

    /** Whether the variant computes a layer at all, and local memory holds the smallest tile. */
    static boolean fits(LayerShape layer, Processor processor) {
        MinimalVariant smallest = new MinimalVariant(layer, processor, 1, 1);
        return halves(layer.width()) && smallest.tile(1, 1, 1).localBytes() <= processor.localBytes();
    }

    /** Whether the variant filters both axes of a layer minimally. */
    static boolean filtersBoth(LayerShape layer) {
        return halves(layer.height()) && halves(layer.width());
    }

    /** Whether it filters every axis of a layer of which a phase has several taps, other than the depth. */
    static boolean filtersEvery(LayerShape layer) {
        Axis height = layer.height();
        return halves(layer.width()) && (halves(height) || height.kernel() <= height.stride());
    }

    /** Whether each phase of an axis has two taps, of neighbours. */
    private static boolean halves(Axis axis) {
        return axis.kernel() == 2 * axis.stride() && axis.dilation() == 1;
    }

    /** The variant whose packed weight suits a problem best. */
    static MinimalVariant suiting(Problem problem, Processor processor) {
        LayerShape layer = LayerShape.of(problem.layer());
        MinimalVariant best = new MinimalVariant(layer, processor, 1, 1);
        double least = Double.POSITIVE_INFINITY;
        for (int outChunk : shares(layer.oc(), layer.oc())) {
            int all = new MinimalVariant(layer, processor, outChunk, 1).allProducts();
            for (int products = 1; products <= Math.min(all, processor.accumulators() / 2); products++) {
                MinimalVariant variant = new MinimalVariant(layer, processor, outChunk, products);
                double cycles = variant.best(problem).cycles(problem);
                if (cycles < least) {
                    least = cycles;
                    best = variant;
                }
            }
        }
        return best;
    }

    /** Variants that may be faster than the one that suits best by the model, which is the first. */
    static List<MinimalVariant> candidates(Problem problem, Processor processor) {
        LayerShape layer = LayerShape.of(problem.layer());
        if (!fits(layer, processor)) {
            return List.of();
        }
        MinimalVariant suiting = suiting(problem, processor);
        List<MinimalVariant> candidates = new ArrayList<>(List.of(suiting));
        for (int outChunk : IntStream.of(suiting.outChunk, 2 * suiting.outChunk, (suiting.outChunk + 1) / 2)
                .distinct()
                .toArray()) {
            for (int products = 4; products <= processor.accumulators() / 2; products += 2) {
                MinimalVariant variant = new MinimalVariant(layer, processor, outChunk, products);
                boolean sensible = outChunk <= layer.oc() && products <= variant.allProducts();
                boolean known = outChunk == suiting.outChunk && products == suiting.products;
                if (sensible && !known) {
                    candidates.add(variant);
                }
            }
        }
        return List.copyOf(candidates);
    }

    /** The largest of a number of nearly equal shares. */
    private static int share(long count, long shares) {
        return (int) Grid.tiles(count, shares);
    }

    private boolean minimalHeight() {
        return halves(layer.height());
    }

    /** Grid rows that are taken together. */
    private int rowsApart() {
        return minimalHeight() ? 2 : 1;
    }

    private int rowParts() {
        return minimalHeight() ? 3 : layer.height().kernel();
    }

    /** Products of a work-item in a component: output channels by phases. */
    private int allProducts() {
        return outChunk
                * (minimalHeight() ? layer.height().stride() : 1)
                * layer.width().stride();
    }

    private int productTiles() {
        return share(allProducts(), products);
    }

    @Override
    public String name() {
        return "minimal";
    }

    @Override
    public List<String> sources() {
        return List.of("common", "lanes", "forward_minimal");
    }

    @Override
    public String constants() {
        return new Defines()
                .with("LANES", processor.lanes())
                .with("MINIMAL_H", minimalHeight())
                .with("OC_CHUNK", outChunk)
                .with("MP", products)
                .with("IC_BLOCK", inBlock)
                .with("PREFETCH", processor.prefetches())
                .with("SHUFFLE", 1)
                .toString();
    }

    @Override
    public long packedFloats() {
        return (long) layer.groups()
                * Grid.tiles(layer.oc(), outChunk)
                * layer.depth().kernel()
                * rowParts()
                * 3
                * productTiles()
                * layer.ic()
                * products;
    }

    @Override
    public NdRange packRange() {
        return NdRange.exactly(
                layer.ic(), layer.depth().kernel(), (long) layer.groups() * Grid.tiles(layer.oc(), outChunk));
    }

    @Override
    public NdRange packRange(int channels) {
        return NdRange.exactly(layer.ic(), layer.depth().kernel(), Grid.tiles(channels, outChunk));
    }

    /**
     * As for Winograd's kernels, whose F(2, 2) this is: each of the n = ic * kd terms of a product's sum passes through at
     * most n roundings there, and through 6 more on either axis. On an axis filtered minimally a = 4: two products, one of
     * an element and two taps, one of two elements and a tap. An axis that is not adds its taps as they are, at most kh.
     */
    @Override
    public double errorGrowth() {
        double width = 4.0 / layer.width().kernel();
        return minimalHeight() ? width * 4 / layer.height().kernel() : width;
    }

    private long gridPairs(Problem problem) {
        return Grid.tiles(Grid.points(problem, 2), 2);
    }

    private long gridRows(Problem problem) {
        return Grid.tiles(Grid.points(problem, 1), rowsApart());
    }

    @Override
    public Tile tileFor(Problem problem) {
        return best(problem);
    }

    /** The local memory of the tile that suits a problem. */
    long localBytes(Problem problem) {
        return best(problem).localBytes();
    }

    @Override
    public List<Tile> tiles(Problem problem) {
        MinimalTile first = best(problem);
        return Stream.of(
                        first,
                        tile(first.vectors, first.pairs, 2 * first.rows),
                        tile(first.vectors, first.pairs, (first.rows + 1) / 2),
                        tile(first.vectors, 2 * first.pairs, first.rows),
                        tile(first.vectors, (first.pairs + 1) / 2, first.rows),
                        tile(first.vectors + 1, first.pairs, first.rows),
                        tile(Math.max(1, first.vectors - 1), first.pairs, first.rows))
                .filter(tile -> tile == first || tile.isSensible(problem))
                .collect(Collectors.toMap(MinimalTile::constants, Tile.class::cast, (a, b) -> a, LinkedHashMap::new))
                .values()
                .stream()
                .toList();
    }

    private MinimalTile best(Problem problem) {
        int[] widths = shares(gridPairs(problem), MOST_PAIRS);
        int[] heights = shares(gridRows(problem), MOST_ROWS);
        int most = Math.max(1, processor.accumulators() * 6 / 7 / products);
        MinimalTile best = tile(1, 1, 1);
        double least = Double.POSITIVE_INFINITY;
        for (int vectors = most; vectors >= Math.max(1, most - 1); vectors--) {
            for (int pairs : widths) {
                for (int rows : heights) {
                    MinimalTile tile = tile(vectors, pairs, rows);
                    double cycles = tile.cycles(problem);
                    if (cycles < least) {
                        least = cycles;
                        best = tile;
                    }
                }
            }
        }
        return best;
    }

    /** Nearly equal shares of a count, from the largest allowed down to 1, each some fifth smaller than the one before. */
    private static int[] shares(long count, long most) {
        return LongStream.iterate(
                        Grid.tiles(count, most),
                        number -> number <= count,
                        number -> Math.max(number + 1, number * 5 / 4))
                .mapToInt(number -> share(count, number))
                .distinct()
                .toArray();
    }

    /** A tile of certain sizes, for whoever knows better than the rule. */
    MinimalTile tile(int vectors, int pairs, int rows) {
        return new MinimalTile(vectors, pairs, rows);
    }

    private final class MinimalTile implements Tile {
        /** Cycles of an iteration, of a row of the patch, of a vector of it, beside what is counted. */
        private static final double ITERATION = 2;

        private static final double STAGED_ROW = 6;
        private static final double STAGED_VECTOR = 4;
        /** Cycles to take a vector of positions to the three factors of the width, those of the height included. */
        private static final double DIFFERENCES = 4;

        private static final double DIFFERENCES_OF_BOTH = 8;
        /** Cycles to keep a vector of products, and to add and store a vector of one phase. */
        private static final double KEPT = 4;

        private static final double GATHERED = 25;
        /** Factors that stay in the first-level cache, and the cycles to load a vector of more of them. */
        private static final long FIRST_CACHE_BYTES = 32 << 10;

        private static final double FAR_LOAD = 4;
        /** The share of the second-level cache in which a block's sums and weights stay. */
        private static final double NEAR_SHARE = 0.48;
        /** The share of it in which all weights of a work-item wait for the next one. */
        private static final double STAYING_SHARE = 0.25;

        private final int vectors;
        private final int pairs;
        private final int rows;

        /**
         * Cuts the work.
         *
         * @param vectors vectors of a register tile
         * @param pairs pairs of grid columns of a work-item
         * @param rows grid rows of a work-item, or pairs of them if the height is filtered minimally
         */
        MinimalTile(int vectors, int pairs, int rows) {
            this.vectors = vectors;
            this.pairs = pairs;
            this.rows = rows;
        }

        private long pitch() {
            return pairs + 1L;
        }

        private long patchRows() {
            return minimalHeight()
                    ? rows + 1L
                    : rows + LayerShape.span(layer.height(), layer.height().kernel());
        }

        private long patchFloats() {
            long channelVectors = Grid.tiles(patchRows() * pitch(), processor.lanes()) * 2 * rowsApart() | 1;
            return channelVectors * processor.lanes() * inBlock;
        }

        /** Vectors of positions, of which the products are taken. */
        private long positionVectors() {
            return Grid.tiles((minimalHeight() ? rows + 1L : rows) * pitch(), processor.lanes());
        }

        private long keptVectors() {
            return 3L * rowParts() * productTiles() * products * positionVectors();
        }

        long localBytes() {
            long beyond = pitch() + (vectors + 3L + 2L * layer.width().stride()) * processor.lanes();
            return (patchFloats() + beyond + keptVectors() * processor.lanes()) * Float.BYTES;
        }

        /** All positions of a tile are multiplied, also those that a problem lacks. */
        @Override
        public double distance(Problem problem, Tile suiting) {
            return cycles(problem);
        }

        /** The cycles that a problem takes, roughly; infinite where the tile does not fit. */
        double cycles(Problem problem) {
            if (localBytes() > processor.localBytes() * LOCAL_SHARE) {
                return Double.POSITIVE_INFINITY;
            }
            double taken = depthTaps();
            long full = positionVectors() / vectors;
            long rest = positionVectors() - full * vectors;
            double multiply = taken
                    * layer.ic()
                    * rowParts()
                    * 3
                    * productTiles()
                    * (full * iteration(vectors) + rest * iteration(1));
            double transform = taken
                    * layer.ic()
                    * rowParts()
                    * positionVectors()
                    * (minimalHeight() ? DIFFERENCES_OF_BOTH : DIFFERENCES);
            double keep = taken * Grid.tiles(layer.ic(), inBlock) * keptVectors() * KEPT;
            double stage = taken
                    * layer.ic()
                    * patchRows()
                    * rowsApart()
                    * (STAGED_ROW + STAGED_VECTOR * 2 * pitch() / processor.lanes());
            double clear = 2.0 * patchFloats() / processor.lanes();
            int phases = 2 * layer.width().stride();
            double gather = (double) outChunk
                    * rows
                    * rowsApart()
                    * layer.height().stride()
                    * Grid.tiles(pairs, processor.lanes())
                    * phases
                    * GATHERED;
            long[] global = range(problem).global();
            double items = (double) global[0] * global[1] * global[2];
            // The last round of work-items leaves threads idle.
            double turns = Math.ceil(items / processor.threads());
            return (transform + multiply + keep + stage + clear + gather + far(taken, global[0] * (double) global[1]))
                    * turns;
        }

        /** Cycles that a work-item waits for the last cache or memory; so many work-items share its weights. */
        private double far(double taken, double sharing) {
            double blocks = taken * Grid.tiles(layer.ic(), inBlock);
            double blockVectors = 3.0 * rowParts() * productTiles() * products * inBlock / processor.lanes();
            double vectorBytes = (double) Float.BYTES * processor.lanes();
            double near = localBytes() + blockVectors * vectorBytes;
            // What is kept between blocks makes room for the next block's weights.
            double spilt = Math.max(0, 1 - NEAR_SHARE * processor.cacheBytes() / near);
            double passes = 1 + spilt * (Grid.tiles(positionVectors(), vectors) - 1);
            boolean stays = blocks * blockVectors * vectorBytes <= STAYING_SHARE * processor.cacheBytes();
            double readers = stays ? Math.max(1, sharing / processor.threads()) : 1;
            double weights = blockVectors
                    * passes
                    * (packedFloats() * (double) Float.BYTES > Processor.LAST_CACHE_BYTES ? 2 : 1);
            return processor.farWait() * blocks * (spilt * keptVectors() + weights / readers);
        }

        private boolean isSensible(Problem problem) {
            return vectors * products <= processor.accumulators()
                    && pairs <= gridPairs(problem)
                    && rows <= gridRows(problem)
                    && cycles(problem) < Double.POSITIVE_INFINITY;
        }

        private double iteration(int tileVectors) {
            double multiplyAdds = (double) products * tileVectors;
            long factorBytes = 3L * inBlock * tileVectors * processor.lanes() * Float.BYTES;
            double loads = products * 0.5 + tileVectors * (factorBytes > FIRST_CACHE_BYTES ? FAR_LOAD : 1);
            return Math.max(Math.max(multiplyAdds, loads), 8) + ITERATION;
        }

        private double depthTaps() {
            return (double) layer.depth().kernel() / layer.depth().stride();
        }

        @Override
        public String constants() {
            return new Defines()
                    .with("NV", vectors)
                    .with("XT", pairs)
                    .with("RY", rows)
                    .toString();
        }

        @Override
        public NdRange range(Problem problem) {
            return NdRange.exactly(
                    Grid.tiles(gridPairs(problem), pairs),
                    problem.outputSize(0) * Grid.tiles(gridRows(problem), rows),
                    (long) problem.batch() * layer.groups() * Grid.tiles(layer.oc(), outChunk));
        }

        /** The axis counts the chunks of an image before the next image. */
        @Override
        public int blockChannels(Problem problem) {
            return problem.batch() == 1 ? outChunk : 0;
        }
    }
}
