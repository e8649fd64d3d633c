package io.github.tconv.opencl;

import io.github.tconv.op.Problem;
import java.util.Objects;
import org.jocl.cl_command_queue;
import org.jspecify.annotations.Nullable;

/** A program ready for one problem of its layer, and all that a call with it needs. */
final class Launch {
    private final Problem problem;
    private final Recipe recipe;
    private final Program program;
    private final @Nullable Recipe better;
    private final int outOf;

    /** Of the problem, which staging takes, and of what the kernel computes in its place. */
    private final int[] ownSizes;

    private final int[] sizes;
    private final long stagedFloats;
    private final String stageKernel;
    private final NdRange stageRange;
    private final String kernel;
    private final NdRange range;

    /**
     * Readies a program for a problem.
     *
     * @param problem a problem of the layer
     * @param recipe what the program is compiled from
     * @param program the program
     */
    Launch(Problem problem, Recipe recipe, Program program) {
        this(problem, recipe, program, null, 0);
    }

    /**
     * Readies a program that takes another's place.
     *
     * @param problem a problem of the layer
     * @param recipe what the program is compiled from
     * @param program the program
     * @param better what the problem's own tile would be compiled from; null if this is the best
     * @param outOf how many tiles there were to choose from
     */
    Launch(Problem problem, Recipe recipe, Program program, @Nullable Recipe better, int outOf) {
        this.problem = problem;
        this.recipe = recipe;
        this.program = program;
        this.better = better;
        this.outOf = outOf;
        Problem rank3 = problem.asRank3();
        ForwardVariant variant = recipe.variant();
        ForwardVariant.Tile tile = recipe.tile();
        ownSizes = LayerConstants.sizes(rank3);
        sizes = LayerConstants.sizes(variant.computed(rank3));
        kernel = variant.kernel();
        range = tile.range(rank3);
        stagedFloats = tile.stagedFloats(rank3);
        stageKernel = variant.name() + "_stage";
        stageRange = stagedFloats == 0 ? range : tile.stageRange(rank3);
    }

    Problem problem() {
        return problem;
    }

    Recipe recipe() {
        return recipe;
    }

    Program program() {
        return program;
    }

    /** What would be better than this, where it is compiled; null if nothing would. */
    @Nullable
    Recipe better() {
        return better;
    }

    /** How many tiles there were when this took another's place. */
    int outOf() {
        return outOf;
    }

    boolean isFor(Problem other, boolean residual) {
        return recipe.hasResidual() == residual && problem.equals(other);
    }

    /** Returns how many floats the staged input has; 0 if none is staged. */
    long stagedFloats() {
        return stagedFloats;
    }

    /** The local memory that a work-group of the computing kernel takes, in bytes. */
    long localBytes(Device device) {
        try (Kernel computing = program.kernel(kernel)) {
            return computing.localBytes(device);
        }
    }

    /**
     * Enqueues the kernels.
     *
     * @param layer with the weight packed for the recipe's variant
     * @param x the input
     * @param staged room for the staged input, if there is one
     * @param r the residual, if there is one
     * @param y the output
     */
    void enqueue(
            cl_command_queue queue,
            LayerBuffers layer,
            DeviceBuffer x,
            @Nullable DeviceBuffer staged,
            @Nullable DeviceBuffer r,
            DeviceBuffer y) {
        DeviceBuffer read = x;
        if (stagedFloats > 0) {
            read = Objects.requireNonNull(staged);
            try (Kernel stage = program.kernel(stageKernel)) {
                stage.with(x).with(read).with(ownSizes).enqueue(queue, stageRange);
            }
        }
        try (Kernel computing = program.kernel(kernel)) {
            layer.passTo(computing.with(read), r).with(y).with(sizes).enqueue(queue, range);
        }
    }
}
