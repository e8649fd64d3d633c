package io.github.tconv.opencl;

import java.util.ArrayList;
import java.util.List;

/**
 * Picks the variant for devices whose lanes are work-items. Thresholds come from what the compilers of four such devices
 * say (native-notes/0012), not from measurements.
 */
final class GpuRule {
    /** With fewer output channels most of a tile's rows would be empty. */
    private static final int LEAST_CHANNELS = 16;
    /** With fewer products in a sum, storing outweighs them, and the other kernels store neighbours together. */
    private static final long LEAST_SUM = 96;
    /** How much may be computed in vain. */
    private static final double MOST_PADDING = 1.5;
    /** With longer strides neighbours in a phase are far apart in the output, and a tile would store them one by one. */
    private static final int LONGEST_STRIDE = 8;

    private GpuRule() {}

    /**
     * Picks a variant.
     *
     * @param layer the layer
     * @param gpu what matters of the device
     * @return the variant, within the device's limits
     */
    static ForwardVariant choose(LayerShape layer, Gpu gpu) {
        if (isMatrixProduct(layer) && TileVariant.fits(layer, gpu)) {
            TileVariant tile = new TileVariant(layer, gpu);
            if (tile.padding() <= MOST_PADDING) {
                return tile;
            }
        }
        if (MergedVariant.fits(layer, gpu)) {
            return new MergedVariant(layer, gpu);
        }
        return ThinVariant.fits(layer, gpu) ? new ThinVariant(layer, gpu) : new PlainVariant();
    }

    /** Returns the variants that a layer and a device allow, for whoever can measure them. */
    static List<ForwardVariant> candidates(LayerShape layer, Gpu gpu) {
        List<ForwardVariant> variants = new ArrayList<>();
        if (TileVariant.fits(layer, gpu)) {
            variants.add(new TileVariant(layer, gpu));
        }
        if (MergedVariant.fits(layer, gpu)) {
            variants.add(new MergedVariant(layer, gpu));
        }
        if (ThinVariant.fits(layer, gpu)) {
            variants.add(new ThinVariant(layer, gpu));
        }
        return variants;
    }

    private static boolean isMatrixProduct(LayerShape layer) {
        return layer.oc() >= LEAST_CHANNELS
                && TileVariant.sum(layer) >= LEAST_SUM
                && layer.width().stride() <= LONGEST_STRIDE;
    }
}
