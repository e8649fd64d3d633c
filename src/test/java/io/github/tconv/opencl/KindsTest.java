package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.Engine;
import io.github.tconv.EngineHabit;
import io.github.tconv.Prepared;
import io.github.tconv.Tconv;
import io.github.tconv.op.Activation;
import io.github.tconv.op.DeviceException;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.reference.ReferenceBackend;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.logging.Logger;
import org.jocl.CL;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Devices of several kinds as one: the bits of the first, opened with the same rounding; who cannot give them takes no
 * share. The second device is the first once more, which says that it has another driver; where its bits are to be others,
 * its kernels are compiled with another rounding.
 */
class KindsTest {
    /** A processor under PoCL rounds some product and its sum of each together. */
    private static final List<Problem> PROBLEMS = SharedBackendTest.PROBLEMS;

    private static final Problem PROBLEM = PROBLEMS.get(1);
    private static final String FIRST = "tconv-device-0";
    private static final String SECOND = "tconv-device-1";
    private static final Logger LOG = Logger.getLogger(KindsTest.class.getPackageName());

    @RegisterExtension
    final Warnings listener = new Warnings(LOG);

    private final List<String> warnings = listener.said();

    @RegisterExtension
    final NoHandleLeft handles = new NoHandleLeft();

    private static OpenClBackend one(Device device, Rounding rounding) {
        return new OpenClBackend(device, ForwardRule.standard(), GradientRules.standard(), SelfCheck.OFF, rounding);
    }

    /** A device, and what passes for one of another kind, however little there is to do. */
    private static Engine two(Device device, Rounding second) {
        return two(device, second, device.info().localMemoryBytes());
    }

    private static Engine two(Device device, Rounding second, long localBytes) {
        Device pretended = TestDevices.ofDriver(device, device.info().driver() + " of another kind", localBytes);
        return Engine.of(new SharedBackend(
                List.of(one(device, Rounding.SEPARATE), one(pretended, second)), /* leastFlops= */ 1));
    }

    /** Operands of a problem with four images, and what engines make of them. */
    private static final class Work {
        final Problem problem;
        final Tensor input;
        final Tensor weight;
        final Tensor bias;
        final Tensor outputGradient;

        Work(Problem ofOne) {
            problem = ofOne.layer().problem(4, Arrays.copyOfRange(ofOne.inputShape(), 2, ofOne.inputShape().length));
            Random random = new Random(5);
            weight = reals(random, problem.layer().weightShape());
            bias = reals(random, problem.layer().outChannels());
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

        float[] forward(Engine engine) {
            return engine.forward(problem.layer(), input, weight, bias).toArray();
        }

        float[] prepared(Engine engine, boolean hasResidual) {
            Tensor output = Tensor.zeros(problem.outputShape());
            try (Prepared prepared = engine.prepare(problem.layer(), weight, bias, Activation.relu())) {
                prepared.forward(input, hasResidual ? outputGradient : null, output);
            }
            return output.toArray();
        }

        float[] inputGradient(Engine engine) {
            return engine.inputGradient(problem.layer(), outputGradient, weight).toArray();
        }
    }

    private static boolean isOn(String thread) {
        return Thread.currentThread().getName().equals(thread);
    }

    private static AtomicInteger kernelsOf(String thread) {
        AtomicInteger kernels = new AtomicInteger();
        Calls.intercept((call, bytes) -> {
            if (isOn(thread) && call.equals("clEnqueueNDRangeKernel")) {
                kernels.incrementAndGet();
            }
        });
        return kernels;
    }

