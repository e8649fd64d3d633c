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
 * The variants whose lanes are work-items, on every device of this machine, whatever its kind, and on layers for which
 * the rule would choose others too. The whole small catalogue takes minutes to compile, so that only
 * {@code -Dtconv.wholeCatalogue=true} asks for it, as the scripts in {@code .github/} do.
 */
class GpuVariantTest {
    /** What OpenCL 1.2 grants at least, and so few compute units that large tiles fill them. */
    private static final Gpu SMALL = new Gpu(1, 32 << 10, 256);
    /** So many compute units that only small tiles do. */
    private static final Gpu LARGE = new Gpu(1000, 32 << 10, 256);

    /**
     * What makes these kernels stumble: several tiles of channels and of pixels, several blocks and parts of a sum, few of
     * them full; neighbours missing before the first lane; all that differs between three axes.
     */
    static final List<Problem> AWKWARD = """
            n2_ic16_oc20_i3x7_k4x3_s2x1_p1x2_op1x0
            ic32_oc20_g2_i3x7_k3x4_s1x2_d2x1_p2x1
            ic2_oc1_i62_k3
            n2_ic16_oc6_g2_i2x3x5_k2x3x2_s1x2x1_p0x1x0
            n2_ic4_oc6_g2_i3x2x3_k3x2x3_s2x3x1_d1x1x2_p1x0x2_e0x1x2_op1x2x0
            """.lines().map(Problem::parse).toList();

    static Map<String, ForwardRule> rules() {
        Map<String, ForwardRule> rules = new TreeMap<>();
        rules.put("plain", (problem, device) -> new PlainVariant());
        rules.put("tile, large", forced(layer -> new TileVariant(layer, SMALL)));
        rules.put("tile, small", forced(layer -> new TileVariant(layer, LARGE)));
        rules.put("tile, sums in parts", forced(layer -> new TileVariant(layer, LARGE, 1)));
        rules.put("merged, large", forced(layer -> merged(layer, SMALL, Integer.MAX_VALUE)));
        rules.put("merged, sums in parts", forced(layer -> merged(layer, SMALL, 1)));
        rules.put("thin, large", forced(layer -> new ThinVariant(layer, SMALL)));
        rules.put("thin, small", forced(layer -> new ThinVariant(layer, LARGE)));
        return rules;
    }

    private static ForwardRule forced(Function<LayerShape, ForwardVariant> choice) {
        return (problem, device) -> choice.apply(LayerShape.of(problem.layer()));
    }

    /** Large windows and long strides are left to the plain kernel. */
    private static ForwardVariant merged(LayerShape layer, Gpu gpu, int leastSplitChannels) {
        return MergedVariant.fits(layer, gpu) ? new MergedVariant(layer, gpu, leastSplitChannels) : new PlainVariant();
    }

    @TestFactory
    Stream<DynamicNode> everyVariantComputesEveryProblem() {
        List<Problem> problems = Boolean.getBoolean("tconv.wholeCatalogue")
                ? Stream.concat(Catalogue.small().stream(), AWKWARD.stream()).toList()
                : AWKWARD;
        return OpenClBackend.devices().devices().stream()
                .filter(device -> device.unusable() == null)
                .map(device -> DynamicContainer.dynamicContainer(
                        device.name(),
                        rules().entrySet().stream()
                                .map(rule -> DynamicTest.dynamicTest(
                                        rule.getKey(), () -> verify(device, rule.getValue(), problems)))));
    }

    private static void verify(DeviceInfo device, ForwardRule rule, List<Problem> problems) {
        try (Engine oracle = Tconv.open("reference");
                Engine engine = Engine.of(OpenClBackend.open(String.valueOf(device.index()), rule))) {
            Verification verification = new Verification(engine, oracle);
            for (Problem problem : problems) {
                Result result = verification.verify(problem, Check.PREPARED);
                assertNull(result.failure(), () -> problem + ": " + result.failure());
            }
        }
    }
}
