package io.github.tconv.opencl;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Elementwise;
import io.github.tconv.op.Loss;
import io.github.tconv.op.Optimizer;
import io.github.tconv.op.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.DoubleUnaryOperator;

/**
 * Small pieces of elementwise work that kernels compute and an oracle computes again. Operands are whole numbers, and the
 * factors powers of two, so that all is exact but exponentials, roots and divisions; sums are of several blocks, of which
 * the last is ragged.
 */
final class ElementwiseTrials {
    private static final int RAGGED = ChannelBlocks.LENGTH + 3;
    /** A vector of 16 and a rest. */
    private static final int FEW = 19;
    /** Of an element of an activation, its gradient or a step: some vectors and a rest. */
    private static final int[] SHAPE = {2, 3, 37};
    /** Magnitude of the gradients, which no derivative makes much larger. */
    private static final float LARGEST = 5;

    private static final Optimizer ADAM = new Optimizer.Adam(0.125, 0.5, 0.75, 1);
    private static final Optimizer SGD = new Optimizer.Sgd(0.125, 0.5);

    private ElementwiseTrials() {}

    /** Computes some results. */
    private interface Work {
        void compute(Elementwise by, List<Tensor> results);
    }

    private static Optional<String> difference(
            String what,
            Elementwise tried,
            Elementwise oracle,
            List<Tensor> results,
            Work work,
            DoubleUnaryOperator bound) {
        List<Tensor> expected = results.stream().map(Tensor::copy).toList();
        work.compute(oracle, expected);
        work.compute(tried, results);
        for (int i = 0; i < results.size(); i++) {
            Optional<String> difference = Exemplar.difference(expected.get(i), results.get(i), what, bound);
            if (difference.isPresent()) {
                return difference;
            }
        }
        return Optional.empty();
    }

    /** The function itself, with slopes for which it is exact. */
    private static Activation exact(Activation like) {
        if (like.kind() != Activation.Kind.PRELU) {
            return like;
        }
        Tensor slopes = Tensor.zeros(SHAPE[1]);
        for (int c = 0; c < slopes.elements(); c++) {
            slopes.set(c, (float) Math.scalb(1.0, -c));
        }
        return Activation.prelu(slopes);
    }

    /** Whole numbers, and two for which an exponential leaves what float32 holds. */
    private static Tensor values() {
        Tensor values = Exemplar.whole(SHAPE);
        values.set(1, 100);
        values.set(2, -100);
        return values;
    }

    static Optional<String> activate(Activation like, Elementwise tried, Elementwise oracle) {
        Activation activation = exact(like);
        Tensor x = values();
        return difference(
                "the activation " + like.kind(),
                tried,
                oracle,
                List.of(Exemplar.unwritten(SHAPE)),
                (by, results) -> by.activate(activation, x, results.get(0)),
                Exemplar.bound(like));
    }

    static Optional<String> activationGradient(Activation like, Elementwise tried, Elementwise oracle) {
        Activation activation = exact(like);
        Tensor x = values();
        DoubleUnaryOperator ofValue = Exemplar.bound(like);
        return difference(
                "the gradient of the activation " + like.kind(),
                tried,
                oracle,
                List.of(opposed(SHAPE)),
                // In place, as a training does.
                (by, results) -> by.activationGradient(activation, x, results.get(0), results.get(0)),
                // A derivative is a product of two such values, or the sum of two, of magnitudes of 1 at most.
                wanted -> 2 * LARGEST * ofValue.applyAsDouble(1));
    }

    /** Where a plane has several blocks, and where a block has several images. */
    static Optional<String> slopeGradient(Elementwise tried, Elementwise oracle) {
        return slopeGradient(Exemplar.whole(2, 3, RAGGED), tried, oracle)
                .or(() -> slopeGradient(Exemplar.whole(RAGGED / 30, 3, 37), tried, oracle));
    }

    private static Optional<String> slopeGradient(Tensor x, Elementwise tried, Elementwise oracle) {
        return difference(
                "the gradient by the slopes",
                tried,
                oracle,
                List.of(Exemplar.unwritten(x.size(1))),
                (by, results) -> by.slopeGradient(x, opposed(x.shape()), results.get(0)),
                wanted -> 0);
    }

    static Optional<String> loss(Loss loss, Elementwise tried, Elementwise oracle) {
        Tensor output = Exemplar.whole(1, 1, RAGGED);
        return difference(
                "the loss " + loss,
                tried,
                oracle,
                List.of(Exemplar.unwritten(output.shape()), Exemplar.unwritten(1)),
                (by, results) -> by.loss(loss, output, opposed(output.shape()), results.get(0), results.get(1)),
                wanted -> 0);
    }

    static Optional<String> step(Optimizer like, Elementwise tried, Elementwise oracle) {
        Optimizer optimizer = like instanceof Optimizer.Adam ? ADAM : SGD;
        Tensor weight = Exemplar.whole(SHAPE);
        Tensor gradient = opposed(SHAPE);
        List<Tensor> results = new ArrayList<>();
        for (int i = 0; i < optimizer.memory().size(); i++) {
            // Whole and not negative, as a mean of squares is.
            Tensor squares = Exemplar.whole(SHAPE);
            for (int at = 0; at < squares.elements(); at++) {
                squares.set(at, squares.get(at) * squares.get(at));
            }
            results.add(squares);
        }
        results.add(Exemplar.unwritten(SHAPE));
        int last = results.size() - 1;
        return difference(
                "a step of " + optimizer.getClass().getSimpleName(),
                tried,
                oracle,
                results,
                (by, moved) -> by.step(optimizer, 1, weight, gradient, moved.subList(0, last), moved.get(last)),
                // Adam's division and root round as an activation may; all else is exact.
                wanted -> like instanceof Optimizer.Adam ? LARGEST * Activation.errorBound(1) : 0);
    }

    static Optional<String> finite(Elementwise tried, Elementwise oracle) {
        List<Tensor> tensors = new ArrayList<>();
        tensors.add(Exemplar.whole(RAGGED));
        // In the last block, and in each lane of a vector and of the rest.
        tensors.add(broken(RAGGED, RAGGED - 1, Float.NEGATIVE_INFINITY));
        for (int at = 0; at < FEW; at++) {
            tensors.add(broken(FEW, at, Float.NaN));
        }
        return difference(
                "the look for values that are not finite",
                tried,
                oracle,
                List.of(Exemplar.unwritten(tensors.size())),
                (by, results) -> {
                    Tensor verdicts = results.get(0);
                    by.finite(tensors, verdicts);
                    for (int i = 0; i < verdicts.elements(); i++) {
                        verdicts.set(i, Float.isNaN(verdicts.get(i)) ? 1 : verdicts.get(i));
                    }
                },
                wanted -> 0);
    }

    private static Tensor broken(int elements, int at, float value) {
        Tensor tensor = Exemplar.whole(elements);
        tensor.set(at, value);
        return tensor;
    }

    /** Other whole numbers than {@link Exemplar#whole}'s of the same shape. */
    private static Tensor opposed(int... shape) {
        Tensor values = Exemplar.whole(shape);
        Tensor opposed = Tensor.zeros(shape);
        for (int i = 0; i < values.elements(); i++) {
            opposed.set(i, 1 - values.get(values.elements() - 1 - i));
        }
        return opposed;
    }
}
