package io.github.tconv.opencl;

import io.github.tconv.op.Backend;
import io.github.tconv.op.Tensor;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/** What a device tensor is over: a buffer of a session and, where that is over a tensor of the host's, the tensor. */
final class DeviceMemory implements Backend.Memory {
    private final Session session;
    private final DeviceBuffer buffer;
    /** Keeps the tensor's memory from the garbage collector while the device may use it. */
    private volatile @Nullable Tensor lent;

    private final AtomicBoolean closed = new AtomicBoolean();

    DeviceMemory(Session session, DeviceBuffer buffer, @Nullable Tensor lent) {
        this.session = session;
        this.buffer = buffer;
        this.lent = lent;
        session.keep(buffer);
    }

    /** Takes a share of the buffer, to be closed. */
    DeviceBuffer share() {
        return buffer.share();
    }

    @Override
    public boolean isOpen() {
        return !closed.get() && session.isOpen();
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            if (lent != null) {
                // What was enqueued may still read the tensor's own memory.
                session.drainIfOpen();
                lent = null;
            }
            session.release(buffer);
        }
    }
}
