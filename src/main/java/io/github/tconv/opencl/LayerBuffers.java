package io.github.tconv.opencl;

import org.jspecify.annotations.Nullable;

/**
 * What every kernel of a layer reads beside a call's own operands.
 *
 * @param weight as the layer has it, or packed
 * @param bias null for none
 * @param slopes null for none
 */
record LayerBuffers(
        DeviceBuffer weight,
        @Nullable DeviceBuffer bias,
        @Nullable DeviceBuffer slopes) implements AutoCloseable {
    /** The next arguments of a kernel; where there is nothing it takes any buffer and reads none of it. */
    Kernel passTo(Kernel kernel, @Nullable DeviceBuffer residual) {
        return kernel.with(weight)
                .with(bias == null ? weight : bias)
                .with(slopes == null ? weight : slopes)
                .with(residual == null ? weight : residual);
    }

    /** Takes one more share of each, to be closed too; fails if the layer has none left to add to. */
    LayerBuffers share() {
        DeviceBuffer w = weight.share();
        DeviceBuffer b = null;
        try {
            b = bias == null ? null : bias.share();
            return new LayerBuffers(w, b, slopes == null ? null : slopes.share());
        } catch (IllegalStateException e) {
            new LayerBuffers(w, b, null).close();
            throw e;
        }
    }

    /** Gives one share of each back. */
    @Override
    public void close() {
        weight.close();
        if (bias != null) {
            bias.close();
        }
        if (slopes != null) {
            slopes.close();
        }
    }
}
