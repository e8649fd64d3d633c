package io.github.tconv.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is impossible does not construct, and the message states the rule and the value. */
class LayerRulesTest {
    private static void refused(String message, Executable construction) {
        assertEquals(
                message,
                assertThrows(IllegalArgumentException.class, construction).getMessage());
    }

    private static LayerBuilder<TransposedConvolution> layer() {
        return TransposedConvolution.of2d().channels(6, 4).kernel(3, 2).stride(2);
    }

    @Test
    void anAxisHasPositiveKernelStrideAndDilation() {
        refused("kernel must be positive: 0", () -> layer().kernel(3, 0).build());
        refused("stride must be positive: -2", () -> layer().stride(-2).build());
        refused("dilation must be positive: 0", () -> layer().dilation(1, 0).build());
    }

    @Test
    void outputPaddingIsLessThanStrideOrDilation() {
        refused(
                "output padding must not be negative: -1",
                () -> layer().outputPadding(-1).build());
        refused(
                "output padding must be less than max(stride, dilation) = max(2, 3): 3",
                () -> layer().dilation(3).outputPadding(3).build());
        assertEquals(
                2, layer().dilation(3).outputPadding(2).build().axes().get(0).outputPadding());
    }

    /** Equality is our own, and a number that it left out would give one layer the kernel of another. */
    @Test
    void layersAreEqualInAllTheirNumbersOrNot() {
        List<String> layers = List.of(
                "ic6_oc4_k3x3_s4x4_p1x1",
                "ic4_oc4_k3x3_s4x4_p1x1",
                "ic6_oc6_k3x3_s4x4_p1x1",
                "ic6_oc4_g2_k3x3_s4x4_p1x1",
                "ic6_oc4_k3x2_s4x4_p1x1",
                "ic6_oc4_k3x3_s2x4_p1x1",
                "ic6_oc4_k3x3_s4x4_d2x1_p1x1",
                "ic6_oc4_k3x3_s4x4_p1x0",
                "ic6_oc4_k3x3_s4x4_p1x1_e0x1",
                "ic6_oc4_k3x3_s4x4_p1x1_op0x1",
                "ic6_oc4_k3_s4_p1",
                "ic6_oc4_k1x3x3_s1x4x4_p0x1x1");
        for (int i = 0; i < layers.size(); i++) {
            TransposedConvolution layer = TransposedConvolution.parse(layers.get(i));
            for (int j = 0; j < layers.size(); j++) {
                TransposedConvolution other = TransposedConvolution.parse(layers.get(j));
                assertEquals(i == j, layer.equals(other), layer + " and " + other);
            }
            assertEquals(
                    layer.hashCode(), TransposedConvolution.parse(layers.get(i)).hashCode());
        }
    }

    @Test
    void groupsDivideTheChannels() {
        refused("groups must be positive: 0", () -> layer().groups(0).build());
        refused(
                "groups must divide the input channels: 4 does not divide 6",
                () -> layer().groups(4).build());
        refused(
                "groups must divide the output channels: 3 does not divide 4",
                () -> layer().groups(3).build());
        refused(
                "input channels must be positive: 0",
                () -> layer().channels(0, 4).build());
        refused(
                "output channels must be positive: -4",
                () -> layer().channels(6, -4).build());
    }

    @Test
    void theRankIsOneTwoOrThree() {
        refused("rank must be 1, 2 or 3: 0", () -> TransposedConvolution.ofRank(0));
        refused("rank must be 1, 2 or 3: 4", () -> Convolution.ofRank(4));
        refused("rank must be 1, 2 or 3: 0", () -> new TransposedConvolution(1, 1, 1, List.of()));
    }

    @Test
    void settingsHaveOneValueOrOneAnAxis() {
        refused("kernel must have one value, or one for each of the 2 axes: 3 values", () -> layer().kernel(1, 2, 3));
        refused("stride must have one value, or one for each of the 2 axes: 0 values", () -> layer().stride());
        refused(
                "dilation must have one value, or one for each of the 2 axes: 3 values",
                () -> layer().dilation(1, 2, 3));
        refused(
                "output padding must have one value, or one for each of the 2 axes: 3 values",
                () -> layer().outputPadding(0, 0, 0));
        refused("padding must have 1, 2 or 4 values for 2 axes: 3", () -> layer().padding(1, 2, 3));
    }

