package io.github.tconv.opencl;

import java.util.concurrent.atomic.AtomicLong;

/** Counts the native handles that this process owns, so that a test can tell that none is left. */
final class Handles {
    private static final AtomicLong LIVE = new AtomicLong();

    private Handles() {}

    static void acquired() {
        LIVE.incrementAndGet();
    }

    static void released() {
        LIVE.decrementAndGet();
    }

    static long live() {
        return LIVE.get();
    }
}
