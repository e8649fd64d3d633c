package io.github.tconv.opencl;

import io.github.tconv.Engine;
import io.github.tconv.Prepared;
import io.github.tconv.Tconv;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A process of its own: computes every operation of the given problems on the first device that works in the host's
 * memory, prints how many programs it compiled from source and a digest of all bits, and ends without closing its engine.
 */
final class ChildMain {
    private ChildMain() {}

    public static void main(String[] problems) throws Exception {
        AtomicInteger compiled = new AtomicInteger();
        Calls.intercept((call, bytes) -> {
            if (call.equals("clCreateProgramWithSource")) {
                compiled.incrementAndGet();
            }
        });
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        Engine engine = Tconv.open("cpu");
        for (String descriptor : problems) {
            Problem problem = Problem.parse(descriptor);
            Tensor input = reals(1, problem.inputShape());
            Tensor weight = reals(2, problem.layer().weightShape());
            Tensor gradient = reals(3, problem.outputShape());
            // Never closed either: a result of its first call is all that is wanted of it.
            Prepared prepared = engine.prepare(problem.layer(), weight, null);
            for (Tensor result : new Tensor[] {
                prepared.forward(input),
                engine.inputGradient(problem.layer(), gradient, weight),
                engine.weightGradient(problem.layer(), input, gradient),
                engine.biasGradient(gradient)
            }) {
                digest.update(result.memory());
            }
        }
        System.out.println(compiled + " " + HexFormat.of().formatHex(digest.digest()));
    }

    private static Tensor reals(long seed, int... shape) {
        Tensor tensor = Tensor.zeros(shape);
        java.util.SplittableRandom random = new java.util.SplittableRandom(seed);
        for (int i = 0; i < tensor.elements(); i++) {
            tensor.set(i, (float) random.nextDouble(-1, 1));
        }
        return tensor;
    }
}
