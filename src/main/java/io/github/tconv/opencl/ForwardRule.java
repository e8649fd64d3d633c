package io.github.tconv.opencl;

import io.github.tconv.op.TransposedConvolution;

/** Picks the variant for a layer. */
@FunctionalInterface
interface ForwardRule {
    /**
     * Picks from the layer and the device alone, so that all sizes of a layer are computed by one order of additions.
     *
     * @param layer a layer of rank 3
     * @param device where it is to run
     * @return the variant, ready for that layer
     */
    ForwardVariant choose(TransposedConvolution layer, Device device);

    /** The rule of the library. */
    static ForwardRule standard() {
        return (layer, device) -> new PlainVariant();
    }
}
