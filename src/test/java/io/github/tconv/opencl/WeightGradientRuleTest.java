package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.tconv.op.Problem;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class WeightGradientRuleTest {
    private static final Processor NEAR = new Processor(16, 32, 2, 1 << 20, true);
    private static final Processor FAR = new Processor(16, 32, 2, 2 << 20, true);

    @ParameterizedTest(name = "{0}: {1}, {2}")
    @CsvSource({
        "n8_ic256_oc128_i16x16_k4x4_s2x2_p1x1, panels, panels",
        "ic512_oc256_i256_k16_s8_p4, panels, panels",
        // Few products for each float that is packed.
        "ic64_oc32_i16384_k4_s2_p1, panels, direct",
        "ic64_oc64_i56x56_k3x3_p1x1, panels, direct",
        "n16_ic256_oc256_i14x14_k2x2_s2x2, panels, direct",
        // Nothing saved, and all sums in one work-item; too few channels.
        "ic64_oc32_i32x32x32_k2x2x2_s2x2x2, direct, direct",
        "n8_ic128_oc3_i32x32_k4x4_s2x2_p1x1, direct, direct",
    })
    void packsWhatPays(String descriptor, String near, String far) {
        Problem problem = Problem.parse(descriptor).asRank3();
        assertEquals(near, kind(problem, NEAR));
        assertEquals(far, kind(problem, FAR));
    }

    private static String kind(Problem problem, Processor processor) {
        return WeightGradientRule.forProcessor(problem, processor) instanceof WeightGradientPanels
                ? "panels"
                : "direct";
    }
}
