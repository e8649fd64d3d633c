package io.github.tconv.opencl;

import io.github.tconv.op.Axis;
import io.github.tconv.op.Problem;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * {@code forward_winograd.cl}: lanes are output channels, and an axis of several taps a phase is computed in tiles of
 * two or three outputs with fewer multiplications. For long sums over maps of some size. The input is staged once,
 * channels innermost.
 */
final class WinogradVariant implements ForwardVariant {
    /** Taps of a phase up to which the transforms only add, subtract and halve. */
    private static final int MOST_TAPS = 3;
    /** Input channels that are transformed at once: fewer make parts of a sum often, more leave less room for tiles. */
    private static final int MOST_IN_BLOCK = 64;
    /** Floats between the channels of two tiles, as in {@code IC_STRIDE}. */
    private static final int GAP = 16;
    /** Private memory of a work-item: half of a second-level cache, and far from the end of a thread's stack. */
    private static final long PRIVATE_BYTES = 512 << 10;

    /** How far the model may be off: tiles up to so many times its best are worth measuring. */
    private static final double NEAR_COST = 1.2;

    private static final int MOST_TILES = 6;

    private final LayerShape layer;
    private final Processor processor;
    private final int vectors;

    /**
     * Fixes the packed weight.
     *
     * @param vectors vectors of output channels in a tile
     */
    WinogradVariant(LayerShape layer, Processor processor, int vectors) {
        this.layer = layer;
        this.processor = processor;
        this.vectors = vectors;
    }

    /** Whether a layer has phases of two or three taps, none of more, and is not dilated there. */
    static boolean fits(LayerShape layer, Processor processor) {
        return reaches(layer.height())
                && reaches(layer.width())
                && (mostTaps(layer.height()) > 1 || mostTaps(layer.width()) > 1)
                && new WinogradVariant(layer, processor, 1).fits();
    }

    private static boolean reaches(Axis axis) {
        return mostTaps(axis) <= MOST_TAPS && (axis.dilation() == 1 || axis.kernel() == 1);
    }

    /** The variant whose packed weight suits a problem best. */
    static WinogradVariant suiting(Problem problem, Processor processor) {
        return WinogradCost.least(problem, processor).variant();
    }

    /** Variants that may be faster than the one that suits best by the model, which is the first. */
    static List<WinogradVariant> candidates(Problem problem, Processor processor) {
        LayerShape layer = LayerShape.of(problem.layer());
        if (!fits(layer, processor)) {
            return List.of();
        }
        WinogradVariant suiting = suiting(problem, processor);
        return Stream.concat(
                        Stream.of(suiting),
                        IntStream.rangeClosed(1, WinogradCost.mostVectors(layer, processor))
                                .filter(vectors -> vectors != suiting.vectors)
                                .mapToObj(vectors -> new WinogradVariant(layer, processor, vectors))
                                .filter(WinogradVariant::fits))
                .toList();
    }

    /** The taps of the phase that has most of them. */
    static int mostTaps(Axis axis) {
        return (int) Grid.tiles(axis.kernel(), axis.stride());
    }

    /** Outputs of a full tile on an axis. */
    static int fullTile(Axis axis) {
        return switch (mostTaps(axis)) {
            case 1 -> 1;
            case 2 -> 3;
            default -> 2;
        };
    }

    /** Full tiles of an axis with some outputs of a phase. */
    static long fullTiles(Axis axis, long outputs) {
        int full = fullTile(axis);
        if (full != 3) {
            return Grid.tiles(outputs, full);
        }
        return outputs % 3 == 1 ? Math.max(outputs - 4, 0) / 3 : outputs / 3;
    }

    /** Tiles of {@link #SHORT_TILE} outputs after the full ones. */
    static long shortTiles(Axis axis, long outputs) {
        return Grid.tiles(Math.max(outputs - fullTiles(axis, outputs) * fullTile(axis), 0), SHORT_TILE);
    }

    /** Outputs of a short tile. */
    static final int SHORT_TILE = 2;

    @Override
    public String name() {
        return "winograd";
    }

    @Override
    public List<String> sources() {
        return List.of("common", "transpose", "channels", "forward_winograd");
    }

    @Override
    public String constants() {
        return new Defines().with("LANES", processor.lanes()).with("V", vectors).toString();
    }

    private long outTiles() {
        return Grid.tiles(layer.oc(), tileChannels());
    }

    private int tileChannels() {
        return processor.lanes() * vectors;
    }

    @Override
    public long packedFloats() {
        return layer.groups()
                * outTiles()
                * tileChannels()
                * slots(layer.height())
                * slots(layer.width())
                * layer.depth().kernel()
                * layer.ic();
    }

    @Override
    public NdRange packRange() {
        return NdRange.exactly(layer.ic(), layer.depth().kernel(), layer.groups() * outTiles());
    }

    @Override
    public NdRange packRange(int channels) {
        return NdRange.exactly(layer.ic(), layer.depth().kernel(), Grid.tiles(channels, tileChannels()));
    }