    @Test
    void theBitsAreThoseOfTheFirstWithTheSameRounding() {
        for (Device device : TestDevices.usable()) {
            for (Problem problem : PROBLEMS) {
                Work work = new Work(problem);
                try (Engine one = Engine.of(one(device, Rounding.SEPARATE));
                        Engine two = two(device, Rounding.SEPARATE)) {
                    float[] expected = work.forward(one);
                    assertArrayEquals(expected, work.forward(two), problem + ", proved now");
                    AtomicInteger kernels = kernelsOf(SECOND);
                    assertArrayEquals(expected, work.forward(two), problem + ", proved before");
                    assertTrue(kernels.get() > 0, "the second device has a share of " + problem);
                    Calls.intercept((call, bytes) -> {});
                    assertArrayEquals(work.prepared(one, false), work.prepared(two, false), problem.toString());
                    assertArrayEquals(work.prepared(one, true), work.prepared(two, true), problem + ", residual");
                    assertArrayEquals(work.inputGradient(one), work.inputGradient(two), problem + ", gradient");
                }
            }
        }
        assertEquals(List.of(), warnings);
    }

    /** Whole numbers are exact however a kernel rounds. */
    @Test
    void separateRoundingsComputeRight() {
        for (Device device : TestDevices.usable()) {
            for (Problem problem : PROBLEMS) {
                Work work = new Work(problem);
                for (Tensor tensor : List.of(work.input, work.weight, work.bias)) {
                    for (int i = 0; i < tensor.elements(); i++) {
                        tensor.set(i, Math.round(tensor.get(i) * 8));
                    }
                }
                try (Engine reference = Engine.of(new ReferenceBackend());
                        Engine one = Engine.of(one(device, Rounding.SEPARATE))) {
                    assertArrayEquals(work.forward(reference), work.forward(one), problem.toString());
                }
            }
        }
    }

    @Test
    void whoseBitsDifferTakesNoShareOfTheLayer() {
        for (Device device : TestDevices.usable()) {
            for (Problem problem : PROBLEMS) {
                Work work = new Work(problem);
                try (Engine one = Engine.of(one(device, Rounding.SEPARATE));
                        Engine contracted = Engine.of(one(device, Rounding.CONTRACTED));
                        Engine two = two(device, Rounding.CONTRACTED)) {
                    float[] expected = work.forward(one);
                    boolean differs = !Arrays.equals(expected, work.forward(contracted));
                    if (device.hostMemory() == Device.HostMemory.SAME) {
                        assertTrue(differs, "PoCL contracts " + problem);
                    }
                    warnings.clear();
                    assertArrayEquals(expected, work.forward(two), problem.toString());
                    assertEquals(differs ? 1 : 0, warnings.size(), warnings::toString);
                    if (differs) {
                        assertTrue(
                                warnings.get(0).matches("(?s).*takes no share of .*expected .*, found .*"),
                                warnings.get(0));
                        Calls.intercept((call, bytes) -> assertFalse(isOn(SECOND), call));
                        assertArrayEquals(expected, work.forward(two), problem.toString());
                        assertEquals(1, warnings.size(), warnings::toString);
                        Calls.intercept((call, bytes) -> {});
                    }
                    assertFalse(two.describe().contains("left out"), two.describe());
                }
            }
        }
    }

    @Test
    void whoCannotComputeALayerHasItsShareOfOthers() {
        Work work = new Work(PROBLEM);
        Work other = new Work(PROBLEMS.get(4));
        for (Device device : TestDevices.usable()) {
            try (Engine one = Engine.of(one(device, Rounding.SEPARATE));
                    Engine two = two(device, Rounding.SEPARATE)) {
                Calls.intercept((call, bytes) -> {
                    if (isOn(SECOND) && call.equals("clBuildProgram")) {
                        throw FaultTest.status(CL.CL_BUILD_PROGRAM_FAILURE);
                    }
                });
                assertArrayEquals(work.forward(one), work.forward(two));
                assertEquals(1, warnings.size(), warnings::toString);
                assertTrue(warnings.get(0).contains("CL_BUILD_PROGRAM_FAILURE"), warnings.get(0));
                assertFalse(two.describe().contains("left out"), two.describe());
                Calls.intercept((call, bytes) -> {});
                float[] expected = other.forward(one);
                assertArrayEquals(expected, other.forward(two));
                AtomicInteger kernels = kernelsOf(SECOND);
                assertArrayEquals(expected, other.forward(two));
                assertTrue(kernels.get() > 0, "the second device has a share");
                assertEquals(1, warnings.size(), warnings::toString);
                Calls.intercept((call, bytes) -> {});
            }
            warnings.clear();
        }
    }

