package io.github.tconv.opencl;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Backend;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
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
        // Kernels that share their helpers with the forward pass want the constants of its epilogue, which has nothing
        // to do here.
        String options = LayerConstants.withEpilogue(LayerConstants.of(rank3.layer()), false, false, Activation.none())
                + variant.constants();
        if (variant.blocks() > 1 && !Parted.isSound(session)) {
            return null;
        }
        return session.selfCheck()
                .sound(
                        variant.name(),
                        options,
                        () -> session.programs().get(variant.sources(), options),
                        (program, oracle) -> difference(session, rank3, variant, program, oracle))
                .map(program -> new WeightGradientLaunch(session, rank3, variant, program))
                .orElse(null);
    }

    /** Computes a small problem of the layer with the program, and says what differs. */
    private static Optional<String> difference(
            Session session, Problem rank3, WeightGradientVariant variant, Program program, Backend oracle) {
        Problem small = LayerTrial.problem(rank3.layer());
        if (LayerTrial.isLarge(small)) {
            return Optional.empty();
        }
        Exemplar exemplar = new Exemplar(small, Activation.none());
        Exemplar.WeightGradientOperands operands = exemplar.ofWeightGradient();
        WeightGradientVariant tried = variant.tried(small);
        int[] shape = small.layer().weightShape();
        try (Scratch blocks = session.host().scratch(tried.blocks(), Tensor.elementsOf(shape))) {
            Exemplar.erase(blocks.tensor());
            try (Call call = session.call()) {
                DeviceBuffer x = call.operand(operands.input());
                DeviceBuffer gy = call.operand(operands.outputGradient());
                new WeightGradientLaunch(session, small, tried, program)
                        .enqueue(call, x, gy, call.result(blocks.tensor()));
                call.complete(program);
            }
            Tensor sum = tried.blocks() == 1 ? blocks.tensor() : Parted.sum(blocks.tensor());
            return exemplar.difference(oracle, operands, sum.reshape(shape));
        }
    }

    /** Computes the gradient by the weight, or adds to it where the variant does. */
    void compute(Operand input, Operand outputGradient, Operand weightGradient) {
        try (Call call = session.call()) {
            DeviceBuffer x = call.operand(input);
            DeviceBuffer gy = call.operand(outputGradient);
            DeviceBuffer result = variant.adds() ? call.updated(weightGradient) : call.result(weightGradient);
            Parted gw = new Parted(session, call, result, variant.blocks(), weightGradient.elements());
            enqueue(call, x, gy, gw.target());
            gw.add();
            call.complete(program);
        }
    }

    /** Enqueues the variant's steps, which write all blocks of the sum. */
    private void enqueue(Call call, DeviceBuffer x, DeviceBuffer gy, DeviceBuffer blocks) {
        List<DeviceBuffer> workspaces =
                Arrays.stream(variant.workspaces()).mapToObj(call::workspace).toList();
        for (WeightGradientVariant.Step step : variant.steps()) {
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
