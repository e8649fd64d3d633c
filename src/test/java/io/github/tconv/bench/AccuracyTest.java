package io.github.tconv.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.reference.ReferenceBackend;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class AccuracyTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "ic3_oc2_i7_k4_s3_d2_p1_e2",
                "n2_ic4_oc6_g2_i5x4_k3x2_s2x3_d2x1_p1x0_op1x0",
                "ic2_oc3_i2x3x4_k3x2x1_s1x2x1_p-1x0x0"
            })
    void theReferenceIsRightToItsLastRounding(String descriptor) {
        Operands operands = Operands.random(Problem.parse(descriptor), BenchmarkOperation.FORWARD);

        Accuracy accuracy = new Accuracy.Sample(operands).of(reference(operands));

        assertTrue(accuracy.withinBound());
        // It adds in double, so what is left is one rounding to float.
        assertTrue(accuracy.maxError() <= 0x1p-24, () -> "error " + accuracy.maxError());
        assertTrue(accuracy.rmsError() <= 0x1p-24, () -> "error " + accuracy.rmsError());
    }

    @ParameterizedTest
    @EnumSource
    void theGradientsOfTheReferenceAreRightToTheirLastRounding(BenchmarkOperation operation) {
        Operands operands = Operands.random(Problem.parse("n2_ic4_oc6_g2_i5x4_k3x2_s2x3_d2x1_p1x0_op1x0"), operation);

        Accuracy accuracy = new Accuracy.Sample(operands).of(reference(operands));

        assertTrue(accuracy.withinBound());
        assertTrue(accuracy.maxError() <= 0x1p-24, () -> "error " + accuracy.maxError());
    }

    @ParameterizedTest
    @ValueSource(floats = {1e-4f, -1e-4f, 1, Float.NaN, Float.POSITIVE_INFINITY})
    void oneElementThatIsOffIsNoticed(float off) {
        Operands operands = Operands.random(Problem.parse("ic3_oc2_i5x4_k3x3_s2x2_p1x1"), BenchmarkOperation.FORWARD);
        Tensor result = reference(operands);
        result.set(17, result.get(17) + off);

        assertFalse(new Accuracy.Sample(operands).of(result).withinBound());
    }

    @ParameterizedTest
    @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY})
    void whatIsNoNumberIsTheLargestError(float value) {
        Operands operands = Operands.random(Problem.parse("ic1_oc1_i9_k1"), BenchmarkOperation.FORWARD);
        Tensor result = reference(operands);
        result.set(0, value);

        assertEquals(Math.abs(value), new Accuracy.Sample(operands).of(result).maxError());
    }

    private static Tensor reference(Operands operands) {
        Problem problem = operands.problem();
        Tensor result = Tensor.zeros(operands.operation().resultShape(problem));
        try (ReferenceBackend backend = new ReferenceBackend()) {
            switch (operands.operation()) {
                case FORWARD -> backend.forward(problem, operands.input(), operands.weight(), null, result);
                case INPUT_GRADIENT ->
                    backend.inputGradient(problem, operands.outputGradient(), operands.weight(), null, result);
                case WEIGHT_GRADIENT ->
                    backend.weightGradient(problem, operands.input(), operands.outputGradient(), result);
            }
        }
        return result;
    }
}
