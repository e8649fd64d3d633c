package io.github.tconv;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Convolution;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A prepared convolution is the convolution, with what the store adds; on integers, and therefore exactly. */
class PreparedConvolutionTest {
    private static Tensor integers(long seed, int... shape) {
        Random random = new Random(seed);
        Tensor tensor = Tensor.zeros(shape);
        for (int i = 0; i < tensor.elements(); i++) {
            tensor.set(i, random.nextInt(-4, 5));
        }
        return tensor;
    }

    @ParameterizedTest
    @CsvSource({
        // Channels in the lanes, neighbours in the lanes, one axis; the problems are those of the adjoint.
        "reference, n2_ic12_oc5_i4x6_k3x2_s2x1_p1x0",
        "reference, n2_ic4_oc6_g2_i11_k4_s4_d2_p3",
        "auto, n2_ic12_oc5_i4x6_k3x2_s2x1_p1x0",
        "auto, n2_ic4_oc6_g2_i11_k4_s4_d2_p3"
    })
    void biasResidualAndActivationAreInTheStore(String device, String descriptor) {
        Problem problem = Problem.parse(descriptor);
        Convolution layer = problem.layer().adjoint();
        Tensor input = integers(1, problem.outputShape());
        Tensor weight = integers(2, layer.weightShape());
        Tensor bias = integers(3, layer.outChannels());
        Tensor residual = integers(4, problem.inputShape());
        Tensor output = Tensor.zeros(problem.inputShape());
        try (Engine engine = Tconv.open(device);
                PreparedConvolution prepared = engine.prepare(layer, weight, bias, Activation.leakyRelu(0.5f))) {
            Tensor convolved = engine.forward(layer, input, weight, bias);
            // Twice: the second call finds everything made.
            for (int call = 0; call < 2; call++) {
                prepared.forward(input, residual, output);
                for (int i = 0; i < output.elements(); i++) {
                    float sum = convolved.get(i) + residual.get(i);
                    assertEquals(sum > 0 ? sum : sum * 0.5f, output.get(i) + 0f, "element " + i);
                }
            }
        }
    }

    @Test
    void withoutAnythingAddedItIsTheConvolution() {
        Convolution layer =
                Convolution.of2d().channels(3, 16).kernel(3).padding(1).build();
        Tensor weight = integers(1, layer.weightShape());
        try (Engine engine = Tconv.open();
                PreparedConvolution prepared = engine.prepare(layer, weight, null)) {
            for (int size = 5; size < 8; size++) {
                Tensor input = integers(2, 2, 3, size, size + 1);
                assertArrayEquals(
                        engine.forward(layer, input, weight, null).toArray(),
                        prepared.forward(input).toArray());
            }
        }
    }

    @Test
    void aWrongShapeIsSaid() {
        Convolution layer = Convolution.of2d().channels(3, 4).kernel(3).build();
        Tensor weight = Tensor.zeros(layer.weightShape());
        try (Engine engine = Tconv.open("reference");
                PreparedConvolution prepared = engine.prepare(layer, weight, null)) {
            Tensor output = Tensor.zeros(1, 4, 4, 4);
            assertEquals(
                    "output must have shape [1, 4, 3, 3]: float32(1, 4, 4, 4)",
                    assertThrows(
                                    IllegalArgumentException.class,
                                    () -> prepared.forward(Tensor.zeros(1, 3, 5, 5), output))
                            .getMessage());
            assertThrows(IllegalArgumentException.class, () -> engine.prepare(layer, Tensor.zeros(3, 4, 3, 3), null));
        }
    }
}
