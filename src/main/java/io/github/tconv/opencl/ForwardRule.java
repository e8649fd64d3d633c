package io.github.tconv.opencl;

import io.github.tconv.op.Problem;

/** Picks the variant for a layer. */
@FunctionalInterface
interface ForwardRule {
    /**
     * Picks a variant. What decides the order of additions must follow from the layer and the device alone, so that the
     * bits of a result do not depend on which sizes were computed before; the packed weight may suit this problem.
     *
     * @param problem the first problem of its layer, of rank 3
     * @param device where it is to run
     * @return the variant, ready for the problem's layer
     */
    ForwardVariant choose(Problem problem, Device device);

    /** The rule that chooses on every device as this one would on a certain one, so that all give its bits. */
    default ForwardRule decidedFor(Device one) {
        return (problem, any) -> choose(problem, one);
    }

    /**
     * The rule of the library: vectors in the lanes where that was measured, on processors under PoCL, and work-items in
     * the lanes on devices that are no processors. On processors under other drivers the plain kernel computes.
     */
    static ForwardRule standard() {
        return (problem, device) -> {
            if (device.hostMemory() == Device.HostMemory.SAME) {
                return forProcessor(problem, Processor.of(device));
            }
            return Gpu.is(device) ? GpuRule.choose(LayerShape.of(problem.layer()), Gpu.of(device)) : new PlainVariant();
        };
    }

    /**
     * Channels in the lanes where the sums are long and fill a vector, with fewer multiplications where that pays;
     * otherwise pixels, or phases of a long stride. Pixels are filtered minimally where the kernel is twice the stride.
     */
    private static ForwardVariant forProcessor(Problem problem, Processor processor) {
        LayerShape layer = LayerShape.of(problem.layer());
        if (layer.width().stride() >= processor.lanes() && PhaseLaneVariant.fits(layer, processor)) {
            return PhaseLaneVariant.suiting(problem, processor);
        }
        boolean longSums = layer.oc() >= 2L * processor.lanes() && layer.terms() >= LONG_SUM;
        // Both axes of a plane with many channels are better off with channels in the lanes; see the note 0011.
        boolean minimal = layer.ic() >= (MinimalVariant.filtersBoth(layer) ? PLANE_CHANNELS : MINIMAL_CHANNELS)
                && !(longSums && MinimalVariant.filtersBoth(layer))
                && MinimalVariant.fits(layer, processor);
        // On one axis both save the same products, and minimal filtering comes by its weights more cheaply.
        boolean winograd = longSums
                && !(minimal && MinimalVariant.filtersEvery(layer))
                && WinogradVariant.fits(layer, processor)
                && WinogradCost.wins(problem.layer(), processor);
        if (winograd) {
            return WinogradVariant.suiting(problem, processor);
        }
        if (minimal) {
            return MinimalVariant.suiting(problem, processor);
        }
        if (longSums || !XLaneVariant.fits(layer, processor)) {
            return ChannelLaneVariant.suiting(problem, processor);
        }
        return XLaneVariant.suiting(problem, processor);
    }

    /** Terms from which on storing channels, which lie a plane apart, no longer matters. */
    long LONG_SUM = 256;

    /** Input channels from which on fewer products outweigh what minimal filtering adds at the end. */
    int MINIMAL_CHANNELS = 16;

    /** The same where both axes are filtered minimally: below, the error is above that of a matrix product a tap. */
    int PLANE_CHANNELS = 64;
}
