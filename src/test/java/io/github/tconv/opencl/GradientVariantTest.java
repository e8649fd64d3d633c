package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertNull;

import io.github.tconv.Engine;
import io.github.tconv.Tconv;
import io.github.tconv.op.Problem;
import io.github.tconv.verify.Catalogue;
import io.github.tconv.verify.Check;
import io.github.tconv.verify.Result;
import io.github.tconv.verify.Verification;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Every variant of the gradients computes every problem, also those for which no rule would choose it, with tiles that
 * divide nothing. What the rule chooses is in the contract test.
 */
class GradientVariantTest {
    /** Rules for the gradient by the input that a device's own would not make. */
    static Map<String, ForwardRule> inputGradientRules() {
        Map<String, ForwardRule> rules = new TreeMap<>();
        rules.put("plain", forced((problem, processor) -> PlainVariant.ofInputGradient()));
        rules.put("channel-lane, blocked and cut", forced((problem, processor) -> {
            InputGradientChannelLane variant =
                    new InputGradientChannelLane(LayerShape.of(problem.layer()), processor, 2, 2);
            return RetiledVariant.always(variant, variant.tile(3, 2, 2, 3, 2, 2));
        }));
        rules.put("x-lane, blocked and cut", forced((problem, processor) -> {
            InputGradientXLane variant = new InputGradientXLane(LayerShape.of(problem.layer()), processor, 2, 2);
            return RetiledVariant.always(variant, variant.tile(1, 2, 3, 2));
        }));
        rules.put("winograd, suited", forced((problem, processor) -> winograd(problem, processor, 0)));
        rules.put(
                "winograd, 3 of 6 tiles, 2 tiles of channels",
                forced((problem, processor) -> winograd(problem, processor, 1)));
        return rules;
    }

    /** Winograd where it fits, with the tiles that suit or, of a number of vectors, with some that divide nothing. */
    private static ForwardVariant winograd(Problem problem, Processor processor, int vectors) {
        if (!InputGradientWinograd.fits(problem.layer(), processor)) {
            return PlainVariant.ofInputGradient();
        }
        if (vectors == 0) {
            return InputGradientWinograd.suiting(problem, processor);
        }
        InputGradientWinograd variant = InputGradientWinograd.of(problem.layer(), processor, vectors);
        return RetiledVariant.always(variant, variant.tile(3, 6, 2));
    }

    /** Rules for the gradient by the weight that a device's own would not make. */
    static Map<String, WeightGradientRule> weightGradientRules() {
        Map<String, WeightGradientRule> rules = new TreeMap<>();
        rules.put("plain", (problem, device) -> WeightGradientRule.plain(problem));
        rules.put(
                "channel-lane, cut",
                (problem, device) -> WeightGradientChannelLane.of(
                        problem, Processor.of(device), 2, 2, 2, new SumBlocks(4, 2, 2, 1, 1)));
        rules.put(
                "x-lane, cut",
                (problem, device) -> WeightGradientXLane.of(
                        problem, Processor.of(device), new BatchShare.Tile(2, 2, 2), new SumBlocks(16, 2, 2, 1, 1)));
        for (boolean minimal : new boolean[] {false, true}) {
            rules.put(
                    minimal ? "panels, minimal" : "panels",
                    (problem, device) -> panels(problem, Processor.of(device), minimal));
        }
        // As where all panels together are too large.
        rules.put(
                "panels, batch by batch",
                (problem, device) -> panels(problem, Processor.of(device), true).batchByBatch());
        return rules;
    }

    private static WeightGradientPanels panels(Problem problem, Processor processor, boolean minimal) {
        LayerShape layer = LayerShape.of(problem.layer());
        return WeightGradientPanels.of(
                problem,
                processor,
                minimal ? PanelAxis.suiting(layer.height()) : new PanelAxis(layer.height(), false),
                minimal ? PanelAxis.suiting(layer.width()) : new PanelAxis(layer.width(), false),
                new WeightGradientPanels.RegisterTile(2, 4));
    }

    /** A choice that needs no device but what the rules know of it. */
    private interface Choice {
        ForwardVariant choose(Problem problem, Processor processor);
    }

    private static ForwardRule forced(Choice choice) {
        return (problem, device) -> choice.choose(problem, Processor.of(device));
    }

