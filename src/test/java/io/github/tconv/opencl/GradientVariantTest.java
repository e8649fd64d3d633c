package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertNull;

import io.github.tconv.Engine;
import io.github.tconv.Tconv;
import io.github.tconv.op.Problem;
import io.github.tconv.verify.Catalogue;
import io.github.tconv.verify.Check;
import io.github.tconv.verify.Result;
import io.github.tconv.verify.Verification;
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
        return rules;
    }

    /** Rules for the gradient by the weight that a device's own would not make. */
    private static Map<String, WeightGradientRule> weightGradientRules() {
        Map<String, WeightGradientRule> rules = new TreeMap<>();
        rules.put("plain", (problem, device) -> WeightGradientRule.plain(problem));
        rules.put(
                "channel-lane, cut",
                (problem, device) -> WeightGradientChannelLane.of(
                        problem, Processor.of(device), 2, 2, 2, new SumBlocks(4, 2, 2, 1, 1)));
        rules.put(
                "x-lane, cut",
                (problem, device) ->
                        WeightGradientXLane.of(problem, Processor.of(device), 2, 2, 2, new SumBlocks(16, 2, 2, 1, 1)));
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
        return Discovery.run().devices().stream()
                .filter(device -> device.hostMemory() == Device.HostMemory.SAME)
                .filter(device -> device.info().unusable() == null)
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
                                                        Check.CONVOLUTION))),
                                weightGradientRules().entrySet().stream()
                                        .map(rule -> DynamicTest.dynamicTest(
                                                "weight gradient: " + rule.getKey(),
                                                () -> verify(
                                                        device,
                                                        new GradientRules(
                                                                InputGradientRule.standard(), rule.getValue()),
                                                        Check.WEIGHT_GRADIENT))))));
    }

    private static void verify(Device device, GradientRules rules, Check check) {
        try (Engine oracle = Tconv.open("reference");
                Engine engine = Engine.of(new OpenClBackend(device, ForwardRule.standard(), rules, SelfCheck.OFF))) {
            Verification verification = new Verification(engine, oracle);
            for (Problem problem : Catalogue.small()) {
                Result result = verification.verify(problem, check);
                assertNull(result.failure(), () -> problem + " " + check + ": " + result.failure());
            }
        }
    }
}
