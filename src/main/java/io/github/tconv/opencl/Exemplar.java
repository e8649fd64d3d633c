package io.github.tconv.opencl;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Backend;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.Optional;
import java.util.SplittableRandom;

/**
 * Operands of a problem for which every float32 sum is exact in any order, and whose exact result costs an oracle little.
 *
 * <p>The values are whole numbers, and the weight is scaled by a power of two that brings the sums near 1, where no
 * activation is flat. The weight's rows (one an input channel) are copies of a few prototypes, each chosen at random. By
 * linearity the result is that of a layer with one input channel a prototype, which reads the sum of the channels that
 * share it: some tens of times less work than the layer itself, and all of its output is compared.
 *
 * <p>The oracle is another {@link Backend}: this room knows no other way to compute a layer than its own.
 */
final class Exemplar {
    /** Different rows of the weight in a group. A channel that meets another's row is noticed with three in four. */
    private static final int PROTOTYPES = 4;
    /** The largest whole number among the operands. */
    private static final int AMPLITUDE = 4;
    /** From here on float32 leaves out whole numbers. */
    private static final double EXACT = 0x1p24;

    private final Problem problem;
    private final Activation activation;
    private final Tensor input;
    private final Tensor weight;
    private final Tensor bias;
    private final Tensor residual;
    private final Tensor adjointBias;
    private final Tensor narrowInput;
    private final Tensor narrowWeight;
    private final Problem narrow;
    /** For each input channel the one of the narrow layer whose row it has. */
    private final int[] prototypeOf;

    /**
     * Makes operands, the same ones for the same problem.
     *
     * @param problem of rank 3
     * @param like the function at the end; slopes of its own are replaced
     */
    Exemplar(Problem problem, Activation like) {
        TransposedConvolution layer = problem.layer();
        this.problem = problem;
        // Strings have the same hash everywhere.
        SplittableRandom random = new SplittableRandom(problem.toString().hashCode());
        int groups = layer.groups();
        int icPerGroup = layer.inChannels() / groups;
        int prototypes = Math.min(PROTOTYPES, icPerGroup);
        int row = Math.toIntExact(product(layer.weightShape()) / layer.inChannels());
        long taps = row / (layer.outChannels() / groups);

        double terms = (double) icPerGroup * taps;
        // So long a sum is exact only if most of its terms vanish.
        int everyChannel = (int) Math.ceil(AMPLITUDE * AMPLITUDE * (terms + 2) / EXACT);
        double unit = Math.scalb(1.0, -(int) Math.round(Math.log(Math.sqrt(terms) * AMPLITUDE) / Math.log(2)));

        narrow = new TransposedConvolution(groups * prototypes, layer.outChannels(), groups, layer.axes())
                .problem(problem.batch(), problem.inputSize(0), problem.inputSize(1), problem.inputSize(2));
        narrowWeight = whole(random, unit, narrow.layer().weightShape());
        narrowInput = Tensor.zeros(narrow.inputShape());
        input = Tensor.zeros(problem.inputShape());
        weight = Tensor.zeros(layer.weightShape());
        prototypeOf = new int[layer.inChannels()];
        ByteBuffer rows = narrowWeight.memory();
        ByteBuffer all = weight.memory();
        int rowBytes = row * Float.BYTES;
        for (int ic = 0; ic < prototypeOf.length; ic++) {
            prototypeOf[ic] = ic / icPerGroup * prototypes + random.nextInt(prototypes);
            all.put(ic * rowBytes, rows, prototypeOf[ic] * rowBytes, rowBytes);
        }
        fillInputs(random, everyChannel);
        bias = whole(random, unit, layer.outChannels());
        adjointBias = whole(random, unit, layer.inChannels());
        residual = whole(random, unit, problem.outputShape());
        activation = like.kind() == Activation.Kind.PRELU
                ? Activation.prelu(powersOfTwo(random, layer.outChannels()))
                : like;
    }

    private void fillInputs(SplittableRandom random, int everyChannel) {
        int plane = input.elements() / (problem.batch() * prototypeOf.length);
        int narrowChannels = narrow.layer().inChannels();
        FloatBuffer wide = input.floats();
        FloatBuffer sums = narrowInput.floats();
        float[] values = new float[plane];
        for (int n = 0; n < problem.batch(); n++) {
            for (int ic = 0; ic < prototypeOf.length; ic++) {
                if (ic % everyChannel != 0) {
                    continue;
                }
                int sum = (n * narrowChannels + prototypeOf[ic]) * plane;
                for (int i = 0; i < plane; i++) {
                    values[i] = random.nextInt(-AMPLITUDE, AMPLITUDE + 1);
                    sums.put(sum + i, sums.get(sum + i) + values[i]);
                }
                wide.put((n * prototypeOf.length + ic) * plane, values);
            }
        }
    }

