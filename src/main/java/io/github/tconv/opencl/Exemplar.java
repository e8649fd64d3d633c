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
import java.util.function.DoubleUnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Operands of a problem for which every float32 sum is exact in any order, and whose exact result costs an oracle little.
 *
 * <p>The values are whole numbers, and the weight is scaled by a power of two that brings the sums near 1, where no
 * activation is flat. The weight's rows (one an input channel) are copies of a few prototypes, each chosen at random. By
 * linearity the result is that of a layer with one input channel a prototype, which reads the sum of the channels that
 * share it: some tens of times less work than the layer itself, and all of its output is compared.
 *
 * <p>The adjoint convolution has as many different channels of its result, and a gradient by the weight, whose input's
 * channels are copies of as many, that many different rows.
 *
 * <p>The oracle is another {@link Backend}: this room knows no other way to compute a layer than its own.
 */
final class Exemplar {
    /** Different rows of the weight in a group. A channel that meets another's row is noticed with three in four. */
    private static final int PROTOTYPES = 4;
    /** The same where so many would have more than {@link #MOST_DISTINCT} elements: a layer of few and large rows. */
    private static final int FEW_PROTOTYPES = 2;

    private static final long MOST_DISTINCT = 1 << 17;
    /** The largest whole number among the operands. */
    private static final int AMPLITUDE = 4;
    /** What is drawn from, with four random bits. */
    private static final float[] VALUES = {-4, -4, -3, -3, -2, -1, -1, 0, 0, 1, 1, 2, 3, 3, 4, 4};
    /** So many values are drawn, and then come again: a prime, so that no two rows or channels are the same. */
    private static final int PERIOD = 16381;
    /** From here on float32 leaves out whole numbers. */
    private static final double EXACT = 0x1p24;
    /**
     * By how much minimal filtering of both axes brings the terms of a weight's gradient nearer to that: quarters, and
     * magnitudes that grow eightfold an axis ({@link WeightGradientPanels#errorGrowth}).
     */
    private static final double PANELS = 4 * 8 * 8;

    private final Problem problem;
    private final Parts direction;
    private final Activation activation;
    private final Problem narrow;
    /** For each input channel the one of the narrow layer whose row it has. */
    private final int[] prototypeOf;

    private final int seed;
    /** Of the longest sum. */
    private final double terms;

    private final double unit;
    private final Tensor bias;
    private @Nullable Tensor narrowWeight;
    private @Nullable Tensor read;
    private @Nullable Tensor weight;
    private @Nullable Tensor residual;

    /** Makes operands of the forward pass. */
    Exemplar(Problem problem, Activation like) {
        this(problem, like, Parts.FORWARD);
    }

    /**
     * Makes operands, the same ones for the same problem.
     *
     * @param problem of rank 3
     * @param like the function at the end; slopes of its own are replaced
     * @param direction whether the layer is computed or its adjoint convolution
     */
    Exemplar(Problem problem, Activation like, Parts direction) {
        TransposedConvolution layer = problem.layer();
        this.problem = problem;
        this.direction = direction;
        // Strings have the same hash everywhere.
        seed = problem.toString().hashCode();
        SplittableRandom random = new SplittableRandom(seed);
        int groups = layer.groups();
        int icPerGroup = layer.inChannels() / groups;
        int ocPerGroup = layer.outChannels() / groups;
        int prototypes = prototypes(layer);
        narrow = new TransposedConvolution(groups * prototypes, layer.outChannels(), groups, layer.axes())
                .problem(problem.batch(), problem.inputSize(0), problem.inputSize(1), problem.inputSize(2));
        prototypeOf = new int[layer.inChannels()];
        for (int ic = 0; ic < prototypeOf.length; ic++) {
            prototypeOf[ic] = ic / icPerGroup * prototypes + random.nextInt(prototypes);
        }

        long taps = rowElements(layer) / ocPerGroup;
        terms = (double) (direction == Parts.FORWARD ? icPerGroup : ocPerGroup) * taps;
        unit = Math.scalb(1.0, -(int) Math.round(Math.log(Math.sqrt(terms) * AMPLITUDE) / Math.log(2)));
        int channels = direction.writtenShape(problem)[1];
        bias = whole(random, unit, channels);
        activation = like.kind() == Activation.Kind.PRELU ? Activation.prelu(powersOfTwo(random, channels)) : like;
    }

    private static long rowElements(TransposedConvolution layer) {
        return product(layer.weightShape()) / layer.inChannels();
    }

    private static int prototypes(TransposedConvolution layer) {
        boolean large = PROTOTYPES * rowElements(layer) * layer.groups() > MOST_DISTINCT;
        return Math.min(large ? FEW_PROTOTYPES : PROTOTYPES, layer.inChannels() / layer.groups());
    }

    /** The weight's different rows. */
    private Tensor narrowWeight() {
        if (narrowWeight == null) {
            narrowWeight =
                    whole(new SplittableRandom(seed + 1L), unit, narrow.layer().weightShape());
        }
        return narrowWeight;
    }

