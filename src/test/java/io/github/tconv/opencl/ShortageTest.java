package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.Engine;
import io.github.tconv.Prepared;
import io.github.tconv.op.Activation;
import io.github.tconv.op.DeviceException;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jocl.CL;
import org.jocl.CLException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
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
        return TestDevices.usable().stream()
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
        enough(Long.MAX_VALUE);
        GradientRules gradients = new GradientRules(gradientRule, WeightGradientRule.standard());
        try (Engine engine = Engine.of(new OpenClBackend(device, rule, gradients, SelfCheck.OFF))) {
            for (Problem problem : problems) {
                enough(Long.MAX_VALUE);
                Tensor input = reals(1, problem.inputShape());
                Tensor residual = reals(2, problem.outputShape());
                Tensor weight = reals(3, problem.layer().weightShape());
                Tensor bias = reals(4, problem.layer().outChannels());
                try (Prepared prepared = engine.prepare(problem.layer(), weight, bias, Activation.relu())) {
                    assertSameInParts(engine, problem, () -> {
                        Tensor output = notWritten(problem.outputShape());
                        prepared.forward(input.copy(), residual.copy(), output);
                        return output;
                    });
                }
                assertSameInParts(engine, problem, () -> {
                    Tensor inputGradient = notWritten(problem.inputShape());
                    engine.inputGradient(problem, residual.copy(), weight.copy(), null, inputGradient);
                    return inputGradient;
                });
            }
        }
    }

    /** Channels that divide nothing; first sums so long that a part would cut them otherwise, last several tiles of channels. */
    private static final List<Problem> WEIGHT_PROBLEMS = Stream.of(
                    "n9_ic6_oc9_g3_i22x34_k3x4_s2x3_p1x2",
                    "n3_ic3_oc5_i40x6_k3x5_s1x2_d2x3_p2x4_op0x1",
                    "n2_ic40_oc20_i6x5_k3x2_s2x1_p1x0")
            .map(Problem::parse)
            .toList();

    private static List<Problem> weightProblems(String rule) {
        return switch (rule) {
            case "plain" -> WEIGHT_PROBLEMS;
            case "channel-lane, cut" -> WEIGHT_PROBLEMS.subList(0, 2);
            case "panels, minimal" -> List.of(WEIGHT_PROBLEMS.get(0), WEIGHT_PROBLEMS.get(2));
            default -> WEIGHT_PROBLEMS.subList(0, 1);
        };
    }

    @TestFactory
    Stream<DynamicTest> partsOfTheWeightHaveTheBitsOfTheWhole() {
        return TestDevices.usable().stream()
                .flatMap(device -> GradientVariantTest.weightGradientRules().entrySet().stream()
                        .filter(rule -> rule.getKey().equals("plain") || device.hostMemory() == Device.HostMemory.SAME)
                        .flatMap(rule -> HostMemoryTest.ways(device)
                                .filter(way -> rule.getKey().equals("plain") || way == Device.HostMemory.SAME)
                                .map(way -> DynamicTest.dynamicTest(
                                        "%s on %s, memory %s".formatted(rule.getKey(), device, way),
                                        () -> splitWeight(
                                                device.reached(way),
                                                rule.getValue(),
                                                weightProblems(rule.getKey()))))));
    }

    private static void splitWeight(Device device, WeightGradientRule rule, List<Problem> problems) {
        enough(Long.MAX_VALUE);
        GradientRules gradients = new GradientRules(InputGradientRule.standard(), rule);
        try (Engine engine = Engine.of(new OpenClBackend(device, ForwardRule.standard(), gradients, SelfCheck.OFF))) {
            for (Problem problem : problems) {
                enough(Long.MAX_VALUE);
                Tensor input = reals(1, problem.inputShape());
                Tensor outputGradient = reals(2, problem.outputShape());
                long enough = assertSameInParts(engine, problem, () -> {
                    Tensor weightGradient = notWritten(problem.layer().weightShape());
                    engine.weightGradient(problem, input.copy(), outputGradient.copy(), weightGradient);
                    return weightGradient;
                });
                assertOnlyTheSmallestHasNoRoom(
                        problem, enough, smallest(problem, rule.choose(problem.asRank3(), device)));
            }
        }
    }

    /** The largest buffer of the smallest part: one input and one output channel, of one image where images are apart. */
    private static long smallest(Problem problem, WeightGradientVariant variant) {
        TransposedConvolution one =
                new TransposedConvolution(1, 1, 1, problem.layer().axes());
        int batch = variant.adding() == null ? problem.batch() : 1;
        Problem part = one.problem(batch, Parts.sizes(problem));
        WeightGradientVariant ofPart = variant.of(part.asRank3());
        long floats = Math.max(Tensor.elementsOf(part.inputShape()), Tensor.elementsOf(part.outputShape()));
        floats = Math.max(floats, (long) ofPart.blocks() * Tensor.elementsOf(one.weightShape()));
        for (long workspace : ofPart.workspaces()) {
            floats = Math.max(floats, workspace);
        }
        return floats * Float.BYTES;
    }

    /** One block, blocks of several images, of one image, and several of one image, whose last is short. */
    @TestFactory
    Stream<DynamicTest> partsOfTheBiasHaveTheBitsOfTheWhole() {
        int[][] shapes = {{3, 5, 40}, {7, 3, 37, 50}, {2, 3, 5, 30, 30}, {3, 2, 9000}, {1, 1, 130, 70}};
        return TestDevices.usable().stream()
                .flatMap(device -> HostMemoryTest.ways(device)
                        .map(way -> DynamicTest.dynamicTest(
                                "%s, memory %s".formatted(device, way), () -> splitBias(device.reached(way), shapes))));
    }

    private static void splitBias(Device device, int[][] shapes) {
        enough(Long.MAX_VALUE);
        try (Engine engine = Engine.of(new OpenClBackend(device, ForwardRule.standard()))) {
            for (int[] shape : shapes) {
                enough(Long.MAX_VALUE);
                Tensor outputGradient = reals(5, shape);
                long enough = assertSameInParts(engine, Arrays.toString(shape), () -> {
                    Tensor biasGradient = notWritten(shape[1]);
                    engine.biasGradient(outputGradient.copy(), biasGradient);
                    return biasGradient;
                });
                ChannelBlocks blocks = ChannelBlocks.of(outputGradient);
                long block = (long) Math.min(blocks.images(), blocks.batch())
                        * Math.min(blocks.plane(), ChannelBlocks.LENGTH);
                assertOnlyTheSmallestHasNoRoom(
                        Arrays.toString(shape), enough, Float.BYTES * Math.max(block, blocks.count()));
            }
        }
    }

    /** What failed, with a third less room than was enough, had no room for the largest buffer of the smallest part. */
    private static void assertOnlyTheSmallestHasNoRoom(Object problem, long enough, long smallest) {
        assertTrue(enough * 2 / 3 < smallest, () -> problem + ": " + enough + " for " + smallest);
    }

    @Test
    void whatStaysOnTheDeviceIsNotSplitAndSaysSo() {
        TestDevices.usable().stream().forEach(device -> {
            enough(Long.MAX_VALUE);
            try (Engine engine = Engine.of(new OpenClBackend(device, ForwardRule.standard()));
                    DeviceTensor outputGradient = engine.upload(reals(6, 3, 2, 9000));
                    DeviceTensor biasGradient = engine.allocate(2)) {
                freeIdle(engine);
                // Room is wanted for the sums of the blocks.
                DeviceException failure =
                        assertThrows(DeviceException.class, () -> engine.biasGradient(outputGradient, biasGradient));
                assertSaysHowMuch(failure);
            }
        });
    }

    private static void assertSaysHowMuch(DeviceException failure) {
        String said = failure.getMessage();
        assertTrue(
                said.matches(
                        "(?s).* which has no smaller part: .* need [1-9]\\d* bytes, and the device has [1-9]\\d*,.*"),
                said);
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
     *
     * @return the bytes of the largest buffer with which there was room
     */
    private static long assertSameInParts(Engine engine, Object problem, Supplier<Tensor> operation) {
        freeIdle(engine);
        long[] largest = {0};
        Calls.intercept((call, bytes) -> largest[0] = Math.max(largest[0], bytes));
        float[] whole = operation.get().toArray();
        long succeeded = 0;
        for (long limit = largest[0] - 1; ; limit = limit * 2 / 3) {
            freeIdle(engine);
            enough(limit);
            float[] result;
            try {
                result = operation.get().toArray();
            } catch (DeviceException e) {
                assertSaysHowMuch(e);
                break;
            }
            succeeded = limit;
            assertArrayEquals(whole, result, problem + " with buffers of at most " + limit + " bytes");
        }
        assertTrue(succeeded > 0, problem + " was never split");
        return succeeded;
    }

    private static void enough(long limit) {
        Calls.intercept((call, bytes) -> {
            if (bytes > limit) {
                throw new CLException("CL_MEM_OBJECT_ALLOCATION_FAILURE", CL.CL_MEM_OBJECT_ALLOCATION_FAILURE);
            }
        });
    }

    /** Has the pool give up its buffers, which would be used again otherwise, whatever their size. */
    private static void freeIdle(Engine engine) {
        enough(0);
        assertThrows(DeviceException.class, () -> engine.allocate(1 << 20));
    }
}
