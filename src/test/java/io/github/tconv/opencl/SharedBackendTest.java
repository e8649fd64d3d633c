package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.Engine;
import io.github.tconv.Prepared;
import io.github.tconv.PreparedConvolution;
import io.github.tconv.Tconv;
import io.github.tconv.op.Activation;
import io.github.tconv.op.Convolution;
import io.github.tconv.op.DeviceException;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.logging.Logger;
import java.util.stream.Stream;
import org.jocl.CL;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Several devices as one: the bits of one, whatever the batch, whoever fails. The devices are the parts of one where it
 * can be cut, and otherwise one that is opened twice.
 */
class SharedBackendTest {
    /** One of each kind of kernel, with real numbers in it, so that the order of additions shows. */
    static final List<Problem> PROBLEMS = """
            ic96_oc40_i4x5_k4x3_s2x1_d1x3_p1x1
            ic3_oc5_i4x6_k3x5_s1x2_d2x3_p2x4_op0x1
            ic64_oc64_i9x11_k3x3_p1x1
            ic3_oc2_i3x4_k32x32_s16x16_p8x8
            ic6_oc4_g2_i17_k5_s3_p1
            """.lines().map(Problem::parse).toList();

    private static final Problem PROBLEM = PROBLEMS.get(1);

    /** The second device's calls of a shared call come from this thread. */
    private static final String SECOND = "tconv-device-1";

    private static final Logger LOG = Logger.getLogger(Members.class.getName());

    @RegisterExtension
    final Warnings listener = new Warnings(LOG);

    private final List<String> warnings = listener.said();

    @RegisterExtension
    final NoHandleLeft handles = new NoHandleLeft();

    /** Two devices of one kind, which share however little there is to do. */
    private static SharedBackend open(Device device) {
        return open(device, 1);
    }

    private static SharedBackend open(Device device, long leastFlops) {
        ForwardRule rule = ForwardRule.standard().decidedFor(device);
        GradientRules gradientRules = GradientRules.standard().decidedFor(device);
        List<Device> two = canBeCut(device) ? DeviceParts.of(device, 2) : List.of(device, device);
        return new SharedBackend(
                two.stream()
                        .map(one -> new OpenClBackend(one, rule, gradientRules, SelfCheck.OFF))
                        .toList(),
                leastFlops);
    }

    private static boolean canBeCut(Device device) {
        try {
            DeviceParts.of(device, 2).forEach(DeviceParts::release);
            return true;
        } catch (IllegalArgumentException e) {
            return false;
        }
    }

    /** Operands and results of a problem. */
    private static final class Work {
        final Problem problem;
        final Tensor input;
        final Tensor weight;
        final Tensor bias;
        final Tensor adjointBias;
        final Tensor slopes;
        final Tensor outputGradient;

        Work(Problem ofOne, int batch) {
            problem =
                    ofOne.layer().problem(batch, Arrays.copyOfRange(ofOne.inputShape(), 2, ofOne.inputShape().length));
            Random random = new Random(7);
            weight = reals(random, problem.layer().weightShape());
            bias = reals(random, problem.layer().outChannels());
            adjointBias = reals(random, problem.layer().inChannels());
            slopes = reals(random, problem.layer().outChannels());
            // Last, for the others are the same for every batch.
            input = reals(random, problem.inputShape());
            outputGradient = reals(random, problem.outputShape());
        }

        private static Tensor reals(Random random, int... shape) {
            Tensor tensor = Tensor.zeros(shape);
            for (int i = 0; i < tensor.elements(); i++) {
                tensor.set(i, random.nextFloat() - 0.5f);
            }
            return tensor;
        }