    @Test
    void paddingIsGivenOrDerivedButNotBoth() {
        refused(
                "padding must not be given together with auto_pad SAME_UPPER: [1, 1], [1, 1]",
                () -> layer().padding(1).autoPad(AutoPad.SAME_UPPER).build());
    }

    @Test
    void aProblemHasPositiveSizes() {
        TransposedConvolution layer = layer().padding(3, 0).build();
        refused("batch must be positive: 0", () -> layer.problem(0, 5, 5));
        refused("input height must be positive: 0", () -> layer.problem(1, 0, 5));
        refused("input width must be positive: -1", () -> layer.problem(1, 5, -1));
        refused("input size must have one value for each of the 2 axes: 1", () -> layer.problem(1, 5));
        refused(
                "output height must be positive: -1 for an input of 2 (layer ic6_oc4_k3x2_s2x2_p3x0)",
                () -> layer.problem(1, 2, 5));
    }

    @Test
    void sizesAreComputedIn64Bits() {
        TransposedConvolution wide =
                TransposedConvolution.of1d().kernel(2).stride(Integer.MAX_VALUE).build();
        refused(
                "output width must be at most 2147483647: 4294967296 for an input of 3 (layer ic1_oc1_k2_s2147483647)",
                () -> wide.problem(1, 3));
        TransposedConvolution dilated = TransposedConvolution.of1d()
                .kernel(Integer.MAX_VALUE)
                .dilation(Integer.MAX_VALUE)
                .stride(Integer.MAX_VALUE)
                .padding(Integer.MIN_VALUE)
                .outputPadding(Integer.MAX_VALUE - 1)
                .build();
        // 2 * (2^31 - 2)(2^31 - 1) + 2^32 + 1 + 2^31 - 2: the largest that can be asked for, just within 64 bits.
        assertEquals(9223372030412324867L, dilated.axes().get(0).outputSize(Integer.MAX_VALUE));
        refused(
                "output width must be at most 2147483647: 9223372030412324867 for an input of 2147483647 (layer "
                        + dilated + ")",
                () -> dilated.problem(1, Integer.MAX_VALUE));
    }

    @Test
    void tensorsBeyondTwoGibibytesAreRefusedWhereTheProblemIsMade() {
        TransposedConvolution up = TransposedConvolution.of2d().stride(100).build();
        refused(
                "output must have at most %d elements (2 GiB): shape [1, 1, 99901, 99901]"
                        .formatted(Tensor.MAX_ELEMENTS),
                () -> up.problem(1, 1000, 1000));
        TransposedConvolution down =
                TransposedConvolution.of2d().padding(49_999, 49_999).build();
        refused(
                "input must have at most %d elements (2 GiB): shape [1, 1, 99999, 99999]"
                        .formatted(Tensor.MAX_ELEMENTS),
                () -> down.problem(1, 99_999, 99_999));
        TransposedConvolution heavy =
                TransposedConvolution.of1d().channels(65_536, 65_536).build();
        refused(
                "weight must have at most %d elements (2 GiB): shape [65536, 65536, 1]".formatted(Tensor.MAX_ELEMENTS),
                () -> heavy.problem(1, 1));
        refused(
                "tensor must have at most %d elements (2 GiB): shape [2147483647, 2147483647, 2147483647]"
                        .formatted(Tensor.MAX_ELEMENTS),
                () -> Tensor.zeros(Integer.MAX_VALUE, Integer.MAX_VALUE, Integer.MAX_VALUE));
    }

    @Test
    void derivedSizesAndPaddingBeyond32BitsAreRefusedToo() {
        TransposedConvolution layer =
                TransposedConvolution.of1d().padding(Integer.MAX_VALUE).build();
        refused(
                "the convolution's output width must be at most 2147483647: 4294967299 for a size of 5"
                        + " (layer ic1_oc1_k1_p2147483647)",
                () -> layer.problemOfOutput(1, 5));
        TransposedConvolution spread =
                TransposedConvolution.of1d().stride(Integer.MAX_VALUE).build();
        refused(
                "padding must be between -2147483648 and 2147483647: 3221225465",
                () -> spread.withOutputShape(new int[] {4}, new int[] {12}, AutoPad.SAME_UPPER));
    }

