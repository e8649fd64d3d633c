package io.github.tconv.opencl;

import io.github.tconv.op.Axis;

/**
 * How {@code weight_gradient_panels.cl} cuts an axis, in the names that it uses.
 *
 * @param axis the axis
 * @param minimal whether it has fewer products, which {@link #canBeMinimal} must allow
 */
record PanelAxis(Axis axis, boolean minimal) {
    /** Whether an axis can have fewer products. */
    static boolean canBeMinimal(Axis axis) {
        int taps = (int) Grid.tiles(axis.kernel(), axis.stride());
        return axis.dilation() == 1 && (taps == 2 || taps == 3);
    }

    /** The axis with fewer products if it can have them. */
    static PanelAxis suiting(Axis axis) {
        return new PanelAxis(axis, canBeMinimal(axis));
    }

    /** The most taps of a phase. */
    int taps() {
        return minimal ? (int) Grid.tiles(axis.kernel(), axis.stride()) : 1;
    }

    int phases() {
        return minimal ? axis.stride() : axis.kernel();
    }

    /** The positions of a tile. */
    int tile() {
        return switch (taps()) {
            case 1 -> 1;
            case 2 -> 3;
            default -> 2;
        };
    }

    /** The slots of the input's panels. */
    int slots() {
        int taps = taps();
        return taps == 1 ? 1 : taps == 2 && axis.kernel() % axis.stride() != 0 ? 5 : 4;
    }

    /** The products of a tile, in all phases. */
    int products() {
        return phases() * (tile() - 1) + axis.kernel();
    }

    /** The products of a tile that may be short of a position. */
    int products(boolean isShort) {
        return isShort ? products() - phases() : products();
    }

    /** The output gradients that a phase of a tile meets. */
    int reach() {
        return tile() + taps() - 1;
    }

    /** The full tiles of so many positions. */
    int fullTiles(int size) {
        int rest = size % tile();
        return Math.max(size - (rest == 0 ? 0 : tile() - rest) * (tile() - 1), 0) / tile();
    }

    /** Their tiles that are short of a position. */
    int shortTiles(int size) {
        return tile() == 1 ? 0 : (int) Grid.tiles(size - fullTiles(size) * (long) tile(), tile() - 1);
    }

    /** The factor of {@link WeightGradientPanels#errorGrowth} that this axis is to blame for. */
    double errorGrowth(int size) {
        double matrices = switch (taps()) {
            case 1 -> 1;
            case 2 -> 8;
            default -> 6;
        };
        return matrices * (fullTiles(size) + shortTiles(size)) / size;
    }
}
