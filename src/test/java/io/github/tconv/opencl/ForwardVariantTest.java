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
 * Every variant of the forward pass computes every problem, also those for which no rule would choose it, with tiles
 * that divide nothing.
 */
class ForwardVariantTest {
    /** Rules that a device's own would not make; those that do not fit a layer leave it to the plain kernel. */
    private static Map<String, ForwardRule> rules() {
        Map<String, ForwardRule> rules = new TreeMap<>();
        // What every device but a processor runs, and what no rule chooses on one.
        rules.put("plain", forced((problem, processor) -> new PlainVariant()));
        rules.put(
                "channel-lane, suited", forced((problem, processor) -> ChannelLaneVariant.suiting(problem, processor)));
        rules.put(
                "channel-lane, 3 rows by 2 positions",
                forced((problem, processor) -> fixed(
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
                    ? fixed(variant, variant.tile(1, 2, 3, 2))
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

    /** A variant that always takes one tile. */
    private static ForwardVariant fixed(ForwardVariant variant, ForwardVariant.Tile tile) {
        return new ForwardVariant() {
            @Override
            public String name() {
                return variant.name();
            }

            @Override
            public List<String> sources() {
                return variant.sources();
            }

            @Override
            public String constants() {
                return variant.constants();
            }

            @Override
            public long packedFloats() {
                return variant.packedFloats();
            }

            @Override
            public Tile tileFor(Problem problem) {
                return tile;
            }
        };
    }

    @TestFactory
    Stream<DynamicNode> everyVariantComputesEveryProblem() {
        // Where the standard rule takes these variants at all; Mesa's compiler needs minutes for one of them.
        return Discovery.run().devices().stream()
                .filter(device -> device.hostMemory() == Device.HostMemory.SAME)
                .map(Device::info)
                .filter(device -> device.unusable() == null)
                .map(device -> DynamicContainer.dynamicContainer(
                        device.name(),
                        rules().entrySet().stream()
                                .map(rule -> DynamicTest.dynamicTest(
                                        rule.getKey(), () -> verify(device, rule.getValue())))));
    }

    private static void verify(DeviceInfo device, ForwardRule rule) {
        try (Engine oracle = Tconv.open("reference");
                Engine engine = Engine.of(OpenClBackend.open(String.valueOf(device.index()), rule))) {
            Verification verification = new Verification(engine, oracle);
            for (Problem problem : Catalogue.small()) {
                for (Check check : List.of(Check.FORWARD, Check.PREPARED)) {
                    Result result = verification.verify(problem, check);
                    assertNull(result.failure(), () -> problem + " " + check + ": " + result.failure());
                }
            }
        }
    }
}