    @TestFactory
    Stream<DynamicNode> everyVariantComputesEveryProblem() {
        return TestDevices.usable().stream()
                .filter(device -> device.hostMemory() == Device.HostMemory.SAME)
                .map(device -> DynamicContainer.dynamicContainer(
                        device.info().name(),
                        Stream.concat(
                                inputGradientRules().entrySet().stream()
                                        .map(rule -> DynamicTest.dynamicTest(
                                                "input gradient: " + rule.getKey(),
                                                () -> verify(
                                                        device,
                                                        new GradientRules(
                                                                rule.getValue(), WeightGradientRule.standard()),
                                                        Check.PREPARED_CONVOLUTION,
                                                        ofInputGradient()))),
                                weightGradientRules().entrySet().stream()
                                        .map(rule -> DynamicTest.dynamicTest(
                                                "weight gradient: " + rule.getKey(),
                                                () -> verify(
                                                        device,
                                                        new GradientRules(
                                                                InputGradientRule.standard(), rule.getValue()),
                                                        Check.WEIGHT_GRADIENT,
                                                        ofWeightGradient()))))));
    }

    /** The small catalogue, and several taps a phase in the depth without dilation, which Winograd's kernels want. */
    static List<Problem> ofInputGradient() {
        return Stream.concat(
                        Catalogue.small().stream(),
                        Stream.of("n2_ic3_oc2_i3x4x5_k3x4x3_s1x2x1_p1x1x1", "ic17_oc9_i2x3x3_k5x3x4_s2x1x2_p2x1x1")
                                .map(Problem::parse))
                .toList();
    }

    /** The small catalogue, and a stride so long that panels transform one tile at a time, two of them short. */
    static List<Problem> ofWeightGradient() {
        return Stream.concat(Catalogue.small().stream(), Stream.of(Problem.parse("ic2_oc3_i1x4_k2x120_s1x60_p0x30")))
                .toList();
    }

    /** What the rule makes of many channels, of which the small catalogue has none; few terms, and many batches. */
    private static final List<Problem> MANY_CHANNELS =
            """
            ic64_oc32_i1x1_k4x4_s2x2_p1x1
            ic70_oc35_i5_k4_s2_p1
            n2_ic130_oc45_i7x10_k3x3_p1x1
            n3_ic80_oc33_i9x4_k3x3_s2x2_p1x1_op1x1
            n2_ic64_oc40_i11x13_k2x2_s2x2
            ic128_oc64_g2_i8x6_k4x3_s2x1_p1x1
            ic65_oc32_i3x4x5_k3x4x2_s1x2x2_p1x1x0
            ic64_oc34_i300_k16_s8_p4
            ic96_oc32_i6x7_k3x3_d2x2_p2x2
            n2_ic130_oc40_i9x7_k2x2_s2x2
            ic200_oc170_i5x6_k2x2_s2x2
            """.lines().map(Problem::parse).toList();

    /** Panels as they are cut where the rule takes them, also where this processor's rule does not. */
    @TestFactory
    Stream<DynamicNode> panelsOfManyChannels() {
        return TestDevices.usable().stream()
                .filter(device -> device.hostMemory() == Device.HostMemory.SAME)
                .map(device -> DynamicTest.dynamicTest(
                        device.info().name(),
                        () -> verify(
                                device,
                                new GradientRules(
                                        InputGradientRule.standard(),
                                        (problem, of) -> WeightGradientPanels.suiting(problem, Processor.of(of))),
                                Check.WEIGHT_GRADIENT,
                                MANY_CHANNELS)));
    }

    @TestFactory
    Stream<DynamicNode> theRulesOwnChoiceForManyChannels() {
        return TestDevices.usable().stream()
                .flatMap(device -> Stream.of(Check.CONVOLUTION, Check.WEIGHT_GRADIENT)
                        .map(check -> DynamicTest.dynamicTest(
                                device.info().name() + ", " + check,
                                () -> verify(
                                        device,
                                        new GradientRules(InputGradientRule.standard(), WeightGradientRule.standard()),
                                        check,
                                        MANY_CHANNELS))));
    }

    private static void verify(Device device, GradientRules rules, Check check, List<Problem> problems) {
        try (Engine oracle = Tconv.open("reference");
                Engine engine = Engine.of(new OpenClBackend(device, ForwardRule.standard(), rules, SelfCheck.OFF))) {
            Verification verification = new Verification(engine, oracle);
            for (Problem problem : problems) {
                Result result = verification.verify(problem, check);
                assertNull(result.failure(), () -> problem + " " + check + ": " + result.failure());
            }
        }
    }
}
