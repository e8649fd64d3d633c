package io.github.tconv.opencl;

import io.github.tconv.op.Axis;
import io.github.tconv.op.DeviceException;
import io.github.tconv.op.Problem;
import io.github.tconv.op.TransposedConvolution;
import java.util.List;
import java.util.Optional;
import java.util.function.ToIntFunction;
import org.jspecify.annotations.Nullable;

/**
 * {@code input_gradient_winograd.cl}: the gradient by the input as a forward pass of stride 1, the folded pass, whose input
 * channels are the phases of the output gradient; {@link WinogradVariant} computes it. For phases of two or three taps.
 */
final class InputGradientWinograd implements ForwardVariant {
    /** Output channels that a work-item packs, as {@code PACKED_OC}. */
    private static final int PACKED_CHANNELS = 8;

    /** Taps of a plane up to which a work-item that packs has them in the first two caches. */
    private static final int MOST_PACKED_TAPS = 64;

    /** Channels of a folded pass whose size stays far from that of an integer. */
    private static final int MOST_CHANNELS = 1 << 16;

    /** Channels of a group's folded pass below which its sums are too short for what stands before and after them. */
    private static final int LEAST_CHANNELS = 32;

    /** How many times fewer products are worth their transforms. */
    private static final double LEAST_FEWER = 2;

    /** The cycles in which a thread packs a weight; measured, as the other two. */
    private static final double PACKING = 1.2;

    private final LayerShape layer;
    private final TransposedConvolution foldedLayer;
    private final WinogradVariant folded;

    /** The folded pass of the problem that came last: a plan asks for it several times. */
    private volatile @Nullable FoldedProblem last;

    private record FoldedProblem(Problem whole, Problem folded) {}

    private InputGradientWinograd(LayerShape layer, TransposedConvolution foldedLayer, WinogradVariant folded) {
        this.layer = layer;
        this.foldedLayer = foldedLayer;
        this.folded = folded;
    }

    /**
     * Fixes the packed weight.
     *
     * @param vectors vectors of input channels in a tile
     */
    static InputGradientWinograd of(TransposedConvolution rank3, Processor processor, int vectors) {
        TransposedConvolution folded = fold(rank3);
        return new InputGradientWinograd(
                LayerShape.of(rank3), folded, new WinogradVariant(LayerShape.of(folded), processor, vectors));
    }

    /** Whether a layer has phases of two or three taps, none of more, and is not dilated. */
    static boolean fits(TransposedConvolution rank3, Processor processor) {
        LayerShape layer = LayerShape.of(rank3);
        return rank3.axes().stream().allMatch(axis -> axis.dilation() == 1 || axis.kernel() == 1)
                && layer.height().kernel() * (long) layer.width().kernel() <= MOST_PACKED_TAPS
                && foldedChannels(rank3) <= MOST_CHANNELS
                && WinogradVariant.fits(LayerShape.of(fold(rank3)), processor);
    }

    /**
     * Whether a layer is expected to gain by this variant, the packing of its weight included, which a gradient pays at
     * every call: on a usual problem, not on a certain one, as the choice decides the bits.
     */
    static boolean wins(TransposedConvolution rank3, Processor processor) {
        LayerShape layer = LayerShape.of(rank3);
        if (!fits(rank3, processor) || foldedChannels(rank3) / rank3.groups() < LEAST_CHANNELS) {
            return false;
        }
        double fewer = fewer(layer.height()) * fewer(layer.width());
        Optional<Problem> usual = WinogradCost.usual(rank3);
        if (fewer < LEAST_FEWER || usual.isEmpty()) {
            return false;
        }
        double positions = Grid.positions(usual.get());
        double saved = positions * (1 - 1 / fewer) / (2.0 * processor.lanes());
        double weights = (double) layer.groups() * layer.ic() * layer.oc() * layer.taps();
        double packed = suiting(usual.get(), processor).packedFloats() / weights;
        return saved > packed * PACKING;
    }

    /** How many times fewer the products of an axis are, those of taps that there are not included. */
    private static double fewer(Axis axis) {
        int outputs = WinogradVariant.fullTile(axis);
        double products = axis.stride() * (taps(axis) + outputs - 1.0) / outputs;
        return axis.kernel() / products;
    }

    /** The variant whose packed weight suits a layer's usual problem best, or a certain one if it has none. */
    static InputGradientWinograd suiting(Problem problem, Processor processor) {
        Problem usual = fold(WinogradCost.usual(problem.layer()).orElse(problem), fold(problem.layer()));
        return new InputGradientWinograd(
                LayerShape.of(problem.layer()), usual.layer(), WinogradVariant.suiting(usual, processor));
    }

    /** The taps of the phase that has most of them. */
    private static int taps(Axis axis) {
        return WinogradVariant.mostTaps(axis);
    }

    private static long foldedChannels(TransposedConvolution rank3) {
        return rank3.axes().stream().mapToLong(Axis::stride).reduce(rank3.outChannels(), Math::multiplyExact);
    }

