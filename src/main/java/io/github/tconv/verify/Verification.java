package io.github.tconv.verify;

import io.github.tconv.Engine;
import io.github.tconv.op.Activation;
import io.github.tconv.op.DeviceException;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Compares an engine with an oracle.
 *
 * <p>Each check computes on integers first, of which float32 sums are exact in any order: the results must be
 * <em>equal</em>. Then on reals, twice: the bits must be the same both times, and each element as near as any order of
 * additions comes. A sum of k products in float32 is off by at most {@code gamma(k) * sum of |x * w|} with
 * {@code gamma(k) = k * u / (1 - k * u)} and {@code u = 2^-24} (Higham, "Accuracy and Stability of Numerical
 * Algorithms", 2002, section 3.1). Where the engine says that it multiplies less, its own bound for that is added
 * ({@link Engine#errorGrowth}). Results are not-a-number before, so an element that is not written differs too.
 *
 * <p>Thread-safe as the engines are, which are not closed here.
 */
public final class Verification {
    /** The unit roundoff of float32. */
    private static final double U = 0x1p-24;
    /** With fewer terms than this every sum of integers stays below 2^24, from where on float32 leaves out integers. */
    private static final double EXACT_TERMS = 0x1p24 / (Operands.AMPLITUDE * Operands.AMPLITUDE);
    /** The oracle's own rounding to float32, and that of the magnitudes. */
    private static final int ORACLE_ROUNDINGS = 2;
    /** Of a kernel that multiplies less, see {@link Engine#errorGrowth}: the additions before and after its products. */
    private static final int TRANSFORM_ROUNDINGS = 12;
    /** The greatest derivative of any activation: that of SiLU is 1.0999 at 2.4, all others (as used here) are 1. */
    private static final double STEEPEST = 1.1;

    private static final List<Activation.Kind> ACTIVATIONS = List.of(Activation.Kind.values());

    private final Engine engine;
    private final Engine oracle;

    /**
     * Makes a comparison.
     *
     * @param engine the engine under test
     * @param oracle the engine that is right
     */
    public Verification(Engine engine, Engine oracle) {
        this.engine = engine;
        this.oracle = oracle;
    }

    /**
     * Makes every check of a problem.
     *
     * @param problem the problem
     * @return a result for each check, in the order of {@link Check}
     * @throws IllegalArgumentException if a sum is too long to be exact on integers
     */
    public List<Result> verify(Problem problem) {
        for (Check check : Check.values()) {
            checkExact(problem, check);
        }
        return Arrays.stream(Check.values())
                .map(check -> verify(problem, check))
                .toList();
    }

    /**
     * Makes one check of a problem. A device that fails is a result too.
     *
     * @param problem the problem
     * @param check what to compute
     * @return what came of it
     * @throws IllegalArgumentException if a sum is too long to be exact on integers
     */
    public Result verify(Problem problem, Check check) {
        // Strings have the same hash everywhere, so a report names a case that can be run again elsewhere.
        int seed = problem.toString().hashCode();
        return verify(problem, check, ACTIVATIONS.get(Math.floorMod(seed, ACTIVATIONS.size())));
    }

    private static void checkExact(Problem problem, Check check) {
        double terms = check.terms(problem);
        if (terms >= EXACT_TERMS) {
            throw new IllegalArgumentException("a sum must have less than %.0f terms to be exact: %.0f in the %s of %s"
                    .formatted(EXACT_TERMS, terms, check, problem));
        }
    }

    /** As {@link #verify(Problem, Check)}, with a certain activation where the check has one. */
    Result verify(Problem problem, Check check, Activation.Kind kind) {
        checkExact(problem, check);
        int seed = problem.toString().hashCode();
        Operands integers = Operands.integers(problem, seed);
        Operands reals = Operands.reals(problem, seed);
        try {
            String failure = compareIntegers(problem, check, kind, integers);
            if (failure != null) {
                return new Result(problem, check, Double.POSITIVE_INFINITY, failure);
            }
            return compareReals(problem, check, kind, reals);
        } catch (DeviceException e) {
            return new Result(problem, check, Double.POSITIVE_INFINITY, "the device failed: " + e.getMessage());
        }
    }

    private @Nullable String compareIntegers(Problem problem, Check check, Activation.Kind kind, Operands operands) {
        Tensor expected = compute(oracle, problem, check, kind, operands);
        Tensor actual = compute(engine, problem, check, kind, operands);
        for (int i = 0; i < expected.elements(); i++) {
            double bound = exact(check, kind) ? 0 : Activation.errorBound(expected.get(i));
            if (!(Math.abs(actual.get(i) - expected.get(i)) <= bound)) {
                return difference("on integers", problem, check, i, expected, actual, bound);
            }
        }
        return null;
    }

    /** Whether all of a check's arithmetic is exact on integers. */
    private static boolean exact(Check check, Activation.Kind kind) {
        return !check.activated()
                || switch (kind) {
                    case NONE, RELU, LEAKY_RELU, PRELU, CLAMP -> true;
                    case SIGMOID, TANH, SILU -> false;
                };
    }

    private Result compareReals(Problem problem, Check check, Activation.Kind kind, Operands operands) {
        Tensor magnitudes = compute(oracle, problem, check, Activation.Kind.NONE, operands.magnitudes());
        Tensor expected = compute(oracle, problem, check, kind, operands);
        Tensor actual = compute(engine, problem, check, kind, operands);
        double growth = check.errorGrowth(engine, problem);
        double gamma = gamma(check.terms(problem) + ORACLE_ROUNDINGS + (growth == 0 ? 0 : TRANSFORM_ROUNDINGS));
        // The engine's bound does not fall with an element's own terms; a bias and a residual do add to its sum.
        double elsewhere = gamma * growth * check.terms(problem) * Operands.LARGEST_REAL * Operands.LARGEST_REAL;
        double worst = 0;
        for (int i = 0; i < expected.elements(); i++) {
            double bound = gamma * magnitudes.get(i) + elsewhere;
            if (check.activated()) {
                bound = STEEPEST * bound + Activation.errorBound(expected.get(i));
            }
            double error = Math.abs((double) actual.get(i) - expected.get(i));
            if (!(error <= bound)) {
                String failure = difference("on reals", problem, check, i, expected, actual, bound);
                return new Result(problem, check, error / bound, failure);
            }
            worst = error == 0 ? worst : Math.max(worst, error / bound);
        }
        Tensor again = compute(engine, problem, check, kind, operands);
        if (again.memory().mismatch(actual.memory()) >= 0) {
            int i = again.memory().mismatch(actual.memory()) / Float.BYTES;
            return new Result(
                    problem,
                    check,
                    worst,
                    "the same call gave other bits at %s: first %s, then %s"
                            .formatted(place(i, check.shape(problem)), actual.get(i), again.get(i)));
        }
        return new Result(problem, check, worst, null);
    }

    private static double gamma(double k) {
        return k * U / (1 - k * U);
    }

    private static Tensor compute(
            Engine engine, Problem problem, Check check, Activation.Kind kind, Operands operands) {
        Tensor result = Tensor.zeros(check.shape(problem));
        for (int i = 0; i < result.elements(); i++) {
            result.set(i, Float.NaN);
        }
        Tensor slopes = check == Check.PREPARED_CONVOLUTION ? operands.adjointSlopes() : operands.slopes();
        check.compute(engine, problem, operands, activation(kind, slopes), result);
        return result;
    }

    /** Parameters are such that integers stay exact, and on both sides of every kink there are values. */
    private static Activation activation(Activation.Kind kind, Tensor slopes) {
        return switch (kind) {
            case NONE -> Activation.none();
            case RELU -> Activation.relu();
            case LEAKY_RELU -> Activation.leakyRelu(0.25f);
            case PRELU -> Activation.prelu(slopes);
            case SIGMOID -> Activation.sigmoid();
            case TANH -> Activation.tanh();
            case CLAMP -> Activation.clamp(-0.5f, 2);
            case SILU -> Activation.silu();
        };
    }

    private static String difference(
            String where, Problem problem, Check check, int i, Tensor expected, Tensor actual, double bound) {
        String allowed = bound == 0 ? "" : " (allowed %.3g)".formatted(bound);
        return "%s at %s: expected %s, got %s%s"
                .formatted(where, place(i, check.shape(problem)), expected.get(i), actual.get(i), allowed);
    }

    /** The indices of an element, outermost first. */
    private static String place(int element, int[] shape) {
        int[] indices = new int[shape.length];
        int rest = element;
        for (int a = shape.length - 1; a >= 0; a--) {
            indices[a] = rest % shape[a];
            rest /= shape[a];
        }
        return Arrays.toString(indices);
    }
}
