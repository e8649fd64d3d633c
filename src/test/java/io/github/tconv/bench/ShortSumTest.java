package io.github.tconv.bench;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.Engine;
import io.github.tconv.Tconv;
import io.github.tconv.op.Axis;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Where sums have few terms, the rounding of what saves multiplications shows. On the processor that kernels are chosen
 * for, no layer's error is much above that of the usual way: a matrix product over the channels for each tap, whose
 * results are added up.
 */
class ShortSumTest {
    /** PyTorch's products are by about so much worse than these, which are of multiply-adds in a row. */
    private static final double MARGIN = 1.35;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "n1_ic60_oc60_g4_i24x24_k4x4_s2x2_p1x1",
                "n1_ic21_oc21_i24x24_k4x4_s2x2_p1x1",
                "n1_ic21_oc5_i16x16_k16x16_s8x8_p4x4",
                "n1_ic8_oc8_i32x32_k4x4_s2x2_p1x1",
                "n1_ic16_oc16_i32x32_k4x4_s2x2_p1x1",
                "n1_ic32_oc32_i32x32_k4x4_s2x2_p1x1",
                "n1_ic48_oc3_i32x32_k4x4_s2x2_p1x1",
                "n1_ic64_oc3_i32x32_k4x4_s2x2_p1x1",
                "n1_ic96_oc12_i32x32_k4x4_s2x2_p1x1",
                "n1_ic128_oc3_i32x32_k4x4_s2x2_p1x1",
                "n1_ic32_oc16_i32x32_k3x3_s2x2_p1x1_op1x1",
                "n1_ic16_oc8_i1024_k4_s2_p1",
                "n1_ic32_oc16_i1024_k4_s2_p1",
                "n1_ic48_oc24_i512_k8_s4_p2",
                "n1_ic64_oc32_i1024_k4_s2_p1",
                "n1_ic24_oc12_i8x8x8_k4x4x4_s2x2x2_p1x1x1",
                "n1_ic21_oc21_i8x8_k64x64_s32x32_p16x16"
            })
    void errorsAreNotAboveThoseOfAMatrixProductATap(String descriptor) {
        Operands operands = Operands.random(Problem.parse(descriptor), BenchmarkOperation.FORWARD);
        Accuracy.Sample sample = new Accuracy.Sample(operands);
        TransposedConvolution layer = operands.problem().layer();
        try (Engine engine = Tconv.open("cpu")) {
            Tensor output = engine.forward(layer, operands.input(), operands.weight(), null);
            double ours =
                    sample.of(output, engine.errorGrowth(operands.problem())).rmsError();
            double usual = sample.of(tapByTap(operands), 1).rmsError();

            assertTrue(ours <= MARGIN * usual, () -> "%.2g, and a matrix product a tap %.2g".formatted(ours, usual));
        }
    }

    private static Tensor tapByTap(Operands operands) {
        Problem problem = operands.problem().asRank3();
        TransposedConvolution layer = problem.layer();
        int inChannels = layer.inChannels() / layer.groups();
        int outChannels = layer.outChannels() / layer.groups();
        int[] in = problem.inputShape();
        int[] out = problem.outputShape();
        int[] kernel = layer.weightShape();
        Tensor output = Tensor.zeros(operands.problem().outputShape());
        for (int oc = 0; oc < layer.outChannels(); oc++) {
            int group = oc / outChannels;
            for (int tap = 0; tap < kernel[2] * kernel[3] * kernel[4]; tap++) {
                int[] k = {tap / kernel[4] / kernel[3], tap / kernel[4] % kernel[3], tap % kernel[4]};
                for (int i = 0; i < in[2] * in[3] * in[4]; i++) {
                    int[] at = {i / in[4] / in[3], i / in[4] % in[3], i % in[4]};
                    int to = place(layer.axes(), at, k, out);
                    if (to < 0) {
                        continue;
                    }
                    float sum = 0;
                    for (int icg = 0; icg < inChannels; icg++) {
                        int ic = group * inChannels + icg;
                        int w = ((ic * outChannels) + oc % outChannels) * kernel[2] * kernel[3] * kernel[4] + tap;
                        int x = ic * in[2] * in[3] * in[4] + i;
                        sum = Math.fma(
                                operands.weight().get(w), operands.input().get(x), sum);
                    }
                    int o = oc * out[2] * out[3] * out[4] + to;
                    output.set(o, output.get(o) + sum);
                }
            }
        }
        return output;
    }

    /** Where in an output plane a tap adds what it makes of an input position; -1 where that is outside. */
    private static int place(List<Axis> axes, int[] at, int[] tap, int[] out) {
        int place = 0;
        for (int a = 0; a < axes.size(); a++) {
            Axis axis = axes.get(a);
            int o = at[a] * axis.stride() - axis.padBegin() + tap[a] * axis.dilation();
            if (o < 0 || o >= out[2 + a]) {
                return -1;
            }
            place = place * out[2 + a] + o;
        }
        return place;
    }
}
