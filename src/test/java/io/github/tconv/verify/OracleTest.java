package io.github.tconv.verify;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.Engine;
import io.github.tconv.Tconv;
import io.github.tconv.op.Activation;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The oracle of all other tests against the definition. */
class OracleTest {
    /** Unit roundoffs of float32 and float64. */
    private static final double U32 = 0x1p-24;

    private static final double U64 = 0x1p-53;

    static List<Problem> problems() {
        return Catalogue.all();
    }

    @ParameterizedTest
    @MethodSource("problems")
    void onIntegersTheReferenceIsEqualToTheDefinition(Problem problem) {
        Operands operands = Operands.integers(problem, 1);
        Operands magnitudes = operands.magnitudes();
        for (Check check : List.of(Check.BIAS, Check.CONVOLUTION, Check.WEIGHT_GRADIENT, Check.BIAS_GRADIENT)) {
            double[] expected = define(check, problem, operands);
            double[] sums = define(check, problem, magnitudes);
            Tensor actual = compute(check, problem, operands);
            assertEquals(expected.length, actual.elements(), check.toString());
            for (int i = 0; i < expected.length; i++) {
                assertTrue(sums[i] < 0x1p24, "not exact");
                assertEquals((float) expected[i] + 0f, actual.get(i) + 0f, check + " at " + i);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("problems")
    void onRealsTheReferenceIsTheDefinitionRoundedOnce(Problem problem) {
        Operands operands = Operands.reals(problem, 2);
        Operands magnitudes = operands.magnitudes();
        for (Check check : List.of(Check.BIAS, Check.CONVOLUTION, Check.WEIGHT_GRADIENT, Check.BIAS_GRADIENT)) {
            double[] expected = define(check, problem, operands);
            double[] sums = define(check, problem, magnitudes);
            Tensor actual = compute(check, problem, operands);
            double k = check.terms(problem);
            for (int i = 0; i < expected.length; i++) {
                // Both sides add in double, in different orders; only the reference rounds to float.
                double sumError = 2 * k * U64 / (1 - k * U64) * sums[i];
                double bound = U32 * (Math.abs(expected[i]) + sumError) + sumError;
                double error = Math.abs(actual.get(i) - expected[i]);
                assertTrue(error <= bound, "%s at %d: %s for %s".formatted(check, i, actual.get(i), expected[i]));
            }
        }
    }

    private static double[] define(Check check, Problem problem, Operands operands) {
        return switch (check) {
            case BIAS -> Definition.forward(problem, operands.input(), operands.weight(), operands.bias());
            case CONVOLUTION ->
                Definition.inputGradient(problem, operands.outputGradient(), operands.weight(), operands.adjointBias());
            case WEIGHT_GRADIENT -> Definition.weightGradient(problem, operands.input(), operands.outputGradient());
            case BIAS_GRADIENT -> Definition.biasGradient(problem, operands.outputGradient());
            case FORWARD, PREPARED, INPUT_GRADIENT, PREPARED_CONVOLUTION ->
                throw new IllegalArgumentException(check.toString());
        };
    }

    private static Tensor compute(Check check, Problem problem, Operands operands) {
        try (Engine engine = Tconv.open("reference")) {
            Tensor result = Tensor.zeros(check.shape(problem));
            check.compute(engine, problem, operands, Activation.none(), result);
            return result;
        }
    }
}
