package io.github.tconv.opencl;

import io.github.tconv.op.Activation;
import io.github.tconv.op.DeviceException;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.util.Arrays;
import java.util.List;

/**
 * The gradient by the weight on one device. Where that has no room for a call, the call is made in parts: the images of
 * the batch, of a variant that adds them one after the other; then parts of the weight, each over all that is left of the
 * batch: some groups, in the end some input or output channels of one. The bits are those of the whole, for all parts are
 * computed by the variant that was chosen for the whole, and that alone cuts the sum.
 */
final class WeightGradient {
    private final Session session;
    private final WeightGradientRule rule;

    WeightGradient(Session session, WeightGradientRule rule) {
        this.session = session;
        this.rule = rule;
    }

    /** Some channels, from one to before another. */
    private record Channels(int begin, int end) {
        int count() {
            return end - begin;
        }
    }

    /** Computes at once if the device has room, in parts if it has not. */
    void compute(Problem problem, Operand input, Operand outputGradient, Operand weightGradient) {
        WeightGradientVariant variant = rule.choose(problem.asRank3(), session.device());
        compute(problem, variant, input, outputGradient, weightGradient);
    }

    private void compute(
            Problem problem,
            WeightGradientVariant variant,
            Operand input,
            Operand outputGradient,
            Operand weightGradient) {
        try {
            whole(problem.asRank3(), variant, input, outputGradient, weightGradient);
        } catch (DeviceException e) {
            if (!Shortage.isMemory(e)) {
                throw e;
            }
            // Tensors that stay on the device have taken their room already.
            if (input instanceof Tensor x
                    && outputGradient instanceof Tensor gy
                    && weightGradient instanceof Tensor gw
                    && split(problem, variant, x, gy, gw)) {
                return;
            }
            String what = "the gradient by the weight of %s, which has no smaller part".formatted(problem);
            long elements = (long) input.elements() + outputGradient.elements() + weightGradient.elements();
            throw Shortage.explained(e, session.device(), what, Float.BYTES * elements);
        }
    }

    private void whole(
            Problem rank3,
            WeightGradientVariant variant,
            Operand input,
            Operand outputGradient,
            Operand weightGradient) {
        // Kernels that share their helpers with the forward pass want the constants of its epilogue, which has nothing
        // to do here.
        String options = LayerConstants.withEpilogue(LayerConstants.of(rank3.layer()), false, false, Activation.none())
                + variant.constants();
        Program program = session.programs().get(variant.sources(), options);
        try (Call call = session.call()) {
            DeviceBuffer x = call.operand(input);
            DeviceBuffer gy = call.operand(outputGradient);
            DeviceBuffer result = variant.adds() ? call.updated(weightGradient) : call.result(weightGradient);
            Parted gw = new Parted(session, call, result, variant.blocks(), weightGradient.elements());
            List<DeviceBuffer> workspaces = Arrays.stream(variant.workspaces())
                    .mapToObj(call::workspace)
                    .toList();
            for (WeightGradientVariant.Step step : variant.steps()) {
                try (Kernel kernel = program.kernel(step.kernel())) {
                    for (WeightGradientVariant.Role role : step.buffers()) {
                        kernel.with(
                                switch (role) {
                                    case INPUT -> x;
                                    case OUTPUT_GRADIENT -> gy;
                                    case WEIGHT_GRADIENT -> gw.target();
                                    case FIRST_WORKSPACE -> workspaces.get(0);
                                    case SECOND_WORKSPACE -> workspaces.get(1);
                                });
                    }
                    kernel.with(step.arguments())
                            .with(LayerConstants.sizes(rank3))
                            .enqueue(session.queue(), step.range());
                }
            }
            gw.add();
            call.complete(program);
        }
    }

    /** Computes in two parts; false if there are none. */
    private boolean split(Problem problem, WeightGradientVariant variant, Tensor x, Tensor gy, Tensor gw) {
        TransposedConvolution layer = problem.layer();
        int groups = layer.groups();
        int inputs = layer.inChannels() / groups;
        int outputs = layer.outChannels() / groups;
        WeightGradientVariant adding = variant.adding();
        if (adding != null && problem.batch() > 1) {
            int half = problem.batch() / 2;
            images(problem, variant, x, gy, gw, 0, half);
            images(problem, adding, x, gy, gw, half, problem.batch());
        } else if (groups > 1) {
            for (Channels some : halves(groups)) {
                Channels in = new Channels(some.begin * inputs, some.end * inputs);
                Channels out = new Channels(some.begin * outputs, some.end * outputs);
                channels(problem, variant, x, gy, gw, some.count(), in, out);
            }
        } else if (inputs > 1 && (outputs == 1 || floats(variant, 0, x) >= floats(variant, 1, gy))) {
            for (Channels in : halves(inputs)) {
                channels(problem, variant, x, gy, gw, 1, in, new Channels(0, outputs));
            }
        } else if (outputs > 1) {
            for (Channels out : halves(outputs)) {
                channels(problem, variant, x, gy, gw, 1, new Channels(0, inputs), out);
            }
        } else {
            return false;
        }
        return true;
    }

    /** What an operand takes, with the workspace that it is packed into if it is. */
    private static long floats(WeightGradientVariant variant, int place, Tensor operand) {
        long[] workspaces = variant.workspaces();
        return operand.elements() + (place < workspaces.length ? workspaces[place] : 0);
    }

    /** Powers of two, of which few parts differ: a program is compiled for each number of channels. */
    private static List<Channels> halves(int count) {
        int half = Integer.highestOneBit(count - 1);
        return List.of(new Channels(0, half), new Channels(half, count));
    }

    private void images(
            Problem problem, WeightGradientVariant variant, Tensor x, Tensor gy, Tensor gw, int begin, int end) {
        Problem part = problem.layer().problem(end - begin, Parts.sizes(problem));
        compute(part, variant, Slices.outer(x, begin, end), Slices.outer(gy, begin, end), gw);
    }

    private void channels(
            Problem problem,
            WeightGradientVariant variant,
            Tensor x,
            Tensor gy,
            Tensor gw,
            int groups,
            Channels in,
            Channels out) {
        TransposedConvolution layer = new TransposedConvolution(
                in.count(), out.count(), groups, problem.layer().axes());
        Problem part = layer.problem(problem.batch(), Parts.sizes(problem));
        Tensor rows = Slices.outer(gw, in.begin, in.end);
        int columns = out.count() / groups;
        Tensor written = rows;
        if (columns < rows.size(1)) {
            written = Tensor.zeros(layer.weightShape());
            if (variant.adds()) {
                Slices.copy(1, rows, out.begin, written, 0, columns);
            }
        }
        compute(
                part,
                variant.of(part.asRank3()),
                Slices.channels(x, in.begin, in.end),
                Slices.channels(gy, out.begin, out.end),
                written);
        if (written != rows) {
            Slices.copy(1, written, 0, rows, out.begin, columns);
        }
    }
}
