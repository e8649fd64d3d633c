package io.github.tconv.opencl;

import io.github.tconv.Engine;
import io.github.tconv.EngineHabit;
import io.github.tconv.Prepared;
import io.github.tconv.Tconv;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.util.Arrays;
import java.util.Locale;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Computes batches on two devices of different kinds, and on the first alone without contraction: the bits must be the
 * same, and both must have had a share. {@code .github/rusticl.sh} starts this where there are two drivers.
 */
final class KindsRun {
    private static final int CALLS = 40;

    private KindsRun() {}

    /**
     * Runs.
     *
     * @param arguments two devices with a comma between, as {@link Tconv#open(String)} takes them, then problems
     */
    public static void main(String[] arguments) {
        boolean right = true;
        for (String problem : Arrays.copyOfRange(arguments, 1, arguments.length)) {
            right &= sameBits(arguments[0], Problem.parse(problem));
        }
        System.exit(right ? 0 : 1);
    }

    private static boolean sameBits(String devices, Problem problem) {
        Random random = new Random(3);
        Tensor input = reals(random, problem.inputShape());
        Tensor weight = reals(random, problem.layer().weightShape());
        Tensor bias = reals(random, problem.layer().outChannels());
        Tensor expected = Tensor.zeros(problem.outputShape());
        double alone;
        try (Engine engine = Tconv.open(devices.substring(0, devices.indexOf(',')), Set.of(EngineHabit.CONTRACTION));
                Prepared layer = engine.prepare(problem.layer(), weight, bias)) {
            double unused = milliseconds(layer, input, expected);
            alone = milliseconds(layer, input, expected);
        }
        AtomicInteger shares = new AtomicInteger();
        boolean same = true;
        double first;
        double together = 0;
        SharedBackend backend =
                (SharedBackend) OpenClBackend.open(devices, null, /* tuned= */ true, /* contracted= */ true);
        try (Engine engine = Engine.of(backend);
                Prepared layer = engine.prepare(problem.layer(), weight, bias)) {
            Tensor output = Tensor.zeros(problem.outputShape());
            first = milliseconds(layer, input, output);
            Calls.intercept((call, bytes) -> {
                if (call.equals("clEnqueueNDRangeKernel")
                        && Thread.currentThread().getName().equals("tconv-device-1")) {
                    shares.incrementAndGet();
                }
            });
            for (int i = 0; i < CALLS; i++) {
                same &= Arrays.equals(expected.toArray(), output.toArray());
                together = milliseconds(layer, input, output);
            }
            Calls.intercept((call, bytes) -> {});
        }
        System.out.printf(
                Locale.ROOT,
                "%s: %s, the second took part in %d of %d calls and has %.0f %% of the speed;"
                        + " first alone %.2f ms, both %.2f ms, their first call %.0f ms%n",
                problem,
                same ? "the same bits" : "OTHER BITS",
                shares.get(),
                CALLS,
                100 * backend.relativeSpeeds()[1],
                alone,
                together,
                first);
        return same && shares.get() > 0;
    }

    private static double milliseconds(Prepared layer, Tensor input, Tensor output) {
        long start = System.nanoTime();
        layer.forward(input, output);
        return (System.nanoTime() - start) * 1e-6;
    }

    private static Tensor reals(Random random, int... shape) {
        Tensor tensor = Tensor.zeros(shape);
        for (int i = 0; i < tensor.elements(); i++) {
            tensor.set(i, random.nextFloat() - 0.5f);
        }
        return tensor;
    }
}
