package io.github.tconv.opencl;

import io.github.tconv.op.Backend;
import io.github.tconv.op.DeviceException;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The gradient by the weight on one device. Where that has no room for a call, the call is made in parts: the images of
 * the batch, of a variant that adds them one after the other; then parts of the weight, each over all that is left of the
 * batch: some groups, in the end some input or output channels of one. The bits are those of the whole, for all parts are
 * computed by the variant that was chosen for the whole, and that alone cuts the sum.
 */
final class WeightGradient {
    private final Session session;
    private final WeightGradientRule rule;
    /** What problems that came so far are computed by; empty where that is the oracle. */
    private final Remembered<Optional<WeightGradientLaunch>> sound = new Remembered<>();

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

    /** Computes by the first variant that proves itself, or has the oracle compute where none does. */
    void compute(Problem problem, Operand input, Operand outputGradient, Operand weightGradient) {
        Problem rank3 = problem.asRank3();
        WeightGradientLaunch launch =
                sound.get(rank3, () -> Optional.ofNullable(choose(rank3))).orElse(null);
        if (launch != null) {
            compute(problem, launch, input, outputGradient, weightGradient);
        } else {
            Backend oracle = session.selfCheck().oracle();
            Tensor x = Substitute.onHost(session, input);
            Tensor gy = Substitute.onHost(session, outputGradient);
            Substitute.intoHost(session, weightGradient, gw -> oracle.weightGradient(problem, x, gy, gw));
        }
    }

    private @Nullable WeightGradientLaunch choose(Problem rank3) {
        WeightGradientVariant first = rule.choose(rank3, session.device());
        WeightGradientLaunch launch = WeightGradientLaunch.sound(session, rank3, first);
        if (launch != null) {
            return launch;
        }
        return WeightGradientRule.others(first, rank3, session.device()).stream()
                .map(variant -> WeightGradientLaunch.sound(session, rank3, variant))
                .filter(Objects::nonNull)
                .findFirst()
                .orElse(null);
    }

    /** Computes at once if the device has room, in parts if it has not. */
    private void compute(
            Problem problem,
            WeightGradientLaunch launch,
            Operand input,
            Operand outputGradient,
            Operand weightGradient) {
        try {
            launch.compute(input, outputGradient, weightGradient);
        } catch (DeviceException e) {
            if (!Shortage.isMemory(e)) {
                throw e;
            }
            // Tensors that stay on the device have taken their room already.
            if (input instanceof Tensor x
                    && outputGradient instanceof Tensor gy
                    && weightGradient instanceof Tensor gw
                    && split(problem, launch.variant(), x, gy, gw)) {
                return;
            }
            String what = "the gradient by the weight of %s, which has no smaller part".formatted(problem);
            long elements = (long) input.elements() + outputGradient.elements() + weightGradient.elements();
            throw Shortage.explained(e, session.device(), what, Float.BYTES * elements);
        }
    }

    /** Computes a part, which has the bits of the whole: by the whole's variant and no other. */
    private void part(Problem part, WeightGradientVariant variant, Tensor x, Tensor gy, Tensor gw) {
        WeightGradientLaunch launch = WeightGradientLaunch.sound(session, part.asRank3(), variant);
        if (launch == null) {
            throw new DeviceException("no kernel is left: of %s a part is computed by %s, and that computes wrong (%s)"
                    .formatted(part, variant.name(), session.device()));
        }
        compute(part, launch, x, gy, gw);
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
        part(part, variant, Slices.outer(x, begin, end), Slices.outer(gy, begin, end), gw);
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
        part(
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
