package io.github.tconv.verify;

import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.util.function.DoubleSupplier;
import java.util.function.DoubleUnaryOperator;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * Everything that an operation of a problem may read.
 *
 * @param input of the problem's input shape
 * @param weight of the layer's weight shape
 * @param outputGradient of the problem's output shape
 * @param bias one value an output channel
 * @param adjointBias one value an input channel, the bias of the adjoint convolution
 * @param residual of the problem's output shape
 * @param slopes one value an output channel, all of them powers of two so that scaling by them is exact
 * @param adjointSlopes one value an input channel, likewise
 * @param adjointResidual of the shape of what the adjoint convolution makes of the output
 */
record Operands(
        Tensor input,
        Tensor weight,
        Tensor outputGradient,
        Tensor bias,
        Tensor adjointBias,
        Tensor residual,
        Tensor slopes,
        Tensor adjointSlopes,
        Tensor adjointResidual) {

    /** The largest integer among {@link #integers}. */
    static final int AMPLITUDE = 4;

    /** No magnitude among {@link #reals} is larger. */
    static final double LARGEST_REAL = 1;

    /** Integers of which every partial sum is exact in float32, whatever the order, as long as it is below 2^24. */
    static Operands integers(Problem problem, long seed) {
        RandomGenerator random = generator(seed);
        return fill(problem, () -> random.nextInt(-AMPLITUDE, AMPLITUDE + 1), random);
    }

    /** Reals in [-1, 1) with all 24 bits: multiples of 2^-23, so that no product or sum is ever subnormal. */
    static Operands reals(Problem problem, long seed) {
        RandomGenerator random = generator(seed);
        return fill(problem, () -> Math.scalb((double) random.nextInt(1 << 24), -23) - 1, random);
    }

    private static RandomGenerator generator(long seed) {
        return RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
    }

    private static Operands fill(Problem problem, DoubleSupplier values, RandomGenerator random) {
        return new Operands(
                filled(values, problem.inputShape()),
                filled(values, problem.layer().weightShape()),
                filled(values, problem.outputShape()),
                filled(values, problem.layer().outChannels()),
                filled(values, problem.layer().inChannels()),
                filled(values, problem.outputShape()),
                slopes(random, problem.layer().outChannels()),
                slopes(random, problem.layer().inChannels()),
                filled(values, Check.convolved(problem).inputShape()));
    }

    private static Tensor slopes(RandomGenerator random, int channels) {
        return filled(() -> Math.scalb(1.0, random.nextInt(-3, 1)), channels);
    }

    private static Tensor filled(DoubleSupplier values, int... shape) {
        Tensor tensor = Tensor.zeros(shape);
        for (int i = 0; i < tensor.elements(); i++) {
            tensor.set(i, (float) values.getAsDouble());
        }
        return tensor;
    }

    /** The absolute values of all operands: with them an operation computes the sum of its terms' magnitudes. */
    Operands magnitudes() {
        return new Operands(
                map(input, Math::abs),
                map(weight, Math::abs),
                map(outputGradient, Math::abs),
                map(bias, Math::abs),
                map(adjointBias, Math::abs),
                map(residual, Math::abs),
                slopes,
                adjointSlopes,
                map(adjointResidual, Math::abs));
    }

    private static Tensor map(Tensor tensor, DoubleUnaryOperator function) {
        Tensor mapped = Tensor.zeros(tensor.shape());
        for (int i = 0; i < tensor.elements(); i++) {
            mapped.set(i, (float) function.applyAsDouble(tensor.get(i)));
        }
        return mapped;
    }
}