    /** Whole numbers in every so many-th channel. */
    private static Tensor channels(SplittableRandom random, int every, int... shape) {
        Tensor tensor = whole(random, 1, shape);
        float[] nothing = new float[tensor.elements() / (shape[0] * shape[1])];
        for (int plane = 0; every > 1 && plane < shape[0] * shape[1]; plane++) {
            if (plane % shape[1] % every != 0) {
                tensor.floats().put(plane * nothing.length, nothing);
            }
        }
        return tensor;
    }

    /** Adds up the channels of an input that share a prototype. */
    private Tensor sums(Tensor input) {
        Tensor sums = Tensor.zeros(narrow.inputShape());
        int plane = input.elements() / (problem.batch() * prototypeOf.length);
        int narrowChannels = narrow.layer().inChannels();
        float[] values = new float[plane];
        float[] sum = new float[plane];
        for (int n = 0; n < problem.batch(); n++) {
            for (int ic = 0; ic < prototypeOf.length; ic++) {
                int to = (n * narrowChannels + prototypeOf[ic]) * plane;
                input.floats().get((n * prototypeOf.length + ic) * plane, values);
                sums.floats().get(to, sum);
                for (int i = 0; i < plane; i++) {
                    sum[i] += values[i];
                }
                sums.floats().put(to, sum);
            }
        }
        return sums;
    }

    /** Whole numbers, the same ones for the same shape. */
    static Tensor whole(int... shape) {
        return whole(new SplittableRandom(1), 1, shape);
    }

    private static Tensor whole(SplittableRandom random, double unit, int... shape) {
        Tensor tensor = Tensor.zeros(shape);
        float[] values = new float[Math.min(tensor.elements(), PERIOD)];
        long bits = 0;
        for (int i = 0; i < values.length; i++) {
            bits = i % (Long.SIZE / 4) == 0 ? random.nextLong() : bits >>> 4;
            values[i] = (float) (VALUES[(int) bits & 15] * unit);
        }
        for (int i = 0; i < tensor.elements(); i += values.length) {
            tensor.floats().put(i, values, 0, Math.min(values.length, tensor.elements() - i));
        }
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
        TransposedConvolution layer = problem.layer();
        return problem.flops() * prototypes(layer) * layer.groups() / layer.inChannels();
    }

    Problem problem() {
        return problem;
    }

    /** The input, or the adjoint convolution's: of the output's shape. */
    Tensor read() {
        if (read == null) {
            // So long a sum is exact only if most of its terms vanish.
            int every = (int) Math.ceil(AMPLITUDE * AMPLITUDE * (terms + 2) / EXACT);
            read = channels(new SplittableRandom(seed + 2L), every, direction.readShape(problem));
        }
        return read;
    }

    /** The weight. */
    Tensor weight() {
        if (weight == null) {
            weight = Tensor.zeros(problem.layer().weightShape());
            fillWeight(weight);
        }
        return weight;
    }

    /** Puts the weight into that of a layer, which may have more channels of the result; theirs stay what they are. */
    void fillWeight(Tensor target) {
        repeat(narrowWeight(), target, /* batch= */ 1, target.shape()[0]);
    }

    /** One value a channel of what is written. */
    Tensor bias() {
        return bias;
    }

    /** Of the shape of what is written. */
    Tensor residual() {
        if (residual == null) {
            residual = whole(new SplittableRandom(~seed), unit, direction.writtenShape(problem));
        }
        return residual;
    }

    /** Copies what the narrow layer has of each prototype to all channels that share it, of as many as the target has. */
    private void repeat(Tensor prototypes, Tensor target, int batch, int targetChannels) {
        int narrowChannels = narrow.layer().inChannels();
        ByteBuffer from = prototypes.memory();
        ByteBuffer to = target.memory();
        int bytes = from.remaining() / (batch * narrowChannels);
        int targetBytes = to.remaining() / (batch * targetChannels);
        for (int n = 0; n < batch; n++) {
            for (int ic = 0; ic < prototypeOf.length; ic++) {
                int prototype = n * narrowChannels + prototypeOf[ic];
                to.put((n * targetChannels + ic) * targetBytes, from, prototype * bytes, bytes);
            }
        }
    }

    /** The function, with slopes for which it is exact. */
    Activation activation() {
        return activation;
    }

    /** A tensor for the result, not-a-number everywhere, so that an element that is not written differs. */
    Tensor unwritten() {
        return unwritten(direction.writtenShape(problem));
    }

    /** The same for a result of another shape. */
    static Tensor unwritten(int... shape) {
        Tensor output = Tensor.zeros(shape);
        int elements = output.elements();
        erase(output.reshape(1, elements), elements);
        return output;
    }

    /** Makes the first elements of each block {@code (blocks, elements)} not-a-number. */
    static void erase(Tensor blocks, int first) {
        float[] nothing = new float[Math.min(first, 1 << 14)];
        Arrays.fill(nothing, Float.NaN);
        for (int block = 0; block < blocks.elements(); block += blocks.size(1)) {
            for (int done = 0; done < first; done += nothing.length) {
                blocks.floats().put(block + done, nothing, 0, Math.min(nothing.length, first - done));
            }
        }
    }

