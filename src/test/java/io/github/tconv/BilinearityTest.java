package io.github.tconv;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.tconv.op.Convolution;
import io.github.tconv.op.ConvolutionMatrix;
import io.github.tconv.op.Layers;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.util.Arrays;
import java.util.Random;
import java.util.function.UnaryOperator;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.domains.Domain;
import net.jqwik.api.domains.DomainContext;
import net.jqwik.api.lifecycle.AfterContainer;

/**
 * What the mathematics promises, on integers and therefore exactly, on the reference, to which every device is equal by
 * the contract test. A random layer would be a new program for each try there.
 */
@Domain(Layers.class)
@Domain(DomainContext.Global.class)
class BilinearityTest {
    private static final Engine ENGINE = Tconv.open("reference");

    @AfterContainer
    static void close() {
        ENGINE.close();
    }

    private static Tensor integers(long seed, int... shape) {
        Random random = new Random(seed);
        Tensor tensor = Tensor.zeros(shape);
        for (int i = 0; i < tensor.elements(); i++) {
            tensor.set(i, random.nextInt(-4, 5));
        }
        return tensor;
    }

    private static double dot(Tensor left, Tensor right) {
        assertArrayEquals(left.shape(), right.shape());
        double sum = 0;
        for (int i = 0; i < left.elements(); i++) {
            sum += (double) left.get(i) * right.get(i);
        }
        return sum;
    }

    /** {@code left + factor * right}. */
    private static Tensor combine(Tensor left, float factor, Tensor right) {
        Tensor sum = left.copy();
        for (int i = 0; i < sum.elements(); i++) {
            sum.set(i, left.get(i) + factor * right.get(i));
        }
        return sum;
    }

    private static Tensor forward(Problem problem, Tensor input, Tensor weight) {
        return ENGINE.forward(problem.layer(), input, weight, null);
    }

    @Property
    void theAdjointIdentityHolds(@ForAll Problem problem, @ForAll long seed) {
        Tensor x = integers(seed, problem.inputShape());
        Tensor w = integers(seed + 1, problem.layer().weightShape());
        Tensor gy = integers(seed + 2, problem.outputShape());
        double expected = dot(forward(problem, x, w), gy);

        assertEquals(expected, dot(x, ENGINE.inputGradient(problem.layer(), gy, w)));
        assertEquals(expected, dot(w, ENGINE.weightGradient(problem.layer(), x, gy)));
    }

    @Property
    void everyOperationIsLinearInEachOperand(@ForAll Problem problem, @ForAll long seed) {
        Tensor x = integers(seed, problem.inputShape());
        Tensor w = integers(seed + 1, problem.layer().weightShape());
        Tensor gy = integers(seed + 2, problem.outputShape());
        linear(seed, x, input -> forward(problem, input, w));
        linear(seed, w, weight -> forward(problem, x, weight));
        linear(seed, gy, gradient -> ENGINE.inputGradient(problem.layer(), gradient, w));
        linear(seed, w, weight -> ENGINE.inputGradient(problem.layer(), gy, weight));
        linear(seed, x, input -> ENGINE.weightGradient(problem.layer(), input, gy));
        linear(seed, gy, gradient -> ENGINE.weightGradient(problem.layer(), x, gradient));
        linear(seed, gy, ENGINE::biasGradient);
    }

    private static void linear(long seed, Tensor operand, UnaryOperator<Tensor> operation) {
        Tensor other = integers(seed + 3, operand.shape());
        Tensor expected = combine(operation.apply(operand), -3, operation.apply(other));
        Tensor actual = operation.apply(combine(operand, -3, other));
        assertSame(expected, actual);
    }

    /** Equal values; zeros of either sign are equal. */
    private static void assertSame(Tensor expected, Tensor actual) {
        assertArrayEquals(expected.shape(), actual.shape());
        for (int i = 0; i < expected.elements(); i++) {
            assertEquals(expected.get(i) + 0f, actual.get(i) + 0f, "element " + i);
        }
    }

    /** The loss is the dot product with a gradient; being linear in each operand, its difference over a step of 1 is exact. */
    @Property(tries = 50)
    void everyGradientIsAFiniteDifference(@ForAll Problem problem, @ForAll long seed) {
        Tensor x = integers(seed, problem.inputShape());
        Tensor w = integers(seed + 1, problem.layer().weightShape());
        Tensor b = integers(seed + 3, problem.layer().outChannels());
        Tensor gy = integers(seed + 2, problem.outputShape());
        differs(
                x,
                input -> dot(ENGINE.forward(problem.layer(), input, w, b), gy),
                ENGINE.inputGradient(problem.layer(), gy, w),
                seed);
        differs(
                w,
                weight -> dot(ENGINE.forward(problem.layer(), x, weight, b), gy),
                ENGINE.weightGradient(problem.layer(), x, gy),
                seed);
        differs(b, bias -> dot(ENGINE.forward(problem.layer(), x, w, bias), gy), ENGINE.biasGradient(gy), seed);
    }