        List<float[]> all(Engine engine) {
            List<Tensor> results = new ArrayList<>();
            results.add(forward(engine));
            results.add(engine.inputGradient(problem.layer(), outputGradient, weight));
            results.add(engine.weightGradient(problem.layer(), input, outputGradient));
            results.add(engine.biasGradient(outputGradient));
            Tensor y = Tensor.zeros(problem.outputShape());
            try (Prepared prepared = engine.prepare(problem.layer(), weight, bias, Activation.prelu(slopes))) {
                prepared.forward(input, outputGradient, y);
                results.add(y);
                results.add(prepared.forward(input));
            }
            try (PreparedConvolution prepared =
                    engine.prepare(new Convolution(problem.layer()), weight, adjointBias, Activation.relu())) {
                results.add(prepared.forward(outputGradient));
            }
            try (DeviceTensor x = engine.upload(input);
                    DeviceTensor w = engine.upload(weight);
                    DeviceTensor output = engine.forward(problem.layer(), x, w, null)) {
                results.add(engine.download(output));
            }
            return results.stream().map(Tensor::toArray).toList();
        }

        Tensor forward(Engine engine) {
            return engine.forward(problem.layer(), input, weight, bias);
        }
    }

    private static void assertSame(List<float[]> expected, List<float[]> actual, String when) {
        for (int i = 0; i < expected.size(); i++) {
            assertArrayEquals(expected.get(i), actual.get(i), when + ", result " + i);
        }
    }

    @TestFactory
    Stream<DynamicTest> theBitsAreThoseOfOneDevice() {
        return TestDevices.usable().stream()
                .flatMap(device -> PROBLEMS.stream()
                        .map(problem -> DynamicTest.dynamicTest(problem + " on " + device, () -> {
                            try (Engine one = Engine.of(new OpenClBackend(device, ForwardRule.standard()));
                                    Engine two = Engine.of(open(device))) {
                                for (int batch : new int[] {1, 2, 3, 5, 7}) {
                                    Work work = new Work(problem, batch);
                                    assertSame(work.all(one), work.all(two), work.problem.toString());
                                }
                            }
                        })));
    }

    @Test
    void theProblemsTakeKernelsOfAllKinds() {
        for (Device device : TestDevices.usable()) {
            if (device.hostMemory() == Device.HostMemory.SAME) {
                List<String> names = PROBLEMS.stream()
                        .map(problem -> ForwardRule.standard().choose(problem.asRank3(), device))
                        .map(ForwardVariant::name)
                        .toList();
                for (String kind : List.of("clane", "xlane", "winograd", "phaselane")) {
                    assertTrue(names.stream().anyMatch(name -> name.contains(kind)), kind + " is not in " + names);
                }
            }
        }
    }

    @Test
    void sixteenThreadsGetTheSameBits() {
        for (Device device : TestDevices.usable()) {
            List<Work> works =
                    Stream.of(1, 2, 3, 5).map(batch -> new Work(PROBLEM, batch)).toList();
            ExecutorService threads = Executors.newFixedThreadPool(16);
            try (Engine one = Engine.of(new OpenClBackend(device, ForwardRule.standard()));
                    Engine two = Engine.of(open(device));
                    Prepared prepared = two.prepare(PROBLEM.layer(), works.get(0).weight, works.get(0).bias)) {
                List<float[]> expected =
                        works.stream().map(work -> work.forward(one).toArray()).toList();
                List<CompletableFuture<Void>> calls = new ArrayList<>();
                for (int i = 0; i < 160; i++) {
                    Work work = works.get(i % works.size());
                    float[] bits = expected.get(i % works.size());
                    boolean once = i % 3 == 0;
                    calls.add(CompletableFuture.runAsync(
                            () -> {
                                Tensor output = once
                                        ? two.forward(
                                                work.problem.layer(),
                                                work.input,
                                                works.get(0).weight,
                                                works.get(0).bias)
                                        : prepared.forward(work.input);
                                assertArrayEquals(bits, output.toArray());
                            },
                            threads));
                }
                calls.forEach(CompletableFuture::join);
            } finally {
                threads.shutdown();
            }
        }
    }

    private static boolean isOn(String thread) {
        return Thread.currentThread().getName().equals(thread);
    }

