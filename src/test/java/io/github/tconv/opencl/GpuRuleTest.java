package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.op.Problem;
import io.github.tconv.op.TransposedConvolution;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class GpuRuleTest {
    private static final Gpu LARGE = new Gpu(60, 64 << 10, 1024);

    @ParameterizedTest
    @CsvSource({
        "ic256_oc128_k4x4_s2x2_p1x1, tile", // a matrix product
        "ic1024_oc512_k4x4_s2x2_p1x1, tile",
        "ic256_oc3_k4x4_s2x2_p3x3, merged", // three rows of a matrix
        "ic64_oc64_g64_k4x4_s2x2_p1x1, merged", // depthwise
        "ic64_oc32_k2x2x2_s2x2x2, merged", // a short sum
        "ic21_oc21_k64x64_s32x32_p16x16, thin", // a long stride
        "ic4_oc1_k31x31_p15x15, thin", // a large window
    })
    void theRuleFollowsTheShapeOfTheProduct(String layer, String expected) {
        assertEquals(expected, GpuRule.choose(shape(layer), LARGE).name());
    }

    /** A device of nearly nothing: it still computes, with the plain kernel, which is right in groups of any size. */
    @ParameterizedTest
    @ValueSource(strings = {"ic256_oc128_k4x4_s2x2_p1x1", "ic256_oc3_k4x4_s2x2_p3x3", "ic21_oc21_k64x64_s32x32"})
    void aDeviceWithoutRoomTakesThePlainKernel(String layer) {
        assertEquals(
                "forward", GpuRule.choose(shape(layer), new Gpu(1, 1024, 32)).name());
    }

    /** Whatever the layer, sizes and device: no work-group exceeds the device. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "n8_ic1024_oc512_i4x4_k4x4_s2x2_p1x1",
                "ic256_oc128_i200x200_k4x4_s2x2_p1x1",
                "ic64_oc16_i300x300_k3x3_p1x1",
                "ic256_oc3_i128x128_k4x4_s2x2_p3x3",
                "ic64_oc32_i32x32x32_k2x2x2_s2x2x2",
                "ic21_oc21_i16x16_k64x64_s32x32_p16x16"
            })
    void noWorkGroupExceedsTheDevice(String descriptor) {
        Problem problem = Problem.parse(descriptor).asRank3();
        for (int units : List.of(1, 60, 1000)) {
            for (int localBytes : List.of(4 << 10, 8 << 10, 32 << 10, 64 << 10)) {
                for (int groupItems : List.of(64, 128, 256, 1024)) {
                    Gpu gpu = new Gpu(units, localBytes, groupItems);
                    ForwardVariant variant = GpuRule.choose(LayerShape.of(problem.layer()), gpu);
                    ForwardVariant.Tile tile = variant.tileFor(problem);
                    long items = 1;
                    for (long size : tile.range(problem).local()) {
                        items *= size;
                    }
                    String constants = variant.constants() + tile.constants();
                    assertTrue(items <= Math.min(256, groupItems), () -> gpu + constants);
                    assertTrue(localBytes(variant, constants, problem) <= localBytes, () -> gpu + constants);
                }
            }
        }
    }

    /** What the kernel files say that they take. */
    private static long localBytes(ForwardVariant variant, String constants, Problem problem) {
        LayerShape layer = LayerShape.of(problem.layer());
        return switch (variant.name()) {
            case "tile" ->
                8L
                        * constant(constants, "SPLIT")
                        * constant(constants, "BLOCK_IC")
                        * (constant(constants, "LANES_PIX") * constant(constants, "ITEM_PIX")
                                + constant(constants, "LANES_OC") * constant(constants, "ITEM_OC"));
            case "merged" ->
                constant(constants, "SPLIT") == 1
                        ? 0
                        : 4L
                                * constant(constants, "SPLIT")
                                * constant(constants, "LANES")
                                * constant(constants, "MERGED_OC")
                                * layer.height().stride()
                                * layer.width().stride();
            default -> 0;
        };
    }

    /** What decides the bits, and the packed weight, must not follow from the sizes. */
    @Test
    void everyTileOfALayerReadsTheSamePackedWeight() {
        TransposedConvolution layer =
                TransposedConvolution.parse("ic256_oc128_k4x4_s2x2_p1x1").asRank3();
        for (int units : List.of(1, 1000)) {
            TileVariant variant = new TileVariant(LayerShape.of(layer), new Gpu(units, 32 << 10, 256));
            for (int size : List.of(1, 4, 16, 64, 256)) {
                String constants =
                        variant.tileFor(layer.problem(1, 1, size, size)).constants();
                assertEquals(64, constant(constants, "LANES_OC") * constant(constants, "ITEM_OC"), constants);
            }
        }
    }

    @Test
    void longSumsAreSharedWhereTheyCanBe() {
        assertEquals(4, parts("ic1024_oc512_k4x4_s2x2_p1x1"));
        assertEquals(2, parts("ic256_oc128_k4x4_s2x2_p1x1"));
        assertEquals(1, parts("ic248_oc128_k4x4_s2x2_p1x1")); // 31 blocks
        assertEquals(1, parts("ic128_oc64_k2x2_s2x2"));
        assertEquals(4, parts("ic256_oc3_k4x4_s2x2_p3x3"));
        assertEquals(1, parts("ic64_oc64_g64_k4x4_s2x2_p1x1"));
    }

    private static int parts(String layer) {
        return constant(GpuRule.choose(shape(layer), LARGE).constants(), "SPLIT");
    }

    private static LayerShape shape(String layer) {
        return LayerShape.of(TransposedConvolution.parse(layer).asRank3());
    }

    private static int constant(String options, String name) {
        return Stream.of(options.split(" "))
                .filter(option -> option.startsWith("-D" + name + "="))
                .mapToInt(option -> Integer.parseInt(option.substring(option.indexOf('=') + 1)))
                .findFirst()
                .orElseThrow();
    }
}
