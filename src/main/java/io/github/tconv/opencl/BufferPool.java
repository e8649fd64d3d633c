package io.github.tconv.opencl;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The idle buffers of a session. A call takes the smallest that is large enough, but not more than twice so; what has
 * not been taken for longest is freed where too much is idle. Commands that still use a buffer which is given back come
 * before those of whoever takes it next, because a session has one queue. Thread-safe.
 */
final class BufferPool implements AutoCloseable {
    /** Enough for the tensors between the layers of a network. */
    private static final int MAX_IDLE = 64;

    private final Session session;
    private final long flags;
    private final long maxIdleBytes;
    /** The least recently used first. */
    private final List<DeviceBuffer> idle = new ArrayList<>();

    private long idleBytes;
    private boolean closed;

    /**
     * Makes an empty pool.
     *
     * @param flags how its buffers are made
     * @param maxIdleBytes how much may wait for its next use
     */
    BufferPool(Session session, long flags, long maxIdleBytes) {
        this.session = session;
        this.flags = flags;
        this.maxIdleBytes = maxIdleBytes;
    }

    /** Takes a buffer of whatever content, which comes back when its last share is closed. */
    DeviceBuffer take(long bytes) {
        synchronized (idle) {
            int best = -1;
            for (int i = idle.size() - 1; i >= 0; i--) {
                long size = idle.get(i).bytes();
                if (size >= bytes
                        && size / 2 <= bytes
                        && (best < 0 || size < idle.get(best).bytes())) {
                    best = i;
                }
            }
            if (best >= 0) {
                DeviceBuffer buffer = idle.remove(best);
                idleBytes -= buffer.bytes();
                return buffer.reuse();
            }
        }
        return session.create(flags, bytes, null, this::giveBack);
    }

    /** Takes an idle buffer of just this size for good, of whatever content: it does not come back. Null if there is none. */
    @Nullable
    DeviceBuffer takeForGood(long bytes) {
        synchronized (idle) {
            for (int i = idle.size() - 1; i >= 0; i--) {
                if (idle.get(i).bytes() == bytes) {
                    idleBytes -= bytes;
                    return idle.remove(i).reuseForGood();
                }
            }
            return null;
        }
    }

    private void giveBack(DeviceBuffer buffer) {
        synchronized (idle) {
            idle.add(buffer);
            idleBytes += buffer.bytes();
            while (closed ? !idle.isEmpty() : idle.size() > MAX_IDLE || idleBytes > maxIdleBytes) {
                DeviceBuffer longest = idle.remove(0);
                idleBytes -= longest.bytes();
                longest.free();
            }
        }
    }

    /** Frees what is idle now; false if nothing was. */
    boolean freeIdle() {
        synchronized (idle) {
            boolean any = !idle.isEmpty();
            idle.forEach(DeviceBuffer::free);
            idle.clear();
            idleBytes = 0;
            return any;
        }
    }

    /** Frees what is idle, now and later. */
    @Override
    public void close() {
        synchronized (idle) {
            closed = true;
            freeIdle();
        }
    }
}
