package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.Engine;
import io.github.tconv.Prepared;
import io.github.tconv.Tconv;
import io.github.tconv.op.Activation;
import io.github.tconv.op.DeviceException;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.stream.Stream;
import org.jocl.CL;
import org.jocl.CLException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/**
 * Lets every OpenCL call of a walk through the library fail, one at a time, with every status that a driver may give
 * for it. Each time the walk ends in an exception that says where, or goes on another way to the same bits. Then nothing
 * is left behind, and the engine works.
 */
class FaultTest {
    /** A batch, so that a shortage of memory has something to split. */
    private static final Problem PROBLEM = Problem.parse("n2_ic3_oc5_i4x6_k3x5_s1x2_d2x3_p2x4_op0x1");

    private static final String OPTIONS =
            LayerConstants.of(Problem.parse("ic1_oc1_i1_k1").asRank3().layer());

    private static final float UNTOUCHED = 12345;

    /** What a driver may answer to any call. */
    private static final List<Integer> COMMON = List.of(CL.CL_OUT_OF_RESOURCES, CL.CL_OUT_OF_HOST_MEMORY);

    /** What else it may answer to some. */
    private static final Map<String, List<Integer>> STATUSES = Map.ofEntries(
            Map.entry("clGetPlatformIDs", List.of(CL.CL_PLATFORM_NOT_FOUND_KHR)),
            Map.entry("clGetPlatformInfo", List.of(CL.CL_INVALID_PLATFORM)),
            Map.entry("clGetDeviceIDs", List.of(CL.CL_DEVICE_NOT_FOUND, CL.CL_INVALID_DEVICE_TYPE)),
            Map.entry("clGetDeviceInfo", List.of(CL.CL_INVALID_DEVICE)),
            Map.entry("clCreateContext", List.of(CL.CL_DEVICE_NOT_AVAILABLE)),
            Map.entry("clCreateCommandQueueWithProperties", List.of(CL.CL_INVALID_QUEUE_PROPERTIES)),
            Map.entry(
                    "clCreateBuffer",
                    List.of(CL.CL_MEM_OBJECT_ALLOCATION_FAILURE, CL.CL_INVALID_BUFFER_SIZE, CL.CL_INVALID_HOST_PTR)),
            Map.entry("clCreateProgramWithBinary", List.of(CL.CL_INVALID_BINARY)),
            Map.entry("clBuildProgram", List.of(CL.CL_BUILD_PROGRAM_FAILURE, CL.CL_COMPILER_NOT_AVAILABLE)),
            Map.entry("clCreateKernel", List.of(CL.CL_INVALID_KERNEL_NAME)),
            Map.entry("clSetKernelArg", List.of(CL.CL_INVALID_ARG_SIZE)),
            Map.entry(
                    "clEnqueueNDRangeKernel",
                    List.of(CL.CL_MEM_OBJECT_ALLOCATION_FAILURE, CL.CL_INVALID_WORK_GROUP_SIZE, -9999)),
            Map.entry("clEnqueueReadBuffer", List.of(CL.CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST)),
            Map.entry("clFinish", List.of(CL.CL_INVALID_COMMAND_QUEUE)));

    /** Held here, lest the garbage collector forgets its handler. */
    private static final Logger LOG = Logger.getLogger(Calls.class.getName());

    private static final AtomicInteger WARNINGS = new AtomicInteger();

    /** How often faults at a call ended in which way, for target/faults.md. */
    private static final Map<String, Map<End, Integer>> ENDS = new TreeMap<>();

    @RegisterExtension
    final NoHandleLeft handles = new NoHandleLeft();

    /** A release that fails is no exception but a warning; hundreds of them would hide the test's own output. */
    @BeforeAll
    static void countWarnings() {
        LOG.setUseParentHandlers(false);
        LOG.addHandler(new Handler() {
            @Override
            public void publish(LogRecord said) {
                WARNINGS.incrementAndGet();
            }

            @Override
            public void flush() {}

            @Override
            public void close() {}
        });
    }

