package io.github.tconv.opencl;

import java.util.List;

/**
 * One way to compute the gradient by the weight of one problem on one device: a kernel file and what its host side must
 * know. The kernel takes the input, the output gradient, the weight gradient, {@link #arguments()} and the sizes.
 *
 * <p>The sum runs over batch and space. A variant may cut it into blocks, each of which writes a weight gradient of its
 * own; they are added in their order. Where the cuts are follows from the problem alone: the bits do not depend on the
 * number of threads.
 */
interface WeightGradientVariant {
    /** Returns the name of the kernel. */
    String name();

    /** Returns the kernel files, the variant's own last. */
    List<String> sources();

    /** Returns the variant's constants, as compiler options. */
    String constants();

    /** Returns the parts of the sum that are written one after the other. */
    default int blocks() {
        return 1;
    }

    /** Returns the arguments that stand before the sizes. */
    default int[] arguments() {
        return new int[0];
    }

    /** Returns the work-items of the kernel. */
    NdRange range();
}