    private static Tensor whole(SplittableRandom random, double unit, int... shape) {
        Tensor tensor = Tensor.zeros(shape);
        float[] values = new float[tensor.elements()];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (random.nextInt(-AMPLITUDE, AMPLITUDE + 1) * unit);
        }
        tensor.floats().put(0, values);
        return tensor;
    }

    private static Tensor powersOfTwo(SplittableRandom random, int count) {
        Tensor tensor = Tensor.zeros(count);
        for (int i = 0; i < count; i++) {
            tensor.set(i, (float) Math.scalb(1.0, random.nextInt(-3, 1)));
        }
        return tensor;
    }

    private static long product(int[] sizes) {
        return Arrays.stream(sizes).asLongStream().reduce(1, Math::multiplyExact);
    }

    /** Returns the work that the result of a problem costs an oracle, by the usual count. */
    static double oracleFlops(Problem problem) {
        int icPerGroup = problem.layer().inChannels() / problem.layer().groups();
        return problem.flops() * Math.min(PROTOTYPES, icPerGroup) / icPerGroup;
    }

    Problem problem() {
        return problem;
    }

    Tensor input() {
        return input;
    }

    Tensor weight() {
        return weight;
    }

    /** One value an output channel. */
    Tensor bias() {
        return bias;
    }

    /** Of the output's shape. */
    Tensor residual() {
        return residual;
    }

    /** For the gradients, of the output's shape. */
    Tensor outputGradient() {
        return residual;
    }

    /** One value an input channel, the bias of the adjoint convolution. */
    Tensor adjointBias() {
        return adjointBias;
    }

    /**
     * An input for the gradient by the weight: channels that have the same row of the weight have the same values too, so
     * that the gradient has rows of a few prototypes.
     */
    Tensor repeatedInput() {
        Tensor repeated = Tensor.zeros(problem.inputShape());
        repeat(narrowInput, repeated, problem.batch());
        return repeated;
    }

    /** Copies what the narrow layer has of each prototype to all channels that share it. */
    private void repeat(Tensor prototypes, Tensor channels, int batch) {
        int row = channels.elements() / (batch * prototypeOf.length);
        int narrowChannels = narrow.layer().inChannels();
        FloatBuffer from = prototypes.floats();
        FloatBuffer to = channels.floats();
        for (int n = 0; n < batch; n++) {
            for (int ic = 0; ic < prototypeOf.length; ic++) {
                to.put((n * prototypeOf.length + ic) * row, from, (n * narrowChannels + prototypeOf[ic]) * row, row);
            }
        }
    }

    /** The function, with slopes for which it is exact. */
    Activation activation() {
        return activation;
    }

    /** A tensor for the result, not-a-number everywhere, so that an element that is not written differs. */
    Tensor unwritten() {
        return unwritten(problem.outputShape());
    }

    /** The same for a result of another shape. */
    static Tensor unwritten(int... shape) {
        Tensor output = Tensor.zeros(shape);
        float[] nothing = new float[output.elements()];
        Arrays.fill(nothing, Float.NaN);
        output.floats().put(0, nothing);
        return output;
    }

    /** Has an oracle compute {@code activation(layer + bias + residual)}. */
    Tensor expected(Backend oracle, boolean hasBias, boolean hasResidual) {
        Tensor output = Tensor.zeros(problem.outputShape());
        try (Backend.PreparedLayer layer =
                oracle.prepare(narrow.layer(), narrowWeight, hasBias ? bias : null, activation)) {
            layer.forward(narrow, narrowInput, hasResidual ? residual : null, output);
        }
        return output;
    }

    /** Has an oracle compute the gradient by the input of {@link #outputGradient}, with the adjoint's bias. */
    Tensor expectedInputGradient(Backend oracle, boolean hasBias) {
        Tensor prototypes = Tensor.zeros(narrow.inputShape());
        oracle.inputGradient(narrow, outputGradient(), narrowWeight, null, prototypes);
        Tensor gradient = Tensor.zeros(problem.inputShape());
        repeat(prototypes, gradient, problem.batch());
        int plane = gradient.elements() / (problem.batch() * prototypeOf.length);
        for (int i = 0; hasBias && i < gradient.elements(); i++) {
            gradient.set(i, gradient.get(i) + adjointBias.get(i / plane % prototypeOf.length));
        }
        return gradient;
    }

    /** Has an oracle compute the gradient by the weight of {@link #repeatedInput} and {@link #outputGradient}. */
    Tensor expectedWeightGradient(Backend oracle) {
        Tensor prototypes = Tensor.zeros(narrow.layer().weightShape());
        oracle.weightGradient(narrow, narrowInput, outputGradient(), prototypes);
        Tensor gradient = Tensor.zeros(problem.layer().weightShape());
        repeat(prototypes, gradient, /* batch= */ 1);
        return gradient;
    }

    /**
     * Compares a result with the oracle's: equal, but for what exp and tanh may be off.
     *
     * @return the first difference, or empty if there is none
     */
    Optional<String> difference(Tensor expected, Tensor actual) {
        boolean exact = switch (activation.kind()) {
            case NONE, RELU, LEAKY_RELU, PRELU, CLAMP -> true;
            case SIGMOID, TANH, SILU -> false;
        };
        FloatBuffer wanted = expected.floats();
        FloatBuffer found = actual.floats();
        for (int i = 0; i < expected.elements(); i++) {
            float e = wanted.get(i);
            double bound = exact ? 0 : Activation.errorBound(e);
            if (!(Math.abs((double) found.get(i) - e) <= bound)) {
                return Optional.of("expected %s, found %s at %s of %s"
                        .formatted(e, found.get(i), place(i, actual.shape()), problem));
            }
        }
        return Optional.empty();
    }

    /** The indices of an element, outermost first. */
    static String place(int element, int[] shape) {
        int[] indices = new int[shape.length];
        int rest = element;
        for (int a = shape.length - 1; a >= 0; a--) {
            indices[a] = rest % shape[a];
            rest /= shape[a];
        }
        return Arrays.toString(indices);
    }
}
