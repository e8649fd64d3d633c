package io.github.tconv.opencl;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Problem;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A variant for the gradient by the weight, ready for a problem.
 *
 * @param session where it runs
 * @param rank3 the problem, of rank 3
 * @param variant the variant, for this problem
 * @param program the variant's
 */
record WeightGradientLaunch(Session session, Problem rank3, WeightGradientVariant variant, Program program) {
    /** Readies a variant that has proved itself on its layer; null where another is to take its place. */
    static @Nullable WeightGradientLaunch sound(Session session, Problem rank3, WeightGradientVariant variant) {
        String options = options(rank3, variant);
        if (variant.blocks() > 1 && !Parted.isSound(session)) {
            return null;
        }
        return session.selfCheck()
                .sound(
                        variant.name(),
                        options,
                        () -> session.programs().get(variant.sources(), options),
                        (program, oracle) ->
                                new WeightGradientTrial(session, rank3.layer(), variant, program).difference(oracle))
                .map(program -> new WeightGradientLaunch(session, rank3, variant, program))
                .orElse(null);
    }

    /**
     * What a variant is compiled with. Kernels that share their helpers with the forward pass want the constants of its
     * epilogue, which has nothing to do here.
     */
    static String options(Problem rank3, WeightGradientVariant variant) {
        return LayerConstants.withEpilogue(LayerConstants.of(rank3.layer()), false, false, Activation.none())
                + variant.constants();
    }

    /** Computes the gradient by the weight, or adds to it where the variant does. */
    void compute(Operand input, Operand outputGradient, Operand weightGradient) {
        try (Call call = session.call()) {
            DeviceBuffer x = call.operand(input);
            DeviceBuffer gy = call.operand(outputGradient);
            DeviceBuffer result = variant.adds() ? call.updated(weightGradient) : call.result(weightGradient);
            Parted gw = new Parted(session, call, result, variant.blocks(), weightGradient.elements());
            enqueue(call, x, gy, gw.target(), variant.steps());
            gw.add();
            call.complete(program);
        }
    }

    /** Enqueues the variant's steps, which write all blocks of the sum, or steps of the same kernels with fewer work-items. */
    void enqueue(
            Call call, DeviceBuffer x, DeviceBuffer gy, DeviceBuffer blocks, List<WeightGradientVariant.Step> steps) {
        List<DeviceBuffer> workspaces =
                Arrays.stream(variant.workspaces()).mapToObj(call::workspace).toList();
        for (WeightGradientVariant.Step step : steps) {
            try (Kernel kernel = program.kernel(step.kernel())) {
                for (WeightGradientVariant.Role role : step.buffers()) {
                    kernel.with(
                            switch (role) {
                                case INPUT -> x;
                                case OUTPUT_GRADIENT -> gy;
                                case WEIGHT_GRADIENT -> blocks;
                                case FIRST_WORKSPACE -> workspaces.get(0);
                                case SECOND_WORKSPACE -> workspaces.get(1);
                            });
                }
                kernel.with(step.arguments()).with(LayerConstants.sizes(rank3)).enqueue(session.queue(), step.range());
            }
        }
    }
}
