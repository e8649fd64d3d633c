package io.github.tconv.opencl;

import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** One of several devices that compute together, and the thread that computes shares on it. */
final class Member implements AutoCloseable {
    private static final long IDLE_SECONDS = 10;

    private final int place;
    private final OpenClBackend backend;
    private final ThreadPoolExecutor thread;
    private final AtomicInteger running = new AtomicInteger();
    private volatile boolean leftOut;

    Member(int place, OpenClBackend backend) {
        this.place = place;
        this.backend = backend;
        thread = new ThreadPoolExecutor(1, 1, IDLE_SECONDS, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), task -> {
            Thread made = new Thread(task, "tconv-device-" + place);
            made.setDaemon(true);
            return made;
        });
        thread.allowCoreThreadTimeOut(true);
    }

    /** Which of all devices this is. */
    int place() {
        return place;
    }

    OpenClBackend backend() {
        return backend;
    }

    ThreadPoolExecutor thread() {
        return thread;
    }

    /** The calls that it has begun, or that wait for it. */
    AtomicInteger running() {
        return running;
    }

    /** Whether it failed where others did not. */
    boolean leftOut() {
        return leftOut;
    }

    void leaveOut() {
        leftOut = true;
    }

    /** Whether compilers and rules have nothing in which to tell this device from another. */
    boolean isOfKindOf(Member other) {
        return backend.device().differenceFrom(other.backend.device()).isEmpty();
    }

    String describe() {
        return backend.describe() + (leftOut ? " (failed and left out)" : "");
    }

    @Override
    public void close() {
        thread.shutdown();
        backend.close();
    }
}
