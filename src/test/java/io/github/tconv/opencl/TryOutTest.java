package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** A tile that is compiled in the background is run there on memory as large as its problem reads and writes. */
class TryOutTest {
    private static final Problem CALLED = Problem.parse("n2_ic2_oc7_i9x8_k4x3_s2x3");

    /** What is read, staged, added and written. */
    private static final int BUFFERS = 4;

    /** A program that is built in the background: nanoseconds since the calls began, and without a call before. */
    private record Build(long age, long rest) {}

    private static final class BackgroundBuilds implements Calls.Interceptor {
        private final AtomicLong firstCall = new AtomicLong();
        private final AtomicLong lastCall = new AtomicLong();
        /** A process that was stopped had a rest between calls, too. */
        private final AtomicLong longestRest = new AtomicLong();

        private final List<Build> all = new CopyOnWriteArrayList<>();
        private final CountDownLatch any = new CountDownLatch(1);

        BackgroundBuilds() {
            begin();
        }

        void begin() {
            firstCall.set(System.nanoTime());
            lastCall.set(firstCall.get());
        }

        void noteCall() {
            long now = System.nanoTime();
            longestRest.accumulateAndGet(now - lastCall.getAndSet(now), Math::max);
        }

        @Override
        public void before(String call, long bytes) {
            if (call.equals("clBuildProgram")
                    && Thread.currentThread().getName().equals(Programs.BACKGROUND)) {
                long now = System.nanoTime();
                all.add(new Build(now - firstCall.get(), Math.max(now - lastCall.get(), longestRest.get())));
                any.countDown();
            }
        }
    }

    @AfterEach
    void seeNothing() {
        Calls.intercept((call, bytes) -> {});
    }

    private static Stream<Device> compilingAhead() {
        return TestDevices.usable().stream()
                // Nothing is compiled ahead on a simulator.
                .filter(device -> !device.info().isSimulator())
                // The plain kernel has one tile, which is there.
                .filter(device -> !(ForwardRule.standard().choose(CALLED.asRank3(), device) instanceof PlainVariant));
    }

    /** While calls follow each other no tile is compiled beside them, and once they cease, one is. */
    @TestFactory
    Stream<DynamicTest> callsAreNotDisturbed() {
        return compilingAhead().map(device -> DynamicTest.dynamicTest(device.toString(), () -> compilesAtRest(device)));
    }

    private static void compilesAtRest(Device device) throws InterruptedException {
        BackgroundBuilds builds = new BackgroundBuilds();
        Calls.intercept(builds);
        Tensor weight = Tensor.zeros(CALLED.layer().weightShape());
        try (OpenClBackend backend = new OpenClBackend(device, ForwardRule.standard());
                PreparedForward layer =
                        backend.prepare(Parts.FORWARD, CALLED.layer(), weight, null, Activation.none())) {
            Tensor read = Tensor.zeros(CALLED.inputShape());
            Tensor written = Tensor.zeros(CALLED.outputShape());
            layer.forward(CALLED, read, null, written);
            builds.begin();
            for (int i = 0; i < 40; i++) {
                builds.noteCall();
                layer.forward(CALLED, read, null, written);
                Thread.sleep(50);
            }
            assertTrue(builds.any.await(5, TimeUnit.MINUTES), "compiled in the background");
        }
        builds.all.forEach(build ->
                assertTrue(build.rest() >= TimeUnit.SECONDS.toNanos(1), () -> "in nanoseconds: " + builds.all));
    }

    /** A new size takes another's tile, and its own is compiled while nobody waits. */
    @TestFactory
    Stream<DynamicTest> aNewSizeIsNotDisturbed() {
        return compilingAhead().map(device -> DynamicTest.dynamicTest(device.toString(), () -> newSize(device, false)));
    }

    /** Where nobody ever rests it is compiled beside calls in the end, for those that go on. */
    @TestFactory
    Stream<DynamicTest> calledForLongANewSizeGetsItsTile() {
        return compilingAhead().map(device -> DynamicTest.dynamicTest(device.toString(), () -> newSize(device, true)));
    }

