package io.github.tconv.opencl;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.function.LongFunction;

/**
 * The idle workspaces of a session. A call takes the smallest that is large enough, but not more than twice so; what has
 * not been taken for longest is freed where too many are idle. Thread-safe.
 */
final class WorkspacePool implements AutoCloseable {
    private static final int MAX_IDLE = 4;

    private final LongFunction<DeviceBuffer> allocate;
    /** The most recently used first. */
    private final Deque<DeviceBuffer> idle = new ArrayDeque<>();

    WorkspacePool(LongFunction<DeviceBuffer> allocate) {
        this.allocate = allocate;
    }

    Workspace take(long bytes) {
        return new Workspace(this, find(bytes));
    }

    private DeviceBuffer find(long bytes) {
        synchronized (idle) {
            DeviceBuffer best = null;
            for (DeviceBuffer buffer : idle) {
                boolean fits = buffer.bytes() >= bytes && buffer.bytes() / 2 <= bytes;
                if (fits && (best == null || buffer.bytes() < best.bytes())) {
                    best = buffer;
                }
            }
            if (best != null) {
                idle.remove(best);
                return best;
            }
        }
        return allocate.apply(bytes);
    }

    void giveBack(DeviceBuffer buffer) {
        synchronized (idle) {
            idle.addFirst(buffer);
            if (idle.size() > MAX_IDLE) {
                idle.removeLast().close();
            }
        }
    }

    @Override
    public void close() {
        synchronized (idle) {
            for (Iterator<DeviceBuffer> buffers = idle.iterator(); buffers.hasNext(); ) {
                buffers.next().close();
                buffers.remove();
            }
        }
    }
}
