package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.Engine;
import io.github.tconv.Prepared;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a call like the one before costs, in native calls and in Java's memory: counts, not times. */
class SteadyStateTest {
    private static final int WARM_UP = 2_000;
    private static final int CALLS = 2_000;
    /** A call makes nothing itself; a lock of the JDK notes who holds it while another thread compiles or computes. */
    private static final double MOST_BYTES_A_CALL = 128;

    private static Stream<Device> inPlace() {
        return TestDevices.usable().stream().filter(device -> device.hostMemory() == Device.HostMemory.SAME);
    }

    private static Engine open(Device device) {
        return Engine.of(new OpenClBackend(device, ForwardRule.standard()));
    }

    /** A few kFLOP, through the variants that the rule has for small layers: nothing but kernels and one wait. */
    @ParameterizedTest
    @CsvSource({
        "ic2_oc3_i3x4_k2x3_s2x1, 1",
        "ic4_oc6_i8x8_k3x3_s2x2_p1x1, 1",
        "ic64_oc32_i1x1_k4x4_s2x2_p1x1, 2",
        "ic3_oc2_i5_k4_s2_p1, 1"
    })
    void aSmallCallIsAtMostTwoEnqueues(String descriptor, int enqueues) {
        Problem problem = Problem.parse(descriptor);
        inPlace().forEach(device -> {
            Tensor input = Tensor.zeros(problem.inputShape());
            Tensor output = Tensor.zeros(problem.outputShape());
            try (Engine engine = open(device);
                    Prepared prepared = engine.prepare(
                            problem.layer(), Tensor.zeros(problem.layer().weightShape()), null)) {
                prepared.forward(input, output);
                assertEquals(
                        Map.of("clEnqueueNDRangeKernel", (long) enqueues, "clFinish", 1L),
                        fewestCalls(() -> prepared.forward(input, output)));
                try (DeviceTensor x = engine.upload(input);
                        DeviceTensor y = engine.allocate(problem.outputShape())) {
                    prepared.forward(x, y);
                    assertEquals(
                            Map.of("clEnqueueNDRangeKernel", (long) enqueues, "clFlush", 1L),
                            fewestCalls(() -> prepared.forward(x, y)));
                }
            }
        });
    }

    /** The background may try the same kernel between two calls, whose next one sets its arguments anew. */
    private static Map<String, Long> fewestCalls(Runnable work) {
        return Stream.generate(() -> calls(work))
                .limit(10)
                .min(Comparator.comparingInt(Map::size))
                .orElseThrow();
    }

    private static Map<String, Long> calls(Runnable work) {
        List<String> made = new ArrayList<>();
        // Other tiles are compiled in the background meanwhile.
        Thread caller = Thread.currentThread();
        Calls.Interceptor previous = Calls.intercept((call, bytes) -> {
            if (Thread.currentThread() == caller) {
                made.add(call);
            }
        });
        try {
            work.run();
        } finally {
            Calls.intercept(previous);
        }
        return made.stream().collect(Collectors.groupingBy(Function.identity(), TreeMap::new, Collectors.counting()));
    }

    @Test
    void aCallMakesNoGarbage() {
        Problem problem = Problem.parse("ic4_oc6_i8x8_k3x3_s2x2_p1x1");
        inPlace().forEach(device -> {
            Tensor input = Tensor.zeros(problem.inputShape());
            Tensor residual = Tensor.zeros(problem.outputShape());
            Tensor output = Tensor.zeros(problem.outputShape());
            try (Engine engine = open(device);
                    Prepared prepared = engine.prepare(
                            problem.layer(), Tensor.zeros(problem.layer().weightShape()), null);
                    DeviceTensor x = engine.upload(input);
                    DeviceTensor y = engine.allocate(problem.outputShape())) {
                assertQuiet("given", () -> prepared.forward(input, output));
                assertQuiet("with a residual", () -> prepared.forward(input, residual, output));
                assertQuiet("on the device", () -> prepared.forward(x, y));
                Problem other = problem.layer().problem(2, 5, 9);
                Tensor otherInput = Tensor.zeros(other.inputShape());
                Tensor otherOutput = Tensor.zeros(other.outputShape());
                Runnable inTurn = () -> {
                    prepared.forward(input, output);
                    prepared.forward(otherInput, otherOutput);
                };
                assertNoGarbage("of two sizes in turn", inTurn);
                assertMakes(Set.of("clSetKernelArg", "clEnqueueNDRangeKernel", "clFinish"), "two sizes", inTurn);
                engine.download(y, output);
            }
        });
    }

    private static void assertQuiet(String name, Runnable call) {
        assertNoGarbage(name, call);
        assertMakes(Set.of("clEnqueueNDRangeKernel", "clFinish", "clFlush"), name, call);
    }

    private static void assertNoGarbage(String name, Runnable call) {
        for (int i = 0; i < WARM_UP; i++) {
            call.run();
        }
        var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
        long thread = Thread.currentThread().getId();
        long before = threads.getThreadAllocatedBytes(thread);
        for (int i = 0; i < CALLS; i++) {
            call.run();
        }
        double bytes = (threads.getThreadAllocatedBytes(thread) - before) / (double) CALLS;
        assertTrue(bytes <= MOST_BYTES_A_CALL, name + ": " + bytes + " bytes a call");
    }

    private static void assertMakes(Set<String> wanted, String name, Runnable call) {
        Set<String> made = calls(() -> {
                    for (int i = 0; i < CALLS; i++) {
                        call.run();
                    }
                })
                .keySet();
        assertTrue(wanted.containsAll(made), () -> name + ": " + made);
    }

    /** Results that nobody has any more give their memory to later ones; those that somebody has keep their values. */
    @Test
    void droppedResultsAreUsedAgainAndKeptOnesAreNot() {
        Problem problem = Problem.parse("ic1_oc2_i512x512_k2x2_s2x2");
        inPlace().forEach(device -> {
            Tensor input = Tensor.zeros(problem.inputShape());
            Tensor weight = Tensor.zeros(problem.layer().weightShape());
            weight.set(0, 1);
            List<Tensor> kept = new ArrayList<>();
            List<java.nio.FloatBuffer> views = new ArrayList<>();
            long before = Handles.live();
            try (Engine engine = open(device);
                    Prepared prepared = engine.prepare(problem.layer(), weight, null)) {
                for (int i = 0; i < 60; i++) {
                    input.set(0, i);
                    Tensor result = prepared.forward(input);
                    if (i % 20 == 0) {
                        kept.add(result);
                    } else if (i % 20 == 1) {
                        // Of these only a view is kept, which must hold the memory as well.
                        views.add(result.floats().slice(0, 1));
                    }
                    if (i % 5 == 4) {
                        System.gc();
                    }
                }
                // Every block has one buffer: many fewer than results were made.
                long buffers = Handles.live() - before;
                assertTrue(buffers < 40, buffers + " native handles");
            }
            assertEquals(before, Handles.live(), "native handles");
            for (int i = 0; i < 3; i++) {
                // Also after the engine's close.
                assertEquals(20f * i, kept.get(i).get(0));
                assertEquals(20f * i + 1, views.get(i).get(0));
            }
        });
    }
}
