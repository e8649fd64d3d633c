package io.github.tconv.opencl;

import io.github.tconv.Engine;
import io.github.tconv.Prepared;
import io.github.tconv.Tconv;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** A process that ends, its engine open, while the background compiles, which takes long: it says so before and after. */
final class EndingMain {
    private EndingMain() {}

    public static void main(String[] problems) throws Exception {
        CountDownLatch compiling = new CountDownLatch(1);
        Calls.intercept((call, bytes) -> {
            if (call.equals("clBuildProgram")
                    && Thread.currentThread().getName().equals(Programs.BACKGROUND)
                    && compiling.getCount() > 0) {
                System.out.print("compiling ");
                compiling.countDown();
                long latest = System.nanoTime() + TimeUnit.SECONDS.toNanos(3);
                while (System.nanoTime() < latest) {
                    LockSupport.parkNanos(latest - System.nanoTime());
                }
                System.out.print("compiled");
            }
        });
        Problem problem = Problem.parse(problems[0]);
        Engine engine = Tconv.open("cpu");
        Prepared prepared =
                engine.prepare(problem.layer(), Tensor.zeros(problem.layer().weightShape()), null);
        prepared.forward(Tensor.zeros(problem.inputShape()));
        if (!compiling.await(5, TimeUnit.MINUTES)) {
            System.out.print("nothing compiled");
        }
    }
}
