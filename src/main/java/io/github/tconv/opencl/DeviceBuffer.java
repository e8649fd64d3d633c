package io.github.tconv.opencl;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.jocl.Pointer;
import org.jocl.cl_mem;

/**
 * One buffer on a device. Its owner holds one share, and every call that uses it another: when the last one is closed,
 * the buffer is freed or goes back to its pool. Commands that were enqueued before then still have it.
 */
final class DeviceBuffer implements AutoCloseable {
    private final cl_mem memory;
    private final Pointer argument;
    private final long bytes;
    private volatile Consumer<DeviceBuffer> whenUnused;
    private final AtomicInteger shares = new AtomicInteger(1);

    /** Takes over memory, with one share of it; it is freed when nobody has a share any more. */
    DeviceBuffer(cl_mem memory, long bytes) {
        this(memory, bytes, DeviceBuffer::free);
    }

    /** Takes over memory, with one share of it, and says where it goes when nobody has a share any more. */
    DeviceBuffer(cl_mem memory, long bytes, Consumer<DeviceBuffer> whenUnused) {
        this.memory = memory;
        this.argument = Pointer.to(memory);
        this.bytes = bytes;
        this.whenUnused = whenUnused;
        Handles.acquired();
    }

    cl_mem memory() {
        if (shares.get() == 0) {
            throw closed();
        }
        return memory;
    }

    private static IllegalStateException closed() {
        return new IllegalStateException("the device's memory is closed");
    }

    long bytes() {
        return bytes;
    }

    /** The buffer as an argument of a kernel. */
    Pointer asArgument() {
        if (shares.get() == 0) {
            throw closed();
        }
        return argument;
    }

    /** Takes one more share, to be closed too; fails if there is none left to add to. */
    DeviceBuffer share() {
        int held;
        do {
            held = shares.get();
            if (held == 0) {
                throw closed();
            }
        } while (!shares.compareAndSet(held, held + 1));
        return this;
    }

    /** Takes the first share of a buffer that nobody has, out of a pool. */
    DeviceBuffer reuse() {
        if (!shares.compareAndSet(0, 1)) {
            throw new IllegalStateException("the buffer must not be in use: " + shares);
        }
        return this;
    }

    /** As {@link #reuse}, of a buffer that is freed in the end. */
    DeviceBuffer reuseForGood() {
        whenUnused = DeviceBuffer::free;
        return reuse();
    }

    /** Gives one share back; does nothing where none is left. */
    @Override
    public void close() {
        int held;
        do {
            held = shares.get();
            if (held == 0) {
                return;
            }
        } while (!shares.compareAndSet(held, held - 1));
        if (held == 1) {
            whenUnused.accept(this);
        }
    }

    /** Frees the memory of a buffer that nobody has a share of. */
    void free() {
        Calls.clReleaseMemObject(memory);
        Handles.released();
    }
}
