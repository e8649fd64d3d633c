package io.github.tconv.opencl;

import io.github.tconv.op.Tensor;

/**
 * A tensor of whatever values for a short while, in memory of the session's pool where the device works in the host's own:
 * large memory that is new has to be zeroed, and touched page by page.
 */
final class Scratch implements AutoCloseable {
    private final Tensor tensor;
    private final Runnable whenClosed;

    Scratch(Tensor tensor, Runnable whenClosed) {
        this.tensor = tensor;
        this.whenClosed = whenClosed;
    }

    /** The tensor, until this is closed. */
    Tensor tensor() {
        return tensor;
    }

    /** Gives the memory back; what uses the tensor has ended. */
    @Override
    public void close() {
        whenClosed.run();
    }
}