    /** Whichever call of a share fails, the others compute it, with the same bits. */
    @Test
    void aDeviceThatFailsInTheMiddleHandsItsShareToTheOthers() {
        Work work = new Work(PROBLEM, 5);
        for (Device device : TestDevices.usable()) {
            float[] expected;
            AtomicInteger calls = new AtomicInteger();
            try (Engine two = Engine.of(open(device))) {
                expected = work.forward(two).toArray();
                Calls.intercept((call, bytes) -> {
                    if (isOn(SECOND)) {
                        calls.incrementAndGet();
                    }
                });
                work.forward(two);
                Calls.intercept((call, bytes) -> {});
            }
            assertTrue(calls.get() > 2, "the second device has a share");
            for (int n = 0; n < calls.get(); n++) {
                int failing = n;
                AtomicInteger count = new AtomicInteger();
                String[] failed = new String[1];
                warnings.clear();
                SharedBackend backend = open(device);
                try (Engine two = Engine.of(backend)) {
                    // So that nothing is left to compile, and the calls are those that were counted.
                    work.forward(two);
                    Calls.intercept((call, bytes) -> {
                        if (isOn(SECOND) && count.getAndIncrement() == failing) {
                            failed[0] = call;
                            throw FaultTest.status(CL.CL_DEVICE_NOT_AVAILABLE);
                        }
                    });
                    assertArrayEquals(expected, work.forward(two).toArray(), "call " + n);
                    Calls.intercept((call, bytes) -> {});
                    // A release that fails is a warning.
                    boolean fails = failed[0] != null && !failed[0].startsWith("clRelease");
                    assertEquals(fails ? 1 : 0, warnings.size(), failed[0] + ": " + warnings);
                    assertEquals(fails, two.describe().contains("left out"), two.describe());
                    assertArrayEquals(expected, work.forward(two).toArray(), "after call " + n);
                    assertEquals(fails ? 1 : 0, warnings.size());
                }
            }
        }
    }

    /** The first decides and holds the device tensors; the others do without it all the same. */
    @Test
    void theFirstMayFailToo() {
        Work work = new Work(PROBLEM, 3);
        for (Device device : TestDevices.usable()) {
            try (Engine one = Engine.of(new OpenClBackend(device, ForwardRule.standard()));
                    Engine two = Engine.of(open(device))) {
                List<float[]> expected = work.all(one);
                Calls.intercept((call, bytes) -> {
                    if (isOn("tconv-device-0")) {
                        throw FaultTest.status(CL.CL_DEVICE_NOT_AVAILABLE);
                    }
                });
                assertSame(expected, work.all(two), "the first fails");
                assertEquals(1, warnings.size(), warnings::toString);
            }
            warnings.clear();
        }
    }

    @Test
    void whereAllFailTheCallDoesAndTheEngineWorksOn() {
        Work work = new Work(PROBLEM, 4);
        for (Device device : TestDevices.usable()) {
            try (Engine two = Engine.of(open(device))) {
                float[] expected = work.forward(two).toArray();
                Calls.intercept((call, bytes) -> {
                    if (call.equals("clEnqueueNDRangeKernel")) {
                        throw FaultTest.status(CL.CL_DEVICE_NOT_AVAILABLE);
                    }
                });
                DeviceException failure = assertThrows(DeviceException.class, () -> work.forward(two));
                assertTrue(failure.getMessage().contains("CL_DEVICE_NOT_AVAILABLE"), failure.getMessage());
                assertEquals(1, failure.getSuppressed().length);
                assertThrows(
                        DeviceException.class,
                        () -> two.weightGradient(work.problem.layer(), work.input, work.outputGradient));
                Calls.intercept((call, bytes) -> {});
                assertFalse(two.describe().contains("left out"), two.describe());
                assertArrayEquals(expected, work.forward(two).toArray());
                assertEquals(List.of(), warnings);
            }
        }
    }