    /** Has an oracle compute {@code activation(layer + bias + residual)}, or the adjoint convolution in its place. */
    Tensor expected(Backend oracle, boolean hasBias, boolean hasResidual) {
        Tensor output = Tensor.zeros(direction.writtenShape(problem));
        if (direction == Parts.FORWARD) {
            try (Backend.PreparedLayer layer =
                    oracle.prepare(narrow.layer(), narrowWeight(), hasBias ? bias : null, activation)) {
                layer.forward(narrow, sums(read()), hasResidual ? residual() : null, output);
            }
            return output;
        }
        Tensor prototypes = Tensor.zeros(narrow.inputShape());
        oracle.inputGradient(narrow, read(), narrowWeight(), null, prototypes);
        repeat(prototypes, output, problem.batch(), prototypeOf.length);
        // The channels of one prototype have biases and slopes of their own, so these are not the oracle's.
        int plane = output.elements() / (problem.batch() * prototypeOf.length);
        for (int i = 0; i < output.elements(); i++) {
            int channel = i / plane % prototypeOf.length;
            double sum = output.get(i)
                    + (hasBias ? bias.get(channel) : 0)
                    + (hasResidual ? residual().get(i) : 0);
            output.set(i, (float) activation.apply(sum, channel));
        }
        return output;
    }

    /** The operands of a gradient by the weight, whose input has channels of the same values. */
    WeightGradientOperands ofWeightGradient() {
        SplittableRandom random = new SplittableRandom(~seed);
        Tensor few = whole(random, 1, narrow.inputShape());
        long positions = few.elements() / narrow.layer().inChannels();
        // So long a sum is exact only if most of its terms vanish.
        int every = (int) Math.ceil(AMPLITUDE * AMPLITUDE * PANELS * positions / EXACT);
        for (int i = 0; every > 1 && i < few.elements(); i++) {
            few.set(i, i % every == 0 ? few.get(i) : 0);
        }
        Tensor input = Tensor.zeros(problem.inputShape());
        repeat(few, input, problem.batch(), prototypeOf.length);
        return new WeightGradientOperands(few, input, whole(random, 1, problem.outputShape()));
    }

    /**
     * What a gradient by the weight is computed of.
     *
     * @param few the channels of which the input's are copies
     * @param input the input
     * @param outputGradient the output gradient
     */
    record WeightGradientOperands(Tensor few, Tensor input, Tensor outputGradient) {}

    /**
     * Compares a gradient by the weight with the oracle's; rows beyond the problem's own are not looked at.
     *
     * @return the first difference, or empty if there is none
     */
    Optional<String> difference(Backend oracle, WeightGradientOperands operands, Tensor weightGradient) {
        Tensor few = Tensor.zeros(narrow.layer().weightShape());
        oracle.weightGradient(narrow, operands.few(), operands.outputGradient(), few);
        int row = few.elements() / narrow.layer().inChannels();
        for (int ic = 0; ic < prototypeOf.length; ic++) {
            FloatBuffer wanted = few.floats().slice(prototypeOf[ic] * row, row);
            int i = wanted.mismatch(weightGradient.floats().slice(ic * row, row));
            if (i >= 0) {
                return Optional.of(different(
                        wanted.get(i), weightGradient, ic * row + i, "the gradient by the weight of " + problem));
            }
        }
        return Optional.empty();
    }

    /**
     * Compares a result with the oracle's: equal, but for what exp and tanh may be off.
     *
     * @return the first difference, or empty if there is none
     */
    Optional<String> difference(Tensor expected, Tensor actual) {
        return difference(expected, actual, problem.toString(), bound(activation));
    }

    /** How far a device may be off the exact value of a function of an exact sum: by nothing but what exp and tanh may. */
    static DoubleUnaryOperator bound(Activation activation) {
        return switch (activation.kind()) {
            case NONE, RELU, LEAKY_RELU, PRELU, CLAMP -> wanted -> 0;
            case SIGMOID, TANH, SILU -> Activation::errorBound;
        };
    }

    /** As the other, of results that are the same to the bit. */
    static Optional<String> difference(Tensor expected, Tensor actual, String what) {
        return difference(expected, actual, what, wanted -> 0);
    }

    /** As the other, of results that are off by no more than a bound for each expected value. */
    static Optional<String> difference(Tensor expected, Tensor actual, String what, DoubleUnaryOperator bound) {
        FloatBuffer wanted = expected.floats();
        FloatBuffer found = actual.floats();
        for (int i = 0; i < expected.elements(); i++) {
            float e = wanted.get(i);
            if (!(Math.abs((double) found.get(i) - e) <= bound.applyAsDouble(e))) {
                return Optional.of(different(e, actual, i, what));
            }
        }
        return Optional.empty();
    }

    private static String different(float expected, Tensor actual, int element, String what) {
        return "expected %s, found %s at %s of %s"
                .formatted(expected, actual.get(element), place(element, actual.shape()), what);
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
