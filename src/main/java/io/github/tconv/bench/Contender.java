package io.github.tconv.bench;

import io.github.tconv.op.Tensor;
import org.jspecify.annotations.Nullable;

/** One way of computing one layer, made ready: everything that a user does once is done. */
public interface Contender extends AutoCloseable {

    /** Computes the layer once, as a user would, and lets go of a fresh result: this is what the clock sees. */
    void call();

    /**
     * Computes the layer once.
     *
     * @return a copy of the result
     */
    Tensor result();

    /**
     * Says how much memory a call takes beyond input, weight and output.
     *
     * @return bytes, or null if it does not tell
     */
    default @Nullable Long workspaceBytes() {
        return null;
    }

    /**
     * Bounds the error of the result.
     *
     * @return what {@link io.github.tconv.Engine#errorGrowth} says
     */
    default double errorGrowth() {
        return 0;
    }

    /** Frees everything. */
    @Override
    void close();
}