    /** A want of memory is the call's: the device is there for the next one. */
    @Test
    void aDeviceWithoutRoomStays() {
        Work work = new Work(PROBLEM, 4);
        for (Device device : TestDevices.usable()) {
            try (Engine two = Engine.of(open(device))) {
                float[] expected = work.forward(two).toArray();
                AtomicInteger refused = new AtomicInteger();
                Calls.intercept((call, bytes) -> {
                    if (isOn(SECOND) && call.equals("clEnqueueNDRangeKernel")) {
                        refused.incrementAndGet();
                        throw FaultTest.status(CL.CL_MEM_OBJECT_ALLOCATION_FAILURE);
                    }
                });
                assertArrayEquals(expected, work.forward(two).toArray());
                assertTrue(refused.get() > 0);
                assertFalse(two.describe().contains("left out"), two.describe());
            }
        }
    }

    @Test
    void aDeviceThatIsSlowGetsLess() {
        Work work = new Work(PROBLEM, 6);
        for (Device device : TestDevices.usable()) {
            SharedBackend backend = open(device);
            try (Engine two = Engine.of(backend)) {
                Calls.intercept((call, bytes) -> {
                    if (isOn(SECOND) && call.equals("clEnqueueNDRangeKernel")) {
                        LockSupport.parkNanos(20_000_000);
                    }
                });
                for (int i = 0; i < 30; i++) {
                    work.forward(two);
                }
                double[] speeds = backend.relativeSpeeds();
                assertTrue(speeds[1] < 0.5 * speeds[0], Arrays.toString(speeds));
            }
        }
    }

    @Test
    void littleWorkStaysOnOneDevice() {
        Work work = new Work(PROBLEM, 5);
        for (Device device : TestDevices.usable()) {
            try (Engine two = Engine.of(open(device, SharedBackend.LEAST_FLOPS))) {
                Calls.intercept((call, bytes) -> assertFalse(isOn(SECOND), call));
                work.forward(two);
            }
        }
    }

    @Test
    void whatCannotBeOpenedLeavesNothing() {
        for (Device device : TestDevices.usable()) {
            if (!canBeCut(device)) {
                continue;
            }
            String name = device.info().index() + "/2";
            long before = Handles.live();
            for (String failing : List.of("clCreateSubDevices", "clCreateContext")) {
                for (int n = 0; n < 2; n++) {
                    int fails = n;
                    AtomicInteger count = new AtomicInteger();
                    Calls.intercept((call, bytes) -> {
                        if (call.equals(failing) && count.getAndIncrement() == fails) {
                            throw FaultTest.status(CL.CL_OUT_OF_RESOURCES);
                        }
                    });
                    if (failing.equals("clCreateContext") || n == 0) {
                        assertThrows(
                                DeviceException.class, () -> Tconv.open(name).close());
                    }
                    Calls.intercept((call, bytes) -> {});
                    assertEquals(before, Handles.live(), failing);
                }
            }
            for (int i = 0; i < 100; i++) {
                Tconv.open(name).close();
            }
        }
    }

    @Test
    void saysWhatItComputesOn() {
        for (Device device : TestDevices.usable()) {
            if (canBeCut(device)) {
                try (Engine engine = Tconv.open(device.info().index() + "/2")) {
                    assertEquals(2, engine.describe().split(" and ").length, engine.describe());
                }
            }
            String tooMany = device.info().index() + "/" + (device.info().computeUnits() + 1);
            String message = assertThrows(IllegalArgumentException.class, () -> Tconv.open(tooMany))
                    .getMessage();
            assertTrue(message.endsWith("parts: " + (device.info().computeUnits() + 1)), message);
            assertThrows(
                    IllegalArgumentException.class,
                    () -> Tconv.open(device.info().index() + "/0"));
        }
        if (!TestDevices.usable().isEmpty()) {
            try (Engine engine = Tconv.open("all")) {
                assertFalse(engine.describe().isEmpty());
            }
        }
    }

    @Test
    void unitsAreDealtOut() {
        assertArrayEquals(new int[] {3, 2, 2}, DeviceParts.counts(7, 3));
        assertArrayEquals(new int[] {1, 1}, DeviceParts.counts(2, 2));
    }
}
