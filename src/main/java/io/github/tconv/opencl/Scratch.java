package io.github.tconv.opencl;

import io.github.tconv.op.Tensor;

/**
 * A tensor of whatever values for a short while, in memory of the session's pool where the device works in the host's own:
 * large memory that is new has to be zeroed, and touched page by page.
 *
 * @param tensor until this is closed
 * @param whenClosed gives the memory back; what uses the tensor has ended
 */
record Scratch(Tensor tensor, Runnable whenClosed) implements AutoCloseable {
    @Override
    public void close() {
        whenClosed.run();
    }
}
