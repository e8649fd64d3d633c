package io.github.tconv.opencl;

import io.github.tconv.op.Problem;
import io.github.tconv.op.TransposedConvolution;
import java.util.List;

/**
 * One way to compute the forward pass of one layer on one device: a kernel file and what its host side must know. The
 * file holds the kernels {@code NAME}, {@code NAME_pack} if the weight is packed and {@code NAME_stage} if the input is
 * staged, all with the arguments of {@code forward.cl}.
 *
 * <p>A variant fixes the packed weight and the order of additions. Its tile may follow the sizes: all tiles of a variant
 * give the same bits, read the same packed weight, and are right for every size.
 */
interface ForwardVariant {
    /** Returns the name of the kernels. */
    String name();

    /** Returns the name of the kernel that computes; that of the variant where no other variant shares it. */
    default String kernel() {
        return name();
    }

    /**
     * Returns the layer, of rank 3, whose constants the kernels are compiled with.
     *
     * @param layer what is to be computed, of rank 3
     */
    default TransposedConvolution computed(TransposedConvolution layer) {
        return layer;
    }

    /**
     * Returns the problem, of rank 3, whose sizes the kernel itself takes; packing and staging take the problem's own.
     *
     * @param problem what is to be computed, of rank 3
     */
    default Problem computed(Problem problem) {
        return problem;
    }

    /** Returns the kernel files, the variant's own last. */
    List<String> sources();

    /** Returns the constants that all tiles share, as compiler options. */
    String constants();

    /** Returns the size of the packed weight; 0 if the kernel takes the weight as it is. */
    long packedFloats();

    /** Returns what {@link io.github.tconv.op.Backend#errorGrowth} says of this variant. */
    default double errorGrowth() {
        return 0;
    }

    /** Returns the work-items that pack the weight, where it is packed. */
    default NdRange packRange() {
        return NdRange.exactly(packedFloats());
    }

    /** Returns work-items that pack at least what the first channels of the result need, of a layer of one group. */
    default NdRange packRange(int channels) {
        return packRange();
    }

    /** Returns the tile that suits a problem of the layer, of rank 3. */
    Tile tileFor(Problem problem);

    /** Returns tiles worth measuring for a problem of the layer, of rank 3: the one of {@link #tileFor} first. */
    default List<Tile> tiles(Problem problem) {
        return List.of(tileFor(problem));
    }

    /** How the work of one call is cut. The problems are of rank 3. */
    interface Tile {
        /** Returns the tile's own constants, as compiler options. */
        String constants();

        /** Returns how many floats of workspace hold the staged input; 0 if the kernel takes the input as it is. */
        default long stagedFloats(Problem problem) {
            return 0;
        }

        /** Returns the work-items that stage the input, where it is staged. */
        default NdRange stageRange(Problem problem) {
            throw new IllegalStateException("this tile stages nothing");
        }

        /** Returns the work-items of the kernel itself. */
        NdRange range(Problem problem);

        /**
         * Returns how badly this tile would take the place of another of its variant: less is better, in no unit. By default
         * it is how many times as many work-items it makes of a problem, or as few.
         *
         * @param suiting the problem's own tile
         */
        default double distance(Problem problem, Tile suiting) {
            double items = range(problem).items();
            return Math.abs(Math.log(items / suiting.range(problem).items()));
        }

        /**
         * Returns how many channels of the result are computed together in a layer of one group, if such blocks are what the
         * range's last axis counts slowest; otherwise 0.
         */
        default int blockChannels(Problem problem) {
            return 0;
        }
    }
}