    @AfterAll
    static void showWarnings() throws IOException {
        LOG.setUseParentHandlers(true);
        StringBuilder table = new StringBuilder("| call | exception | same bits |\n|---|---|---|\n");
        ENDS.forEach((call, ends) -> table.append("| `%s` | %d | %d |\n"
                .formatted(call, ends.getOrDefault(End.EXCEPTION, 0), ends.getOrDefault(End.SAME_BITS, 0))));
        Files.writeString(Files.createDirectories(Path.of("target")).resolve("faults.md"), table);
    }

    /** The tensors of a walk and what it computes without a fault. */
    private static final class Walk {
        private final Device device;
        private final ForwardRule rule;
        private final Tensor input = counting(PROBLEM.inputShape());
        private final Tensor weight = counting(PROBLEM.layer().weightShape());
        private final Tensor bias = counting(5);
        private final Tensor slopes = counting(5);
        private final Tensor residual = counting(PROBLEM.outputShape());
        private final Tensor output = Tensor.zeros(PROBLEM.outputShape());
        private final Tensor inputGradient = Tensor.zeros(PROBLEM.inputShape());
        private final Tensor weightGradient = Tensor.zeros(PROBLEM.layer().weightShape());
        private final Tensor biasGradient = Tensor.zeros(5);
        private final List<Tensor> results = List.of(output, inputGradient, weightGradient, biasGradient);

        Walk(Device device, ForwardRule rule) {
            this.device = device;
            this.rule = rule;
        }

        Engine open() {
            return Engine.of(OpenClBackend.open(String.valueOf(device.info().index()), rule));
        }

        void compute(Engine engine) {
            try (Prepared prepared = engine.prepare(PROBLEM.layer(), weight, bias, Activation.prelu(slopes))) {
                prepared.forward(input, residual, output);
            }
            engine.inputGradient(PROBLEM, residual, weight, null, inputGradient);
            engine.weightGradient(PROBLEM, input, residual, weightGradient);
            engine.biasGradient(residual, biasGradient);
        }

        void all() {
            try (Engine engine = open()) {
                compute(engine);
            }
        }

        List<float[]> values() {
            return results.stream().map(Tensor::toArray).toList();
        }

        void forget() {
            results.forEach(result -> fill(result, UNTOUCHED));
        }

        private static Tensor counting(int... shape) {
            Tensor tensor = Tensor.zeros(shape);
            for (int i = 0; i < tensor.elements(); i++) {
                tensor.set(i, i % 7 - 3);
            }
            return tensor;
        }

        private static void fill(Tensor tensor, float value) {
            for (int i = 0; i < tensor.elements(); i++) {
                tensor.set(i, value);
            }
        }
    }

    /** What JOCL throws where a call returns a status. */
    static CLException status(int status) {
        return new CLException(CL.stringFor_errorCode(status), status);
    }

    private static void assertSame(List<float[]> expected, List<float[]> actual, String when) {
        for (int i = 0; i < expected.size(); i++) {
            org.junit.jupiter.api.Assertions.assertArrayEquals(expected.get(i), actual.get(i), when);
        }
    }

    /** What came of a walk with a fault. */
    private enum End {
        EXCEPTION,
        SAME_BITS
    }

    @TestFactory
    Stream<DynamicTest> everyCallMayFail() {
        return TestDevices.usable().stream()
                .flatMap(device -> Stream.of(
                        DynamicTest.dynamicTest(
                                "fast forward on " + device, () -> everyCallMayFail(new Walk(device, FaultTest::fast))),
                        DynamicTest.dynamicTest(
                                "plain forward on " + device,
                                () -> everyCallMayFail(new Walk(device, (problem, unused) -> new PlainVariant())))));
    }

    /** The variant with most launches, where the device takes one of its kind. */
    private static ForwardVariant fast(Problem problem, Device device) {
        return device.hostMemory() == Device.HostMemory.SAME
                ? ChannelLaneVariant.suiting(problem, Processor.of(device))
                : ForwardRule.standard().choose(problem, device);
    }

