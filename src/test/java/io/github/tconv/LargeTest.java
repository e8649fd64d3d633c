package io.github.tconv;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.tconv.op.Axis;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.LongUnaryOperator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tensors as large as they can be, a few elements short of two gibibytes. Few values are not zero, so that every sum is
 * a whole number that float32 holds; some are at the very end, where an index that overflows would be noticed.
 */
@Tag("long")
class LargeTest {
    private static final int SAMPLES = 2000;
    /** One value in so many is not zero. */
    private static final long SPARSITY = 1021;

    /** The longest row; a staged copy of more than two gibibytes, which is computed in parts; very many images. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "ic1_oc1_i268435439_k2_s2",
                "ic128_oc32_i2047x2047_k3x3_p1x1",
                "n414000_ic8_oc16_i8x8_k2x2",
                "ic3_oc2_i7x5000x2500_k1x2x2_s1x2x1",
            })
    void theEndsOfTheLargestTensorsAreRight(String descriptor) {
        Problem problem = Problem.parse(descriptor);
        Tensor input = sparse(problem.inputShape());
        Tensor weight = sparseOf(problem.layer().weightShape(), i -> i % 7 - 3);
        Tensor output = Tensor.zeros(problem.outputShape());
        try (Engine engine = Tconv.open()) {
            engine.forward(problem, input, weight, null, output);
        }
        Gather gather = new Gather(problem, input, weight);
        for (long at : samples(output)) {
            assertEquals(gather.at(at), output.get((int) at), () -> "output element " + at + " of " + problem);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"ic1_oc1_i268435439_k2_s2", "ic64_oc32_i1447x1447_k2x2_s2x2"})
    void theGradientsOfTheLargestTensorsAreRight(String descriptor) {
        Problem problem = Problem.parse(descriptor);
        Tensor gradient = sparse(problem.outputShape());
        Tensor weight = sparseOf(problem.layer().weightShape(), i -> i % 7 - 3);
        Tensor input = sparse(problem.inputShape());
        Tensor byInput = Tensor.zeros(problem.inputShape());
        Tensor byWeight = Tensor.zeros(problem.layer().weightShape());
        Tensor byBias = Tensor.zeros(problem.layer().outChannels());
        Tensor expectedByWeight = Tensor.zeros(problem.layer().weightShape());
        Tensor expectedByBias = Tensor.zeros(problem.layer().outChannels());
        try (Engine engine = Tconv.open();
                Engine reference = Tconv.open("reference")) {
            engine.inputGradient(problem, gradient, weight, null, byInput);
            engine.weightGradient(problem, input, gradient, byWeight);
            engine.biasGradient(gradient, byBias);
            reference.weightGradient(problem, input, gradient, expectedByWeight);
            reference.biasGradient(gradient, expectedByBias);
        }
        Gather gather = new Gather(problem, gradient, weight);
        for (long at : samples(byInput)) {
            assertEquals(gather.adjointAt(at), byInput.get((int) at), () -> "input element " + at + " of " + problem);
        }
        for (int at = 0; at < byWeight.elements(); at++) {
            assertEquals(expectedByWeight.get(at), byWeight.get(at), "weight element " + at + " of " + problem);
        }
        for (int at = 0; at < byBias.elements(); at++) {
            assertEquals(expectedByBias.get(at), byBias.get(at), "bias element " + at + " of " + problem);
        }
    }

    private static Tensor sparse(int[] shape) {
        long end = Tensor.elementsOf(shape) - 50L;
        return sparseOf(shape, i -> i % SPARSITY == 0 || i > end ? i % 5 - 2 : 0);
    }

    private static Tensor sparseOf(int[] shape, LongUnaryOperator value) {
        Tensor tensor = Tensor.zeros(shape);
        FloatBuffer floats = tensor.floats();
        for (int i = 0; i < tensor.elements(); i++) {
            long v = value.applyAsLong(i);
            if (v != 0) {
                floats.put(i, (float) v);
            }
        }
        return tensor;
    }

    /** The first and the last elements, and others from everywhere. */
    private static List<Long> samples(Tensor tensor) {
        Random random = new Random(1);
        List<Long> samples = new ArrayList<>();
        for (int i = 0; i < SAMPLES; i++) {
            samples.add((long) (random.nextDouble() * tensor.elements()));
            samples.add((long) Math.max(0, tensor.elements() - 1 - i));
            samples.add((long) Math.min(tensor.elements() - 1, i));
        }
        return samples;
    }

    /** Single elements by the definition, in a layer without groups. */
    private record Gather(Problem problem, Tensor read, Tensor weight) {
        /** An output element. */
        double at(long element) {
            return element(element, problem.outputShape(), problem.inputShape(), true);
        }

        /** An element of the gradient by the input. */
        double adjointAt(long element) {
            return element(element, problem.inputShape(), problem.outputShape(), false);
        }

        private double element(long element, int[] written, int[] from, boolean forward) {
            int rank = written.length - 2;
            int[] place = new int[rank + 2];
            long rest = element;
            for (int axis = rank + 1; axis >= 0; axis--) {
                place[axis] = (int) (rest % written[axis]);
                rest /= written[axis];
            }
            return sum(0, place, from, forward, 0, 0);
        }

        private double sum(int axis, int[] place, int[] from, boolean forward, long at, long tap) {
            if (axis == from.length - 2) {
                return channels(place, from, forward, at, tap);
            }
            Axis a = problem.layer().axes().get(axis);
            double sum = 0;
            for (int k = 0; k < a.kernel(); k++) {
                long shifted = forward
                        ? place[axis + 2] + a.padBegin() - (long) k * a.dilation()
                        : (long) place[axis + 2] * a.stride() - a.padBegin() + (long) k * a.dilation();
                boolean meets = !forward || Math.floorMod(shifted, a.stride()) == 0;
                long i = forward ? Math.floorDiv(shifted, a.stride()) : shifted;
                if (meets && i >= 0 && i < from[axis + 2]) {
                    sum += sum(axis + 1, place, from, forward, at * from[axis + 2] + i, tap * a.kernel() + k);
                }
            }
            return sum;
        }

        private double channels(int[] place, int[] from, boolean forward, long at, long tap) {
            long positions = 1;
            long taps = 1;
            for (int axis = 2; axis < from.length; axis++) {
                positions *= from[axis];
                taps *= problem.layer().axes().get(axis - 2).kernel();
            }
            int out = problem.layer().outChannels();
            double sum = 0;
            for (int c = 0; c < from[1]; c++) {
                long channel = ((long) place[0] * from[1] + c) * positions + at;
                long pair = forward ? (long) c * out + place[1] : (long) place[1] * out + c;
                sum += (double) read.get((int) channel) * weight.get((int) (pair * taps + tap));
            }
            return sum;
        }
    }
}