    @Test
    void anOutputSizeLiesWithinReachOfOutputPadding() {
        TransposedConvolution layer =
                TransposedConvolution.of1d().kernel(3).stride(2).padding(1).build();
        String layerAndRule = "output width must be between 7 and 8 for an input of 4 (layer ic1_oc1_k3_s2_p1): ";
        refused(layerAndRule + 6, () -> layer.withOutputSize(new int[] {4}, new int[] {6}));
        refused(layerAndRule + 9, () -> layer.withOutputSize(new int[] {4}, new int[] {9}));
        refused("input size must be positive: 0", () -> layer.withOutputSize(new int[] {0}, new int[] {1}));
        refused(
                "output size must have one value for each of the 1 axes: 2",
                () -> layer.withOutputSize(new int[] {4}, new int[] {7, 7}));
        refused(
                "output shape must be positive: 0",
                () -> layer.withOutputShape(new int[] {4}, new int[] {0}, AutoPad.NOTSET));
    }

    @Test
    void anOutputGradientHasASizeThatTheLayerMakes() {
        TransposedConvolution layer =
                TransposedConvolution.of1d().kernel(3).stride(2).padding(1).build();
        refused(
                "output width must be a size that the layer ic1_oc1_k3_s2_p1 makes: 8",
                () -> layer.problemMaking(1, 8));
        assertEquals(4, layer.problemMaking(1, 7).inputSize(0));
        assertEquals(4, layer.problemOfOutput(1, 8).inputSize(0));
    }

    @Test
    void aConvolutionOfTooSmallAnInputHasNoOutput() {
        Convolution layer = Convolution.of2d().kernel(3, 5).build();
        refused(
                "the convolution has no output: width of a size of 4 is 0 (layer ic1_oc1_k3x5)",
                () -> layer.problem(1, 4, 4));
    }

    @Test
    void tensorsHaveAShapeAndAsManyValues() {
        refused("tensor must have at least one axis: 0", () -> Tensor.zeros());
        refused("tensor sizes must be positive: [2, 0]", () -> Tensor.zeros(2, 0));
        refused("a tensor of shape [2, 3] must have 6 values: 5", () -> Tensor.of(new float[5], 2, 3));
        refused(
                "a tensor of shape [5] must have 5 values: 6",
                () -> Tensor.zeros(2, 3).reshape(5));
        ByteBuffer bytes = ByteBuffer.allocateDirect(16);
        refused("a tensor's buffer must be in native byte order: BIG_ENDIAN", () -> Tensor.wrap(bytes, 4));
        bytes.order(ByteOrder.nativeOrder());
        refused("a tensor of shape [3] must have 12 bytes: 16", () -> Tensor.wrap(bytes, 3));
        assertEquals(4, Tensor.wrap(bytes, 4).elements());
        refused(
                "a tensor's buffer must be direct and writable: java.nio.HeapByteBuffer[pos=0 lim=16 cap=16]",
                () -> Tensor.wrap(ByteBuffer.allocate(16), 4));
    }

    @Test
    void activationsHaveTheirParameters() {
        refused("clamp's least value must not be above its greatest: 2.0, 1.0", () -> Activation.clamp(2, 1));
        refused("activation parameters must be finite: NaN, 0.0", () -> Activation.leakyRelu(Float.NaN));
        refused(
                "slopes belong to PRELU and to it only: RELU",
                () -> new Activation(Activation.Kind.RELU, 0, 0, Tensor.zeros(1)));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    ''                      | '' is none of n, ic, oc, g, i, k, s, d, p, e, op with its values
                    ic1_oc1_i2_k            | 'k' is none of n, ic, oc, g, i, k, s, d, p, e, op with its values
                    ic1_oc1_i2_k2.5         | 'k2.5' is none of n, ic, oc, g, i, k, s, d, p, e, op with its values
                    ic1_oc1_i2_k2_          | '' is none of n, ic, oc, g, i, k, s, d, p, e, op with its values
                    ic1_oc1_i2_k2_k3        | 'k' stands twice
                    ic1_oc1_i2_k99999999999 | 'k99999999999' has a value beyond 32 bits
                    ic1_oc1_i2              | 'k' is missing
                    ic1_oc1_k2              | 'i' is missing
                    oc1_i2_k2               | 'ic' is missing
                    ic1_oc1x2_i2_k2         | 'oc' has more than one value
                    ic1_oc1_i2x2x2_k2x2x2_p1x1_e1x1x1x1 | 'p' must have one value, or one for each of the 3 axes
                    """)
    void aDescriptorIsReadWhollyOrNotAtAll(String descriptor, String why) {
        refused(
                "a descriptor reads like n8_ic256_oc128_i16x16_k4x4_s2x2_p1x1; in '%s' %s".formatted(descriptor, why),
                () -> Problem.parse(descriptor));
    }
}