    /** The weights of an axis in all its phases: as many as a full tile has products, but one for a single tap. */
    private static long slots(Axis axis) {
        int fewer = axis.kernel() / axis.stride();
        long longer = axis.kernel() % axis.stride();
        return longer * slots(axis, fewer + 1) + (axis.stride() - longer) * slots(axis, fewer);
    }

    private static int slots(Axis axis, int taps) {
        return taps <= 1 ? taps : taps + fullTile(axis) - 1;
    }

    /**
     * An element is a sum of products over the points p of a tile, each of transformed inputs and weights: with A, G and
     * B the matrices of F(M, T), y[q] = sum over p of A[q][p] (sum over ic, kd of (G g)[p] (B d)[p]). Each of the n = ic
     * * kd terms of a sum passes through at most n roundings there, and through 2 additions for d, 2 for g and 2 for y on
     * either axis: n + 12. So y is off by at most gamma(n + 12) |A| (|G| |g|) (|B| |d|), which is at most gamma(n + 12) n
     * max|g| max|d| times a = max over q of sum over p of |A[q][p]| (sum of |G[p]|) (sum of |B[p]|) for each axis: 6 for
     * F(3, 2), 4 for F(2, 2), 8 for F(2, 3), 1 for a single tap. The longest sum has n * kh * kw terms.
     */
    @Override
    public double errorGrowth() {
        return growth(layer.height()) * growth(layer.width());
    }

    private static double growth(Axis axis) {
        double growth = switch (mostTaps(axis)) {
            case 1 -> 1;
            case 2 -> 6;
            default -> 8;
        };
        return growth / axis.kernel();
    }

    @Override
    public Tile tileFor(Problem problem) {
        return new WinogradCost(this, layer, processor, vectors, problem)
                .least()
                .tile();
    }

    @Override
    public List<Tile> tiles(Problem problem) {
        return new WinogradCost(this, layer, processor, vectors, problem)
                .near(NEAR_COST, MOST_TILES).stream()
                        .map(WinogradCost.Candidate::tile)
                        .toList();
    }

    /**
     * A work-item's share.
     *
     * @param inRegisters tiles whose products are in registers at once
     * @param tiles its tiles, a multiple of those
     * @param outChunk its tiles of output channels
     */
    Tile tile(int inRegisters, int tiles, int outChunk) {
        return new WinogradTile(inRegisters, tiles, outChunk);
    }

    /** The private memory of such a share. */
    long privateBytes(int inRegisters, int tiles, int outChunk) {
        return new WinogradTile(inRegisters, tiles, outChunk).privateBytes();
    }

    /** Whether the smallest share's private memory is within its limit. */
    boolean fits() {
        return privateBytes(1, 1, 1) <= PRIVATE_BYTES;
    }

    private final class WinogradTile implements Tile {
        private final int inRegisters;
        private final int tiles;
        private final int outChunk;
        private final long inBlock;

        WinogradTile(int inRegisters, int tiles, int outChunk) {
            this.inRegisters = inRegisters;
            this.tiles = tiles;
            this.outChunk = outChunk;
            this.inBlock = Math.min(MOST_IN_BLOCK, Grid.tiles(layer.ic(), processor.lanes()) * processor.lanes());
        }

        @Override
        public String constants() {
            return new Defines()
                    .with("P", inRegisters)
                    .with("TILES", tiles)
                    .with("OC_CHUNK", outChunk)
                    .with("IC_BLOCK", inBlock)
                    .toString();
        }

        long privateBytes() {
            long points = products(layer.height()) * products(layer.width());
            long results = (long) fullTile(layer.height())
                    * fullTile(layer.width())
                    * layer.width().stride();
            long ofOutputs = (points + results) * outChunk * tileChannels();
            return (long) tiles * Float.BYTES * (points * (inBlock + GAP) + ofOutputs);
        }

        private long products(Axis axis) {
            return mostTaps(axis) + fullTile(axis) - 1L;
        }

        @Override
        public long stagedFloats(Problem problem) {
            long points = Grid.points(problem, 2);
            long covered = fullTiles(layer.width(), points) * fullTile(layer.width())
                    + shortTiles(layer.width(), points) * SHORT_TILE;
            // The last vector of channels is read whole.
            return ChannelStaging.floats(problem, covered + ChannelStaging.reach(layer.width())) + processor.lanes();
        }

        @Override
        public NdRange stageRange(Problem problem) {
            return ChannelStaging.range(problem);
        }

        @Override
        public NdRange range(Problem problem) {
            long images = problem.batch() * Grid.points(problem, 0);
            long pointsH = Grid.points(problem, 1);
            long pointsW = Grid.points(problem, 2);
            long items = 0;
            for (long h : new long[] {fullTiles(layer.height(), pointsH), shortTiles(layer.height(), pointsH)}) {
                for (long w : new long[] {fullTiles(layer.width(), pointsW), shortTiles(layer.width(), pointsW)}) {
                    items += Grid.tiles(images * h * w, tiles);
                }
            }
            return NdRange.exactly(
                    (long) layer.depth().stride() * layer.height().stride(),
                    items,
                    layer.groups() * Grid.tiles(outTiles(), outChunk));
        }

        @Override
        public int blockChannels(Problem problem) {
            return outChunk * tileChannels();
        }
    }
}
