package io.github.tconv.opencl;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Axis;
import io.github.tconv.op.Backend;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.util.List;
import java.util.Optional;

/**
 * A recipe computes a small problem of the layer it is for, with the program it is for: the same constants, the same
 * packing, staging and storing, the layer's own channels. Of a layer with many weights only the first channels of the
 * result are computed, where the variant can do so: whole blocks of them, by fewer work-items of the same kernels.
 *
 * @param session where
 * @param layer of rank 3
 * @param recipe what is tried
 * @param hasBias whether the program adds one
 * @param activation what the program applies
 * @param direction whether the program computes the layer or its adjoint convolution
 */
record LayerTrial(
        Session session,
        TransposedConvolution layer,
        Recipe recipe,
        boolean hasBias,
        Activation activation,
        Parts direction)
        implements SelfCheck.Trial {
    /** Operations of the oracle, for a millisecond or two of plain Java that is just warming up. */
    private static final double MOST_FLOPS = 400_000;

    /** Operations of the device beyond which a trial would be no trifle any more. */
    private static final double MOST_DEVICE_FLOPS = 1e9;

    /** Weights beyond which only some channels of the result are computed, whole blocks of them. */
    static final int MOST_WEIGHTS = 1 << 18;

    /** Images, and how many steps the sizes are beyond the least that the layer takes; the best first. */
    private static final List<int[]> SIZES = List.of(
            new int[] {2, 1, 2, 69},
            new int[] {2, 1, 2, 18},
            new int[] {2, 1, 2, 6},
            new int[] {2, 0, 1, 4},
            new int[] {1, 0, 1, 2},
            new int[] {1, 0, 0, 1});

    @Override
    public Optional<String> difference(Backend oracle) {
        Problem small = compared();
        if (isLarge(small)) {
            return Optional.empty();
        }
        Problem whole = wholeLayer(small);
        Exemplar operands = new Exemplar(small, activation, direction);
        Tensor output = Exemplar.unwritten(direction.writtenShape(whole));
        try (Scratch weight = session.host().scratch(layer.weightShape())) {
            operands.fillWeight(weight.tensor());
            compute(operands, whole, weight.tensor(), output);
        }
        return operands.difference(
                operands.expected(oracle, hasBias, recipe.hasResidual()), Slices.resized(output, 1, channels(small)));
    }

    private void compute(Exemplar operands, Problem whole, Tensor weight, Tensor output) {
        int compared = channels(operands.problem());
        int all = channels(whole);
        Activation like = operands.activation();
        ForwardVariant variant = compared == all
                ? RetiledVariant.always(recipe.variant(), recipe.tile())
                : new FirstChannels(recipe.variant(), recipe.tile(), compared, all);
        try (PreparedForward once = new PreparedForward(
                session,
                layer,
                weight,
                hasBias ? Slices.resized(operands.bias(), 0, all) : null,
                like.slopes() instanceof Tensor slopes ? Activation.prelu(Slices.resized(slopes, 0, all)) : like,
                direction,
                (problem, device) -> variant,
                /* copy= */ false,
                SelfCheck.OFF)) {
            Tensor residual = recipe.hasResidual() ? Slices.resized(operands.residual(), 1, all) : null;
            once.forward(whole, operands.read(), residual, output);
        }
    }

    /** The problem whose result is compared: of the layer, or of one with its first channels where all would take long. */
    private Problem compared() {
        Problem small = problem(layer);
        int all = channels(small);
        long weights = Tensor.elementsOf(layer.weightShape());
        int block = recipe.tile().blockChannels(oneImage(small));
        if (layer.groups() > 1 || block == 0 || weights <= MOST_WEIGHTS) {
            return small;
        }
        // A second block shows whether the kernel goes from one to the next; a larger one goes from tile to tile
        // itself.
        long blockWeights = weights / all * block;
        long blocks = blockWeights <= 2 * MOST_WEIGHTS ? Math.max(2, MOST_WEIGHTS / blockWeights) : 1;
        long channels = blocks * block;
        if (channels >= all) {
            return small;
        }
        Problem part = problem(
                direction == Parts.FORWARD
                        ? new TransposedConvolution(layer.inChannels(), (int) channels, 1, layer.axes())
                        : new TransposedConvolution((int) channels, layer.outChannels(), 1, layer.axes()));
        return recipe.tile().blockChannels(wholeLayer(part)) == 0 ? oneImage(part) : part;
    }

    private Problem wholeLayer(Problem part) {
        return resized(layer, part, part.batch());
    }

    private static Problem oneImage(Problem problem) {
        return resized(problem.layer(), problem, 1);
    }

    /** A problem of a layer with the sizes of another. */
    static Problem resized(TransposedConvolution layer, Problem like, int batch) {
        return layer.problem(batch, like.inputSize(0), like.inputSize(1), like.inputSize(2));
    }

    /** The channels of the result. */
    private int channels(Problem problem) {
        return direction.writtenShape(problem)[1];
    }

    /** Whether even the smallest problem of a layer is large, by its padding or its channels. */
    static boolean isLarge(Problem small) {
        return small.flops() > MOST_DEVICE_FLOPS;
    }

    /** The largest of some small problems that costs the oracle little: several images and rows, and a long row. */
    static Problem problem(TransposedConvolution layer) {
        int[] least = layer.axes().stream().mapToInt(LayerTrial::leastInput).toArray();
        Problem problem = null;
        for (int[] size : SIZES) {
            problem = layer.problem(
                    size[0],
                    least[0] + steps(layer, 0, size[1]),
                    least[1] + steps(layer, 1, size[2]),
                    least[2] + size[3]);
            if (Exemplar.oracleFlops(problem) <= MOST_FLOPS) {
                break;
            }
        }
        if (problem == null) {
            throw new IllegalStateException("there are sizes");
        }
        return problem;
    }

    /** An axis that the layer has only because all have three stays as it is. */
    private static int steps(TransposedConvolution layer, int axis, int steps) {
        Axis a = layer.axes().get(axis);
        boolean unused = a.kernel() == 1 && a.stride() == 1 && a.padBegin() == 0 && a.padEnd() == 0;
        return unused ? 0 : steps;
    }

    /** The smallest input of which padding leaves an output. */
    private static int leastInput(Axis axis) {
        long missing = Math.max(0, 1 - axis.outputSize(1));
        return Math.toIntExact(1 + Grid.tiles(missing, axis.stride()));
    }
}
