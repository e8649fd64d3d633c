package io.github.tconv.opencl;

import io.github.tconv.op.Problem;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One way to compute the gradient by the weight of one problem on one device: a kernel file and what its host side must
 * know.
 *
 * <p>The sum runs over batch and space. A variant may cut it into blocks, each of which writes a weight gradient of its
 * own; they are added in their order. Where the cuts are follows from the problem alone: the bits do not depend on the
 * number of threads.
 */
interface WeightGradientVariant {
    /** What a buffer of a kernel holds. */
    enum Role {
        INPUT,
        OUTPUT_GRADIENT,
        WEIGHT_GRADIENT,
        FIRST_WORKSPACE,
        SECOND_WORKSPACE
    }

    /**
     * A kernel to run.
     *
     * @param kernel its name
     * @param buffers its buffers, in their order
     * @param arguments the integers that stand between the buffers and the sizes
     * @param range its work-items
     */
    @SuppressWarnings("ArrayRecordComponent") // OpenCL takes arrays, and nobody compares or shares these.
    record Step(String kernel, List<Role> buffers, int[] arguments, NdRange range) {
        /** Of a variant that has no other: it takes the input, the output gradient and the weight gradient. */
        static List<Step> only(String kernel, NdRange range, int... arguments) {
            return List.of(new Step(
                    kernel, List.of(Role.INPUT, Role.OUTPUT_GRADIENT, Role.WEIGHT_GRADIENT), arguments, range));
        }
    }

    /** Returns the kernel files, the variant's own last. */
    List<String> sources();

    /** Returns the name of the variant's own file. */
    default String name() {
        return sources().get(sources().size() - 1);
    }

    /** Returns the variant's constants, as compiler options. */
    String constants();

    /**
     * Returns this variant for some channels of its problem, with every cut of the sum as it is here: each weight is the
     * same sum in the same order, whichever others are computed beside it.
     *
     * @param part the problem with fewer groups or fewer channels, of rank 3
     */
    WeightGradientVariant of(Problem part);

    /**
     * Returns this variant, of the same program, for other sizes of its layer. The sum is cut into two blocks where there is
     * enough for two.
     *
     * @param small the problem, of rank 3
     */
    WeightGradientVariant tried(Problem small);

    /**
     * Returns this variant for further images: it goes on with the sums that the weight gradient holds. Null where the sum
     * is cut otherwise than between images.
     */
    default @Nullable WeightGradientVariant adding() {
        return null;
    }

    /** Tells whether it goes on with the sums that the weight gradient holds. */
    default boolean adds() {
        return false;
    }

    /** Returns what {@link io.github.tconv.op.Backend#weightGradientErrorGrowth} says of this variant. */
    default double errorGrowth() {
        return 0;
    }

    /** Returns the parts of the sum that are written one after the other. */
    default int blocks() {
        return 1;
    }

    /** Returns the floats of the workspaces, of which there are as many as any step takes. */
    default long[] workspaces() {
        return new long[0];
    }

    /** Returns the kernels to run one after the other. */
    List<Step> steps();
}
