package io.github.tconv.opencl;

import io.github.tconv.op.Problem;
import io.github.tconv.op.TransposedConvolution;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A variant whose tiles someone chose who knows better than its model; for what they know nothing about, the model
 * chooses. Bits and packed weight are the variant's.
 */
class RetiledVariant implements ForwardVariant {
    private final ForwardVariant variant;
    private final Function<Problem, @Nullable Tile> tiles;
    private final boolean tuned;

    /**
     * Replaces the choice of tiles.
     *
     * @param variant what computes
     * @param tiles gives a tile of the variant for a problem, or null for what the model chooses
     * @param tuned whether they were measured for this device
     */
    RetiledVariant(ForwardVariant variant, Function<Problem, @Nullable Tile> tiles, boolean tuned) {
        this.variant = variant;
        this.tiles = tiles;
        this.tuned = tuned;
    }

    /** Returns a variant that takes one tile for every problem. */
    static RetiledVariant always(ForwardVariant variant, Tile tile) {
        return new RetiledVariant(variant, problem -> tile, /* tuned= */ false);
    }

    /** Whether the tiles were measured for this device. */
    boolean tuned() {
        return tuned;
    }

    @Override
    public String name() {
        return variant.name();
    }

    @Override
    public String kernel() {
        return variant.kernel();
    }

    @Override
    public TransposedConvolution computed(TransposedConvolution layer) {
        return variant.computed(layer);
    }

    @Override
    public Problem computed(Problem problem) {
        return variant.computed(problem);
    }

    @Override
    public List<String> sources() {
        return variant.sources();
    }

    @Override
    public String constants() {
        return variant.constants();
    }

    @Override
    public long packedFloats() {
        return variant.packedFloats();
    }

    @Override
    public double errorGrowth() {
        return variant.errorGrowth();
    }

    @Override
    public NdRange packRange() {
        return variant.packRange();
    }

    @Override
    public NdRange packRange(int channels) {
        return variant.packRange(channels);
    }

    @Override
    public Tile tileFor(Problem problem) {
        Tile tile = tiles.apply(problem);
        return tile == null ? variant.tileFor(problem) : tile;
    }

    @Override
    public List<Tile> tiles(Problem problem) {
        return variant.tiles(problem);
    }
}