    /**
     * The gradients of the gradients, which are the operations again (see {@code native-notes/0016}): a loss is the dot
     * product of an operation with a cotangent of its result's shape.
     */
    @Property(tries = 50)
    void everyDoubleGradientIsAFiniteDifference(@ForAll Problem problem, @ForAll long seed) {
        TransposedConvolution layer = problem.layer();
        Tensor x = integers(seed, problem.inputShape());
        Tensor w = integers(seed + 1, layer.weightShape());
        Tensor gy = integers(seed + 2, problem.outputShape());
        Tensor u = integers(seed + 3, problem.inputShape());
        Tensor v = integers(seed + 4, layer.weightShape());
        Tensor c = integers(seed + 5, layer.outChannels());
        // The gradient by the input, by each of its operands.
        differs(gy, g -> dot(ENGINE.inputGradient(layer, g, w), u), forward(problem, u, w), seed);
        differs(
                w,
                weight -> dot(ENGINE.inputGradient(layer, gy, weight), u),
                ENGINE.weightGradient(layer, u, gy),
                seed);
        // The gradient by the weight.
        differs(x, input -> dot(ENGINE.weightGradient(layer, input, gy), v), ENGINE.inputGradient(layer, gy, v), seed);
        differs(gy, g -> dot(ENGINE.weightGradient(layer, x, g), v), forward(problem, x, v), seed);
        // The gradient by the bias.
        differs(gy, g -> dot(ENGINE.biasGradient(g), c), laidOver(c, problem.outputShape()), seed);
    }

    /** One value a channel, at each place of it. */
    private static Tensor laidOver(Tensor channels, int[] shape) {
        Tensor tensor = Tensor.zeros(shape);
        int plane = tensor.elements() / (shape[0] * shape[1]);
        for (int i = 0; i < tensor.elements(); i++) {
            tensor.set(i, channels.get(i / plane % shape[1]));
        }
        return tensor;
    }

    private interface Loss {
        double of(Tensor operand);
    }

    private static void differs(Tensor operand, Loss loss, Tensor gradient, long seed) {
        double before = loss.of(operand);
        // Some elements of each operand: all of them would be as many forward passes.
        for (int i : new Random(seed).ints(8, 0, operand.elements()).toArray()) {
            Tensor moved = operand.copy();
            moved.set(i, operand.get(i) + 1);
            assertEquals((double) gradient.get(i), loss.of(moved) - before, "element " + i);
        }
    }

    @Property
    void theMatrixOfAConvolutionDoesWhatItDoesAndItsTransposeTheTransposed(@ForAll Problem problem, @ForAll long seed) {
        Convolution layer = problem.layer().adjoint();
        int[] size = Arrays.copyOfRange(problem.outputShape(), 2, problem.outputShape().length);
        // A convolution knows no output padding, so where that is large its output may be larger than the problem's
        // input.
        Problem one = layer.problem(1, size);
        Tensor w = integers(seed, layer.weightShape());
        Tensor matrix = ConvolutionMatrix.of(layer, w, size);
        Tensor image = integers(seed + 1, one.outputShape());
        Tensor small = integers(seed + 2, one.inputShape());

        assertArrayEquals(new int[] {small.elements(), image.elements()}, matrix.shape());
        Tensor convolved = ENGINE.forward(layer, image, w, null);
        Tensor transposed = ENGINE.inputGradient(layer, small, w, size);
        for (int row = 0; row < small.elements(); row++) {
            double sum = 0;
            for (int column = 0; column < image.elements(); column++) {
                sum += (double) matrix.get(row * image.elements() + column) * image.get(column);
            }
            assertEquals(sum + 0.0, convolved.get(row) + 0.0, "row " + row);
        }
        for (int column = 0; column < image.elements(); column++) {
            double sum = 0;
            for (int row = 0; row < small.elements(); row++) {
                sum += (double) matrix.get(row * image.elements() + column) * small.get(row);
            }
            assertEquals(sum + 0.0, transposed.get(column) + 0.0, "column " + column);
        }
    }
}