    private static void everyCallMayFail(Walk walk) {
        walk.all();
        List<float[]> expected = walk.values();
        // The second walk finds all programs on the disk, and so do those with faults.
        List<String> calls = new ArrayList<>();
        Calls.intercept((call, bytes) -> calls.add(call));
        walk.all();
        Map<String, Integer> seen = new TreeMap<>();
        for (int n = 0; n < calls.size(); n++) {
            String call = calls.get(n);
            // The calls of one function differ little; every status at the first few of them, one at the rest.
            boolean few = seen.merge(call, 1, Integer::sum) <= 3;
            List<Integer> statuses = new ArrayList<>(few ? COMMON : List.of());
            List<Integer> own = STATUSES.getOrDefault(call, COMMON.subList(0, 1));
            statuses.addAll(few ? own : own.subList(0, 1));
            for (int status : statuses) {
                End end = walkWithFault(walk, n, call, status, expected);
                ENDS.computeIfAbsent(call, any -> new TreeMap<>()).merge(end, 1, Integer::sum);
            }
        }
    }

    private static End walkWithFault(Walk walk, int n, String call, int status, List<float[]> expected) {
        String name = CL.stringFor_errorCode(status);
        String when = "call %d, %s, %s".formatted(n, call, name);
        long before = Handles.live();
        AtomicInteger count = new AtomicInteger();
        Calls.intercept((made, bytes) -> {
            if (count.getAndIncrement() == n) {
                throw status(status);
            }
        });
        walk.forget();
        End end = End.SAME_BITS;
        Engine engine;
        try {
            engine = walk.open();
        } catch (DeviceException | IllegalArgumentException e) {
            assertEquals(before, Handles.live(), when);
            assertNames(e, when, status == CL.CL_DEVICE_NOT_FOUND ? "has no device" : name);
            return End.EXCEPTION;
        }
        try (engine) {
            try {
                walk.compute(engine);
            } catch (DeviceException e) {
                end = End.EXCEPTION;
                assertNames(e, when, name, call, walk.device.toString());
            }
            if (end == End.SAME_BITS) {
                assertSame(expected, walk.values(), when);
            }
            if (count.get() > n) {
                walk.compute(engine);
                assertSame(expected, walk.values(), "afterwards, " + when);
            }
        }
        assertTrue(count.get() > n, when);
        assertEquals(call.startsWith("clRelease") ? 1 : 0, WARNINGS.getAndSet(0), when);
        assertEquals(before, Handles.live(), when);
        IllegalStateException closed = assertThrows(IllegalStateException.class, () -> walk.compute(engine), when);
        assertEquals("the engine is closed", closed.getMessage());
        return end;
    }

    private static void assertNames(RuntimeException failure, String when, String... parts) {
        for (String part : parts) {
            assertTrue(failure.getMessage().contains(part), () -> when + ": " + failure.getMessage());
        }
    }

    /** No partial output: what a failed call leaves in the caller's tensor is not said, but nothing writes there later. */
    @Test
    void whenACallFailsNothingItStartedRunsAnyMore() {
        // Long enough that the kernel would be seen to write.
        Problem slow = Problem.parse("n2_ic24_oc24_i48x48_k5x5_s2x2");
        Tensor weight = Walk.counting(slow.layer().weightShape());
        Tensor input = Walk.counting(slow.inputShape());
        Tensor output = Tensor.zeros(slow.outputShape());
        Tensor inputGradient = Tensor.zeros(slow.inputShape());
        Tensor weightGradient = Tensor.zeros(slow.layer().weightShape());
        for (Device device : TestDevices.usable()) {
            ForwardRule plain = (problem, unused) -> new PlainVariant();
            try (Engine engine =
                    Engine.of(OpenClBackend.open(String.valueOf(device.info().index()), plain))) {
                failsAndWritesNoMore(engine, output, () -> engine.forward(slow, input, weight, null, output));
                failsAndWritesNoMore(
                        engine, inputGradient, () -> engine.inputGradient(slow, output, weight, null, inputGradient));
                failsAndWritesNoMore(
                        engine, weightGradient, () -> engine.weightGradient(slow, input, output, weightGradient));
            }
        }
    }

