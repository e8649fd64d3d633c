package io.github.tconv.picture;

import java.util.concurrent.atomic.LongAdder;

/** Adds up how long something took. Thread-safe. */
final class Stopwatch {
    private final LongAdder nanoseconds = new LongAdder();

    /** Runs something, and adds how long that took. */
    void time(Runnable work) {
        long start = System.nanoTime();
        try {
            work.run();
        } finally {
            nanoseconds.add(System.nanoTime() - start);
        }
    }

    double seconds() {
        return nanoseconds.sum() / 1e9;
    }
}