    /** The layer of the folded pass: phases that lack a tap have zeros there. */
    private static TransposedConvolution fold(TransposedConvolution rank3) {
        return TransposedConvolution.of3d()
                .channels(Math.toIntExact(foldedChannels(rank3)), rank3.inChannels())
                .groups(rank3.groups())
                .kernel(each(rank3, InputGradientWinograd::taps))
                .padding(each(rank3, axis -> taps(axis) - 1))
                .build();
    }

    /**
     * The folded pass of a problem, whose output is the gradient.
     *
     * @throws DeviceException if its input, the staged output gradient, is larger than a tensor may be, as where there is
     *     no memory for it: its parts are not
     */
    private static Problem fold(Problem problem, TransposedConvolution foldedLayer) {
        int[] sizes = each(problem.layer(), axis -> taps(axis) - 1);
        for (int a = 0; a < sizes.length; a++) {
            sizes[a] += problem.inputSize(a);
        }
        try {
            return foldedLayer.problem(problem.batch(), sizes);
        } catch (IllegalArgumentException e) {
            throw Shortage.of("the staged output gradient of " + problem, e);
        }
    }

    private Problem folded(Problem problem) {
        FoldedProblem known = last;
        if (known == null || !known.whole.equals(problem)) {
            known = new FoldedProblem(problem, fold(problem, foldedLayer));
            last = known;
        }
        return known.folded;
    }

    private static int[] each(TransposedConvolution rank3, ToIntFunction<Axis> value) {
        return rank3.axes().stream().mapToInt(value).toArray();
    }

    @Override
    public String name() {
        return "input_gradient_winograd";
    }

    @Override
    public String kernel() {
        return folded.kernel();
    }

    @Override
    public TransposedConvolution computed(TransposedConvolution rank3) {
        return foldedLayer;
    }

    @Override
    public Problem computed(Problem problem) {
        return folded(problem);
    }

    @Override
    public List<String> sources() {
        return List.of("common", "transpose", "channels", "forward_winograd", "input_gradient_winograd");
    }

    @Override
    public String constants() {
        return folded.constants() + whole("D", layer.depth()) + whole("H", layer.height()) + whole("W", layer.width());
    }

    private static String whole(String name, Axis axis) {
        return new Defines()
                .with("WHOLE_K" + name, axis.kernel())
                .with("WHOLE_S" + name, axis.stride())
                .with("WHOLE_P" + name, axis.padBegin())
                .toString();
    }

    @Override
    public long packedFloats() {
        return folded.packedFloats();
    }

    @Override
    public NdRange packRange() {
        return packRange(folded.packRange());
    }

    @Override
    public NdRange packRange(int channels) {
        return packRange(folded.packRange(channels));
    }

    private NdRange packRange(NdRange ofFolded) {
        return NdRange.exactly(
                Grid.tiles(layer.oc(), PACKED_CHANNELS),
                (long) layer.depth().stride() * taps(layer.depth()),
                ofFolded.global()[2]);
    }

    /**
     * The bound of {@link WinogradVariant#errorGrowth}, for the longest sum's oc * kd * min(kh, sh) * min(kw, sw) terms a
     * product: those of taps that there are not are zeros.
     */
    @Override
    public double errorGrowth() {
        return folded.errorGrowth() * ofTerms(layer.height()) * ofTerms(layer.width());
    }

    /** The terms of a product times the taps of a phase, as a share of all terms. */
    private static double ofTerms(Axis axis) {
        return (double) Math.min(axis.kernel(), axis.stride()) * taps(axis) / axis.kernel();
    }

    @Override
    public Tile tileFor(Problem problem) {
        return new FoldedTile(folded.tileFor(folded(problem)));
    }

    @Override
    public List<Tile> tiles(Problem problem) {
        return folded.tiles(folded(problem)).stream()
                .map(tile -> (Tile) new FoldedTile(tile))
                .toList();
    }

    /** A share of {@link WinogradVariant#tile}. */
    Tile tile(int inRegisters, int tiles, int outChunk) {
        return new FoldedTile(folded.tile(inRegisters, tiles, outChunk));
    }

    /** A tile of the folded pass, for problems of the layer itself. */
    private final class FoldedTile implements Tile {
        /** Output channels that a work-item stages at once, as {@code STAGE_IC}. */
        private static final int STAGED_CHANNELS = 16;

        private final Tile tile;

        FoldedTile(Tile tile) {
            this.tile = tile;
        }

        @Override
        public String constants() {
            return tile.constants();
        }

        @Override
        public long stagedFloats(Problem problem) {
            return tile.stagedFloats(folded(problem));
        }

        @Override
        public NdRange stageRange(Problem problem) {
            return NdRange.exactly(
                    layer.groups() * Grid.tiles(layer.oc(), STAGED_CHANNELS),
                    tile.stageRange(folded(problem)).global()[1],
                    (long) layer.depth().stride() * layer.height().stride());
        }

        @Override
        public NdRange range(Problem problem) {
            return tile.range(folded(problem));
        }

        @Override
        public int blockChannels(Problem problem) {
            return tile.blockChannels(folded(problem));
        }
    }
}