    @Test
    void whoHasTooLittleLocalMemoryIsNotTried() {
        Work work = new Work(PROBLEM);
        for (Device device : TestDevices.usable()) {
            if (device.hostMemory() == Device.HostMemory.SAME) {
                try (Engine one = Engine.of(one(device, Rounding.SEPARATE));
                        Engine two = two(device, Rounding.SEPARATE, 100)) {
                    Calls.intercept((call, bytes) -> assertFalse(isOn(SECOND) && call.equals("clBuildProgram")));
                    assertArrayEquals(work.forward(one), work.forward(two));
                    assertEquals(1, warnings.size(), warnings::toString);
                    assertTrue(warnings.get(0).endsWith("bytes of local memory, of which it has 100"), warnings.get(0));
                    Calls.intercept((call, bytes) -> {});
                }
                warnings.clear();
            }
        }
    }

    /** The first failed; what the second has shown it goes on with, and what it has not is no result. */
    @Test
    void whoHasShownTheBitsGoesOnAlone() {
        Work work = new Work(PROBLEM);
        for (Device device : TestDevices.usable()) {
            try (Engine one = Engine.of(one(device, Rounding.SEPARATE));
                    Engine two = two(device, Rounding.SEPARATE);
                    Prepared prepared = two.prepare(work.problem.layer(), work.weight, work.bias)) {
                float[] expected = work.forward(one);
                assertArrayEquals(expected, prepared.forward(work.input).toArray());
                Calls.intercept((call, bytes) -> {
                    if (isOn(FIRST)) {
                        throw FaultTest.status(CL.CL_DEVICE_NOT_AVAILABLE);
                    }
                });
                assertArrayEquals(expected, prepared.forward(work.input).toArray());
                assertEquals(1, warnings.size(), warnings::toString);
                assertTrue(two.describe().contains("left out"), two.describe());
                assertArrayEquals(expected, prepared.forward(work.input).toArray());
                Tensor output = Tensor.zeros(work.problem.outputShape());
                DeviceException failure = assertThrows(
                        DeviceException.class, () -> prepared.forward(work.input, work.outputGradient, output));
                assertTrue(failure.getMessage().startsWith("no device is left"), failure.getMessage());
                // A layer that is new is decided by whoever is there.
                assertArrayEquals(work.inputGradient(one), work.inputGradient(two));
                assertEquals(1, warnings.size(), warnings::toString);
            }
            warnings.clear();
        }
    }

    @Test
    void anEngineCanBeToldToLeaveContraction() {
        Work work = new Work(PROBLEM);
        for (Device device : TestDevices.usable()) {
            String name = Integer.toString(device.info().index());
            try (Engine separate = Engine.of(one(device, Rounding.SEPARATE));
                    Engine told = Tconv.open(name, Set.of(EngineHabit.CONTRACTION));
                    Engine contracted = Engine.of(one(device, Rounding.CONTRACTED));
                    Engine untold = Tconv.open(name)) {
                assertArrayEquals(work.forward(separate), work.forward(told));
                assertArrayEquals(work.forward(contracted), work.forward(untold));
            }
            System.setProperty("tconv.contraction", "off");
            try (Engine separate = Engine.of(one(device, Rounding.SEPARATE));
                    Engine told = Tconv.open(name)) {
                assertArrayEquals(work.forward(separate), work.forward(told));
            } finally {
                System.clearProperty("tconv.contraction");
            }
        }
    }
}
