package io.github.tconv.opencl;

/**
 * One way to compute a layer, of which there is a program: a tile of a variant, with or without a residual.
 *
 * @param variant what computes
 * @param tile of the variant
 * @param hasResidual whether the program adds one
 * @param options all constants of the program, as compiler options
 */
record Recipe(ForwardVariant variant, ForwardVariant.Tile tile, boolean hasResidual, String options) {}
