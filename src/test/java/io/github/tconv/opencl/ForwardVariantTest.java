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
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Every variant of the forward pass computes every problem, also those for which no rule would choose it, with tiles
 * that divide nothing.
 */
class ForwardVariantTest {
    /** Sums of several parts, ragged channels in several vectors, and maps that are cut into tiles of every kind. */
    static final List<Problem> IN_PARTS = """
            ic70_oc35_i5_k4_s2_p1
            ic2_oc17_i6_k2
            n2_ic67_oc18_i4x5_k3x3_p1x1
            n3_ic3_oc17_i8x10_k4x3_s2x2_p1x1
            ic4_oc34_g2_i7x8_k5x4_s2x2_p2x0_e1x-1_op1x0
            ic18_oc9_i2x11_k2x3_p0x1
            ic2_oc3_i9x11_k1x6_s1x2_p0x3
            ic2_oc3_i11x4_k16x1_s8x2_p3x0
            ic2_oc3_i2x7x8_k3x4x3_s2x2x1_d2x1x1_p1x1x1
            """.lines().map(Problem::parse).toList();

    /** Rules that a device's own would not make; those that do not fit a layer leave it to the plain kernel. */
    static Map<String, ForwardRule> rules() {
        Map<String, ForwardRule> rules = new TreeMap<>();
        // What every device but a processor runs, and what no rule chooses on one.
        rules.put("plain", forced((problem, processor) -> new PlainVariant()));
        rules.put(
                "channel-lane, suited", forced((problem, processor) -> ChannelLaneVariant.suiting(problem, processor)));
        rules.put(
                "channel-lane, 3 rows by 2 positions",
                forced((problem, processor) -> RetiledVariant.always(
                        new ChannelLaneVariant(LayerShape.of(problem.layer()), processor, 2),
                        new ChannelLaneVariant(LayerShape.of(problem.layer()), processor, 2).tile(3, 2))));
        rules.put(
                "x-lane, suited",
                forced((problem, processor) -> XLaneVariant.fits(LayerShape.of(problem.layer()), processor)
                        ? XLaneVariant.suiting(problem, processor)
                        : new PlainVariant()));
        rules.put("x-lane, blocked and cut", forced((problem, processor) -> {
            LayerShape layer = LayerShape.of(problem.layer());
            int period = layer.width().stride()
                    / Grid.greatestCommonDivisor(
                            layer.width().stride(), layer.width().dilation());
            XLaneVariant variant = new XLaneVariant(layer, processor, 2, false, 2, period);
            return layer.width().stride() * 2 <= processor.accumulators()
                    ? RetiledVariant.always(variant, variant.tile(1, 2, 3, 2))
                    : new PlainVariant();
        }));
        rules.put(
                "minimal, suited",
                forced((problem, processor) -> MinimalVariant.fits(LayerShape.of(problem.layer()), processor)
                        ? MinimalVariant.suiting(problem, processor)
                        : new PlainVariant()));
        rules.put("minimal, blocked and cut", forced((problem, processor) -> {
            LayerShape layer = LayerShape.of(problem.layer());
            MinimalVariant variant = new MinimalVariant(layer, processor, 2, 3, 2);
            return MinimalVariant.fits(layer, processor)
                    ? RetiledVariant.always(variant, variant.tile(2, 3, 2))
                    : new PlainVariant();
        }));
        rules.put(
                "phase-lane, suited",
                forced((problem, processor) -> PhaseLaneVariant.fits(LayerShape.of(problem.layer()), processor)
                        ? PhaseLaneVariant.suiting(problem, processor)
                        : new PlainVariant()));
        return rules;
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
        return onProcessors(device -> rules().entrySet().stream()
                .map(rule -> DynamicTest.dynamicTest(
                        rule.getKey(),
                        () -> verify(
                                device, rule.getValue(), Catalogue.small(), List.of(Check.FORWARD, Check.PREPARED)))));
    }

    @TestFactory
    Stream<DynamicNode> sumsInParts() {
        ForwardRule channelLane = forced((problem, processor) -> RetiledVariant.always(
                new ChannelLaneVariant(LayerShape.of(problem.layer()), processor, 1),
                new ChannelLaneVariant(LayerShape.of(problem.layer()), processor, 1).tile(1, 4)));
        ForwardRule winograd = forced((problem, processor) -> WinogradVariant.suiting(problem, processor));
        ForwardRule ragged = forced((problem, processor) -> {
            WinogradVariant variant = new WinogradVariant(LayerShape.of(problem.layer()), processor, 1);
            return RetiledVariant.always(variant, variant.tile(3, 6, 2));
        });
        return onProcessors(device -> Stream.of(
                DynamicTest.dynamicTest(
                        "channel-lane",
                        () -> verify(device, channelLane, IN_PARTS.subList(0, 3), List.of(Check.FORWARD))),
                DynamicTest.dynamicTest(
                        "winograd, suited",
                        () -> verify(device, winograd, fittingWinograd(device), List.of(Check.PREPARED))),
                DynamicTest.dynamicTest(
                        "winograd, 3 of 6 tiles, 2 tiles of channels",
                        () -> verify(device, ragged, IN_PARTS, List.of(Check.FORWARD)))));
    }

    private static List<Problem> fittingWinograd(DeviceInfo device) {
        Processor processor = Processor.of(Discovery.run().devices().get(device.index()));
        return Stream.concat(Catalogue.small().stream(), IN_PARTS.stream())
                .filter(problem ->
                        WinogradVariant.fits(LayerShape.of(problem.asRank3().layer()), processor))
                .toList();
    }

    /** Where the standard rule takes these variants at all; Mesa's compiler needs minutes for one of them. */
    private static Stream<DynamicNode> onProcessors(Function<DeviceInfo, Stream<DynamicTest>> tests) {
        return Discovery.run().devices().stream()
                .filter(device -> device.hostMemory() == Device.HostMemory.SAME)
                .map(Device::info)
                .filter(device -> device.unusable() == null)
                .map(device -> DynamicContainer.dynamicContainer(device.name(), tests.apply(device)));
    }

    private static void verify(DeviceInfo device, ForwardRule rule, List<Problem> problems, List<Check> checks) {
        try (Engine oracle = Tconv.open("reference");
                Engine engine = Engine.of(OpenClBackend.open(String.valueOf(device.index()), rule))) {
            Verification verification = new Verification(engine, oracle);
            for (Problem problem : problems) {
                for (Check check : checks) {
                    Result result = verification.verify(problem, check);
                    assertNull(result.failure(), () -> problem + " " + check + ": " + result.failure());
                }
            }
        }
    }
}