    private static void failsAndWritesNoMore(Engine engine, Tensor written, Runnable operation) {
        operation.run();
        AtomicInteger fetches = new AtomicInteger();
        Calls.intercept((call, bytes) -> {
            // The first wait after the launch.
            if (List.of("clFinish", "clEnqueueReadBuffer", "clEnqueueMapBuffer").contains(call)
                    && fetches.getAndIncrement() == 0) {
                throw status(CL.CL_INVALID_COMMAND_QUEUE);
            }
        });
        assertThrows(DeviceException.class, operation::run);
        Walk.fill(written, UNTOUCHED);
        Calls.intercept((call, bytes) -> {});
        engine.biasGradient(Tensor.zeros(1, 1, 1));
        for (int i = 0; i < written.elements(); i++) {
            assertEquals(UNTOUCHED, written.get(i));
        }
    }

    /** From some call on nothing works any more, as when a driver has reset the device. */
    @Test
    void aLostDeviceIsSaidAndLeavesNothing() {
        for (Device device : TestDevices.usable()) {
            Walk walk = new Walk(device, FaultTest::fast);
            List<String> calls = new ArrayList<>();
            walk.all();
            Calls.intercept((call, bytes) -> calls.add(call));
            walk.all();
            int opened = calls.indexOf("clCreateCommandQueueWithProperties") + 1;
            for (int n = opened; n < calls.size(); n += 3) {
                int lostAt = n;
                AtomicInteger count = new AtomicInteger();
                Calls.intercept((call, bytes) -> {
                    // Not the releases: they would leave the driver's objects behind, here, where no device is lost.
                    if (count.getAndIncrement() >= lostAt && !call.startsWith("clRelease")) {
                        throw status(CL.CL_DEVICE_NOT_AVAILABLE);
                    }
                });
                long live = Handles.live();
                try (Engine engine = walk.open()) {
                    if (n <= calls.lastIndexOf("clEnqueueNDRangeKernel")) {
                        assertThrows(DeviceException.class, () -> walk.compute(engine), "lost at " + n);
                        assertThrows(DeviceException.class, () -> walk.compute(engine), "lost at " + n);
                    }
                }
                assertEquals(live, Handles.live(), "lost at " + n);
            }
        }
    }

    @Test
    void aDriverThatGivesNoBinaryCostsNothing(@TempDir Path folder) throws IOException {
        for (Device device : TestDevices.usable()) {
            for (int n = 0; n < 2; n++) {
                int failing = n;
                AtomicInteger count = new AtomicInteger();
                Calls.intercept((call, bytes) -> {
                    if (call.equals("clGetProgramInfo") && count.getAndIncrement() == failing) {
                        throw status(CL.CL_INVALID_PROGRAM);
                    }
                });
                Path cache = folder.resolve(device.info().index() + "-" + n);
                try (Session session = new Session(device, new ProgramCache(cache))) {
                    session.programs().remember(session.programs().get(List.of("common", "bias_gradient"), OPTIONS));
                }
                assertEquals(n + 1, count.get());
                assertFalse(Files.exists(cache), cache::toString);
            }
        }
    }

    @Test
    void whereNoDeviceOpensAutoIsPlainJavaAndSaysWhy() {
        Calls.intercept((call, bytes) -> {
            if (call.equals("clCreateContext")) {
                throw status(CL.CL_DEVICE_NOT_AVAILABLE);
            }
        });
        try (Engine engine = Tconv.open("auto")) {
            String reason = engine.fallbackReason().orElseThrow();
            assertTrue(reason.contains(TestDevices.usable().isEmpty() ? "no OpenCL" : "clCreateContext"), reason);
        }
    }
}
