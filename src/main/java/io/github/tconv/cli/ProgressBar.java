package io.github.tconv.cli;

import java.io.PrintWriter;
import picocli.CommandLine.Help.Ansi;

/**
 * Shows how far long work is, in one line of a terminal. Silent in the first second, and where nobody looks: without a
 * terminal, or where the environment wants no terminal's tricks (such as {@code NO_COLOR}).
 */
final class ProgressBar implements AutoCloseable {
    private static final long PATIENCE_NANOS = 1_000_000_000;
    private static final long INTERVAL_NANOS = 100_000_000;
    private static final int WIDTH = 40;

    private final PrintWriter target;
    private final boolean watched;
    private long next = System.nanoTime() + PATIENCE_NANOS;
    private boolean shown;

    ProgressBar(PrintWriter target) {
        this(target, Ansi.AUTO.enabled());
    }

    ProgressBar(PrintWriter target, boolean watched) {
        this.target = target;
        this.watched = watched;
    }

    /** Says that {@code done} of {@code all} is done; may be called as often as is convenient. */
    void show(int done, int all) {
        long now = System.nanoTime();
        if (watched && now - next >= 0) {
            next = now + INTERVAL_NANOS;
            draw(done, all);
        }
    }

    void draw(int done, int all) {
        int filled = (int) ((long) done * WIDTH / all);
        target.print("\r[%s%s] %3d %%".formatted("=".repeat(filled), " ".repeat(WIDTH - filled), done * 100L / all));
        target.flush();
        shown = true;
    }

    /** Removes the bar until it is shown again, for lines of text between. */
    void clear() {
        if (shown) {
            target.print("\r" + " ".repeat(WIDTH + "[] 100 %".length()) + "\r");
            target.flush();
            shown = false;
        }
    }

    /** Removes the bar. Idempotent. */
    @Override
    public void close() {
        clear();
    }
}
