package io.github.tconv.opencl;

import io.github.tconv.op.Problem;

/** Picks the variant for the gradient by the input, which is the adjoint convolution. */
final class InputGradientRule {
    private InputGradientRule() {}

    /** The rule of the library: the fast variants where they were measured, on processors under PoCL. */
    static ForwardRule standard() {
        // An engine's call without a prepared layer asks every time.
        Remembered<ForwardVariant> chosen = new Remembered<>();
        return (problem, device) -> device.hostMemory() == Device.HostMemory.SAME
                ? chosen.get(problem, () -> forProcessor(problem, Processor.of(device)))
                : PlainVariant.ofInputGradient();
    }

    /** Channels in the lanes, with fewer products where that pays, unless they fill too few. From the layer alone, as the order of additions must be. */
    private static ForwardVariant forProcessor(Problem problem, Processor processor) {
        LayerShape layer = LayerShape.of(problem.layer());
        double filled = layer.ic() / (double) (Grid.tiles(layer.ic(), processor.lanes()) * processor.lanes());
        if (filled >= LEAST_FILLED && InputGradientWinograd.wins(problem.layer(), processor)) {
            return InputGradientWinograd.suiting(problem, processor);
        }
        return filled < LEAST_FILLED && InputGradientXLane.fits(layer, processor)
                ? InputGradientXLane.suiting(layer, processor)
                : InputGradientChannelLane.suiting(problem, processor);
    }

    /** The share of lanes with channels in them below which splitting rows by phase is cheaper. */
    private static final double LEAST_FILLED = 0.6;
}
