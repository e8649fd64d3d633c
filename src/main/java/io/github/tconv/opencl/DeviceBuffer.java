package io.github.tconv.opencl;

import java.util.concurrent.atomic.AtomicBoolean;
import org.jocl.Pointer;
import org.jocl.cl_mem;

/** One buffer on a device and its only owner. */
final class DeviceBuffer implements AutoCloseable {
    private final cl_mem memory;
    private final long bytes;
    private final AtomicBoolean closed = new AtomicBoolean();

    DeviceBuffer(cl_mem memory, long bytes) {
        this.memory = memory;
        this.bytes = bytes;
        Handles.acquired();
    }

    cl_mem memory() {
        if (closed.get()) {
            throw new IllegalStateException("the buffer is closed");
        }
        return memory;
    }

    long bytes() {
        return bytes;
    }

    Pointer asArgument() {
        return Pointer.to(memory());
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            Calls.clReleaseMemObject(memory);
            Handles.released();
        }
    }
}
