package io.github.tconv.verify;

import io.github.tconv.op.Problem;
import java.util.List;
import java.util.stream.Stream;

/**
 * Problems that hide few bugs. Square and symmetric ones hide many: an exchanged height and width, a stride taken for a
 * dilation, a begin taken for an end. So hardly two numbers of a problem are equal here.
 */
public final class Catalogue {
    /** Of each kind of awkwardness one, small enough for a simulator: at most {@link #SMALL_PRODUCTS} products. */
    private static final List<Problem> SMALL = parse("""
            ic1_oc1_i1_k1
            ic2_oc3_i1_k4_s2_p1
            n2_ic5_oc4_i9_k5_s3_d2_p2
            ic4_oc6_g2_i11_k4_s4_d2_p3
            ic2_oc2_i6_k2_s5
            ic2_oc3_i9_k4_s2_p-1_e-3
            ic2_oc2_i5_k3_s2_d5_op4
            ic2_oc3_i2_k2_d7_p3
            ic17_oc34_i5_k3_s2_p1_op1
            ic2_oc3_i3_k35_s17_p9
            ic2_oc3_i2_k101_s100_p9
            ic3_oc2_i5x4_k3x2_s2x3_d2x3_p1x2_e0x1
            n3_ic3_oc5_i4x6_k3x5_s1x2_d2x3_p2x4_op0x1
            ic6_oc15_g3_i4x5_k3x2_s2x1_p1x0
            ic4_oc12_g4_i6x5_k3x4_s2x2_p1x1
            ic5_oc3_i1x1_k4x3_s2x2_p1x1
            ic2_oc3_i5x3_k3x2_s2x2_p-1x1_e2x-2
            ic2_oc3_i3x4_k8x16_s4x8_p2x4
            ic3_oc2_i2x3x4_k2x3x2_s1x2x3_d3x2x1_p1x0x1_op0x1x2
            ic4_oc6_g2_i3x2x3_k3x2x3_s2x3x1_d1x1x2_p1x0x2_e0x1x2_op1x2x0
            ic2_oc3_i2x3x4_k1x2x4_s3x1x2_p0x0x1_op2x0x0
            """);

    private static final List<Problem> OTHERS = Stream.of(
                    // One axis: output padding, strides and dilations with a common factor, gaps, one tap, long sums.
                    parse("""
                            ic3_oc2_i7_k3_s2_p1_op1
                            ic3_oc2_i8_k3_s6_d4_p1
                            ic2_oc3_i6_k1_s3_op2
                            ic3_oc3_g3_i13_k4_s2_p1
                            ic2_oc3_i9_k3_p-2_e1
                            ic33_oc17_i5_k3_s2_p1_op1
                            ic1_oc1_i97_k5_s2_p2
                            ic2_oc1_i301_k3_p1_e0
                            ic2_oc3_i40_k6_s3_p-2_e1
                            n2_ic2_oc2_i4099_k1
                            n2100_ic2_oc3_i2_k1
                            """),
                    // Two axes: groups, channels that fill no vector, one pixel, one row, gaps, taps lost in padding.
                    parse("""
                            ic6_oc4_g2_i5x7_k2x4_s3x2_d2x1_p1x0
                            n3_ic7_oc5_i4x6_k3x5_s1x2_d2x3_p2x4_op0x1
                            ic8_oc8_g8_i7x5_k4x3_s2x3_p1x1
                            ic1_oc17_i3x5_k3x3_s2x1_p1x1_op1x0
                            ic17_oc1_i5x3_k2x3_s2x2
                            ic7_oc33_i3x4_k3x1_s1x2_op0x1
                            n3_ic33_oc7_i2x3_k2x4_s2x1_p0x1
                            n3_ic2_oc2_i1x1_k1x1
                            ic3_oc4_i1x9_k3x4_s2x3_p1x2_op1x2
                            ic2_oc3_i4x5_k2x1_s3x4
                            ic3_oc2_i4x4_k2x3_s1x2_d3x4_op2x3
                            ic2_oc2_i3x2_k2x2_s2x3_d9x5_p4x1_e3x0
                            ic1_oc1_i2x61_k3x5_s1x2_p1x2_op0x1
                            ic2_oc1_i53x1_k4x1_s2x1_p1x0
                            ic3_oc3_i4x3_k12x10_s6x5_p3x2_op0x1
                            ic4_oc3_i5x6_k3x3_s4x6_d2x4_p2x3
                            ic37_oc3_i5x19_k6x4_s3x2_p2x1
                            """),
                    // Three axes.
                    parse("""
                            n2_ic3_oc3_g3_i2x4x3_k3x2x2_s2x1x2_p1x0x0
                            ic1_oc2_i1x1x1_k3x2x4_s2x2x2
                            ic2_oc3_i3x2x5_k1x1x1_s2x1x3_op1x0x2
                            n2_ic18_oc5_i2x3x7_k3x4x2_s2x2x1_d2x1x1_p1x2x0_op1x0x0
                            ic2_oc2_i2x3x2_k2x2x3_s1x2x2_d2x1x3_p-1x1x2_e1x-2x0
                            """),
                    // Real layers made small: DCGAN, U-Net, Mask R-CNN, SimpleBaseline pose, CycleGAN, FSRCNN, waifu2x,
                    // stride 1, depthwise, HiFi-GAN, V-Net.
                    parse("""
                            n2_ic16_oc8_i4x4_k4x4_s2x2_p1x1
                            n2_ic8_oc3_i6x5_k4x4_s2x2_p1x1
                            ic8_oc4_i8x6_k2x2_s2x2
                            n3_ic8_oc8_i5x4_k2x2_s2x2
                            ic16_oc16_i8x6_k4x4_s2x2_p1x1
                            ic16_oc8_i6x7_k3x3_s2x2_p1x1_op1x1
                            ic7_oc1_i9x8_k9x9_s3x3_p4x4_op2x2
                            ic16_oc3_i7x9_k4x4_s2x2_p3x3
                            ic8_oc8_i7x9_k3x3_p1x1
                            ic8_oc8_g8_i9x7_k4x4_s2x2_p1x1
                            ic16_oc8_i16_k16_s8_p4
                            ic8_oc4_i64_k4_s2_p1
                            ic8_oc4_i4x3x4_k2x2x2_s2x2x2
                            """))
            .flatMap(List::stream)
            .toList();

    private static final List<Problem> ALL =
            Stream.concat(SMALL.stream(), OTHERS.stream()).toList();

    /** The most products of one operation in the small catalogue. */
    static final int SMALL_PRODUCTS = 20_000;

    private Catalogue() {}

    private static List<Problem> parse(String descriptors) {
        return descriptors.lines().map(Problem::parse).toList();
    }

    /**
     * Returns the whole catalogue.
     *
     * @return the problems, the small ones first
     */
    public static List<Problem> all() {
        return ALL;
    }

    /**
     * Returns a part of the catalogue that has each kind of problem and little work, for simulators and impatience.
     *
     * @return the small problems
     */
    public static List<Problem> small() {
        return SMALL;
    }
}
