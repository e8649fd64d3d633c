package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.Engine;
import io.github.tconv.Prepared;
import io.github.tconv.op.Activation;
import io.github.tconv.op.DeviceException;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jocl.CL;
import org.jocl.CLException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Where the device has no room for a call, the parts of the call give the bits of the whole. */
class ShortageTest {
    /** Large inputs and outputs beside small weights; every kind of border. */
    private static final List<Problem> PROBLEMS = Stream.of(
                    "n3_ic3_oc5_i40x6_k3x5_s1x2_d2x3_p2x4_op0x1",
                    "ic4_oc6_g2_i301_k4_s4_d2_p3",
                    "ic2_oc3_i97_k4_s2_p-1_e-30",
                    "ic3_oc2_i5x120_k3x2_s2x3_d2x3_p1x2_e0x1",
                    "ic2_oc3_i90x5_k3x2_s2x2_p-70x1_e2x-2",
                    "ic2_oc2_i4x70x3_k2x3x2_s1x2x3_d3x2x1_p1x0x1_op0x1x2",
                    "ic5_oc4_i130_k3_s2_d9_p20_e1",
                    "ic2_oc33_i150x9_k3x3_p1x1",
                    "ic2_oc3_i110_k3_s2_d5_op4")
            .map(Problem::parse)
            .toList();

    @AfterEach
    void enough() {
        Calls.intercept((call, bytes) -> {});
    }

    private static Map<String, ForwardRule> rules() {
        Map<String, ForwardRule> rules = new TreeMap<>();
        rules.put("plain", (problem, device) -> new PlainVariant());
        rules.put("channel-lane", (problem, device) -> ChannelLaneVariant.suiting(problem, Processor.of(device)));
        rules.put("winograd", SeededBug.rules().get("winograd").forward());
        rules.put(
                "x-lane",
                (problem, device) -> XLaneVariant.fits(LayerShape.of(problem.layer()), Processor.of(device))
                        ? XLaneVariant.suiting(problem, Processor.of(device))
                        : new PlainVariant());
        return rules;
    }

    private static Tensor reals(int seed, int... shape) {
        Tensor tensor = Tensor.zeros(shape);
        for (int i = 0; i < tensor.elements(); i++) {
            tensor.set(i, Math.floorMod((i + seed) * 0x9E3779B1, 1 << 24) * 0x1p-23f - 1);
        }
        return tensor;
    }

    @TestFactory
    Stream<DynamicTest> partsGiveTheBitsOfTheWhole() {
        return Discovery.run().devices().stream()
                .filter(device -> device.info().unusable() == null)
                .flatMap(device -> rules().entrySet().stream()
                        .filter(rule -> rule.getKey().equals("plain") || device.hostMemory() == Device.HostMemory.SAME)
                        .map(rule -> DynamicTest.dynamicTest(
                                rule.getKey() + " on " + device,
                                () -> split(
                                        device,
                                        rule.getValue(),
                                        gradientRule(rule.getKey()),
                                        problems(rule.getKey())))));
    }

    private static ForwardRule gradientRule(String rule) {
        return rule.equals("winograd")
                ? GradientVariantTest.inputGradientRules().get("winograd, suited")
                : InputGradientRule.standard();
    }

    /** The fast kernels compile for a second each. */
    private static List<Problem> problems(String rule) {
        return switch (rule) {
            case "plain" -> PROBLEMS;
            case "winograd" -> List.of(PROBLEMS.get(2), PROBLEMS.get(7));
            default -> PROBLEMS.subList(0, 3);
        };
    }

    private static void split(Device device, ForwardRule rule, ForwardRule gradientRule, List<Problem> problems) {
        GradientRules gradients = new GradientRules(gradientRule, WeightGradientRule.standard());
        try (Engine engine = Engine.of(new OpenClBackend(device, rule, gradients, SelfCheck.OFF))) {
            for (Problem problem : problems) {
                enough(Long.MAX_VALUE);
                Tensor input = reals(1, problem.inputShape());
                Tensor residual = reals(2, problem.outputShape());
                Tensor weight = reals(3, problem.layer().weightShape());
                Tensor bias = reals(4, problem.layer().outChannels());
                try (Prepared prepared = engine.prepare(problem.layer(), weight, bias, Activation.relu())) {
                    assertSameInParts(problem, () -> {
                        Tensor output = notWritten(problem.outputShape());
                        prepared.forward(input.copy(), residual.copy(), output);
                        return output;
                    });
                }
                assertSameInParts(problem, () -> {
                    Tensor inputGradient = notWritten(problem.inputShape());
                    engine.inputGradient(problem, residual.copy(), weight.copy(), null, inputGradient);
                    return inputGradient;
                });
            }
        }
    }

    private static Tensor notWritten(int... shape) {
        Tensor tensor = Tensor.zeros(shape);
        for (int i = 0; i < tensor.elements(); i++) {
            tensor.set(i, Float.NaN);
        }
        return tensor;
    }

    /**
     * Computes with less and less room, until even the smallest part does not fit. The operation has new tensors each
     * time, since those of the last calls have their room already.
     */
    private static void assertSameInParts(Problem problem, Supplier<Tensor> operation) {
        enough(Long.MAX_VALUE);
        float[] whole = operation.get().toArray();
        long largest = largestBuffer(operation);
        int succeeded = 0;
        for (long limit = largest - 1; ; limit = limit * 2 / 3) {
            enough(limit);
            float[] result;
            try {
                result = operation.get().toArray();
            } catch (DeviceException e) {
                assertTrue(e.getMessage().contains(" need "), e.getMessage());
                assertTrue(e.getMessage().contains("the device has "), e.getMessage());
                break;
            }
            succeeded++;
            assertArrayEquals(whole, result, problem + " with buffers of at most " + limit + " bytes");
        }
        assertTrue(succeeded > 0, problem + " was never split");
    }

    private static void enough(long limit) {
        Calls.intercept((call, bytes) -> {
            if (bytes > limit) {
                throw new CLException("CL_MEM_OBJECT_ALLOCATION_FAILURE", CL.CL_MEM_OBJECT_ALLOCATION_FAILURE);
            }
        });
    }

    private static long largestBuffer(Supplier<Tensor> operation) {
        long[] largest = {0};
        Calls.intercept((call, bytes) -> largest[0] = Math.max(largest[0], bytes));
        Tensor unused = operation.get();
        return largest[0];
    }
}
