package io.github.tconv.network;

import java.io.Serial;

/**
 * A training met a loss or a gradient that is no finite number, and stopped before it changed a weight. The training
 * still has the last weights whose loss was finite.
 */
public final class DivergenceException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1L;

    /** The step, 1 being the first. */
    private final long step;
    /** The first layer whose values were not finite, or the input or the target. */
    private final String layer;

    DivergenceException(String what, long step, String layer) {
        super("%s must be finite: it is not at step %d, first at %s; the weights are those of the last finite loss"
                .formatted(what, step, layer));
        this.step = step;
        this.layer = layer;
    }

    /**
     * Returns when it happened.
     *
     * @return the step, 1 being the first
     */
    public long step() {
        return step;
    }

    /**
     * Returns where the first value was that is not finite.
     *
     * @return {@code layer} and the layer's name, {@code the input} or {@code the target}
     */
    public String where() {
        return layer;
    }
}
