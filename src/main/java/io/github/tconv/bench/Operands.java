package io.github.tconv.bench;

import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.util.SplittableRandom;

/**
 * What every contender computes, and on what: the same memory for all of them, so that none finds its input in a warmer
 * cache.
 *
 * @param problem the layer and its sizes
 * @param operation what is computed of it
 * @param input the problem's input, uniform in [-1, 1)
 * @param weight the layer's weight, uniform in [-1, 1)
 * @param outputGradient of the shape of the problem's output, uniform in [-1, 1); all zeros for the forward pass
 */
public record Operands(
        Problem problem, BenchmarkOperation operation, Tensor input, Tensor weight, Tensor outputGradient) {
    private static final long SEED = 20_240_229;

    /**
     * Makes operands, the same ones every time.
     *
     * @param problem the layer and its sizes
     * @param operation what is to be computed
     * @return operands with random values
     */
    public static Operands random(Problem problem, BenchmarkOperation operation) {
        SplittableRandom random = new SplittableRandom(SEED);
        return new Operands(
                problem,
                operation,
                random(random, problem.inputShape()),
                random(random, problem.layer().weightShape()),
                operation == BenchmarkOperation.FORWARD
                        ? Tensor.zeros(problem.outputShape())
                        : random(random, problem.outputShape()));
    }

    private static Tensor random(SplittableRandom random, int[] shape) {
        Tensor tensor = Tensor.zeros(shape);
        for (int i = 0; i < tensor.elements(); i++) {
            tensor.set(i, (float) random.nextDouble(-1, 1));
        }
        return tensor;
    }
}