    private static void newSize(Device device, boolean goesOn) throws InterruptedException {
        BackgroundBuilds builds = new BackgroundBuilds();
        Problem other = newSize(device);
        Tensor weight = Tensor.zeros(CALLED.layer().weightShape());
        try (OpenClBackend backend = new OpenClBackend(device, ForwardRule.standard());
                PreparedForward layer =
                        backend.prepare(Parts.FORWARD, CALLED.layer(), weight, null, Activation.none())) {
            layer.forward(CALLED, Tensor.zeros(CALLED.inputShape()), null, Tensor.zeros(CALLED.outputShape()));
            Tensor read = Tensor.zeros(other.inputShape());
            Tensor written = Tensor.zeros(other.outputShape());
            builds.begin();
            Calls.intercept(builds);
            long latest = System.nanoTime() + TimeUnit.MINUTES.toNanos(5);
            for (int i = 0; goesOn ? builds.any.getCount() > 0 && System.nanoTime() < latest : i < 20; i++) {
                builds.noteCall();
                layer.forward(other, read, null, written);
                Thread.sleep(20);
            }
            assertTrue(builds.any.await(goesOn ? 0 : 5, TimeUnit.MINUTES), "compiled in the background");
        }
        builds.all.forEach(build -> assertTrue(
                build.rest() >= TimeUnit.SECONDS.toNanos(1) || build.age() >= TimeUnit.SECONDS.toNanos(2),
                () -> "in nanoseconds: " + builds.all));
    }

    /** A size with a tile of its own, other than that of the size that is called first. */
    private static Problem newSize(Device device) {
        ForwardVariant variant = ForwardRule.standard().choose(CALLED.asRank3(), device);
        String known = variant.tileFor(CALLED.asRank3()).constants();
        return Stream.iterate(8, size -> size < 256, size -> 2 * size)
                .map(size -> CALLED.layer().problem(1, size, size))
                .filter(problem ->
                        !variant.tileFor(problem.asRank3()).constants().equals(known))
                .findFirst()
                .orElseThrow();
    }

    @TestFactory
    Stream<DynamicTest> theMemoryHasTheShapesOfTheDirection() {
        return compilingAhead()
                .flatMap(device -> Stream.of(Parts.values())
                        .map(direction ->
                                DynamicTest.dynamicTest(direction + " on " + device, () -> tryOut(device, direction))));
    }

    private static void tryOut(Device device, Parts direction) throws InterruptedException {
        // The smallest of the layer's problems, whose tensors differ in size.
        Problem tried = CALLED.layer().problem(1, 1, 1);
        assertEquals(2, Tensor.elementsOf(tried.inputShape()));
        assertEquals(7 * 4 * 3, Tensor.elementsOf(tried.outputShape()));

        // What a first call does is rehearsed before, with buffers too.
        AtomicBoolean built = new AtomicBoolean();
        List<Long> made = new CopyOnWriteArrayList<>();
        CountDownLatch all = new CountDownLatch(BUFFERS);
        Calls.intercept((call, bytes) -> {
            if (!Thread.currentThread().getName().equals(Programs.BACKGROUND)) {
                return;
            }
            if (call.equals("clBuildProgram")) {
                built.set(true);
            } else if (call.equals("clCreateBuffer") && built.get()) {
                made.add(bytes);
                all.countDown();
            }
        });
        try (OpenClBackend backend = new OpenClBackend(device, ForwardRule.standard());
                PreparedForward layer = backend.prepare(
                        direction,
                        CALLED.layer(),
                        Tensor.zeros(CALLED.layer().weightShape()),
                        null,
                        Activation.none())) {
            Tensor read = Tensor.zeros(direction.readShape(CALLED));
            Tensor written = Tensor.zeros(direction.writtenShape(CALLED));
            layer.forward(CALLED, read, null, written);
            // The layer stays open meanwhile: else nothing is tried.
            assertTrue(all.await(5, TimeUnit.MINUTES), () -> "made in the background: " + made);
        }
        boolean forward = direction == Parts.FORWARD;
        long input = (long) Float.BYTES * Tensor.elementsOf(tried.inputShape());
        long output = (long) Float.BYTES * Tensor.elementsOf(tried.outputShape());
        assertEquals(forward ? input : output, made.get(0), "read");
        assertEquals(forward ? output : input, made.get(2), "added");
        assertEquals(forward ? output : input, made.get(3), "written");
    }
}
