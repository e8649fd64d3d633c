package io.github.tconv.op;

import java.lang.ref.Cleaner;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The life of an object that has to be closed because it owns what the garbage collector does not know: its owner's
 * close frees that, or else the collector's find does, with one warning that says where the object was made.
 * Thread-safe.
 *
 * <p>Looking for the place takes two microseconds, which is much beside a small call. Of objects that are made for every
 * call it is therefore noted only from the first leak of the process on, or from the beginning with the environment
 * variable {@code TCONV_LEAKS=on} or the system property {@code tconv.leaks=on}.
 */
public final class Lifetime {
    private static final System.Logger LOG = System.getLogger(Lifetime.class.getName());
    private static final Cleaner CLEANER = Cleaner.create();
    private static final String LIBRARY = "io.github.tconv.";

    private static volatile boolean everyPlace =
            "on".equalsIgnoreCase(System.getProperty("tconv.leaks", System.getenv("TCONV_LEAKS")));

    private final End end;
    private final Cleaner.Cleanable cleanable;

    /** How often an object of a kind is made. */
    public enum Frequency {
        /** Once for many calls. */
        RARE,
        /** For every call. */
        OFTEN
    }

    /**
     * Begins the life of an object.
     *
     * @param owner the object, to which {@code free} and {@code held} must not refer
     * @param name what it is, for the warning
     * @param frequency how often such an object is made
     * @param held whether there is still something to free, so that a leak is worth a warning
     * @param free frees what the object owns; called once
     */
    public Lifetime(Object owner, String name, Frequency frequency, BooleanSupplier held, Runnable free) {
        String place = frequency == Frequency.RARE || everyPlace ? place() : null;
        this.end = new End(name, place, held, free);
        this.cleanable = CLEANER.register(owner, end);
    }

    /**
     * Tells whether the object may still be used.
     *
     * @return whether its owner has not closed it
     */
    public boolean isOpen() {
        return end.state.get() == End.OPEN;
    }

    /** Ends the life, by the owner's close. Idempotent. */
    public void close() {
        end.state.compareAndSet(End.OPEN, End.CLOSED);
        cleanable.clean();
    }

    /** The innermost line of the program that calls this library. */
    private static String place() {
        return StackWalker.getInstance()
                .walk(frames -> frames.filter(frame -> isOutside(frame.getClassName()))
                        .findFirst()
                        .map(frame -> frame.toStackTraceElement().toString()))
                .orElse("a place unknown");
    }

    private static boolean isOutside(String className) {
        return !className.startsWith(LIBRARY) && !className.startsWith("java.") && !className.startsWith("jdk.");
    }

    private static final class End implements Runnable {
        static final int OPEN = 0;
        static final int CLOSED = 1;
        static final int LEAKED = 2;

        private final AtomicInteger state = new AtomicInteger(OPEN);
        private final String name;
        private final @Nullable String place;
        private final BooleanSupplier held;
        private final Runnable free;

        End(String name, @Nullable String place, BooleanSupplier held, Runnable free) {
            this.name = name;
            this.place = place;
            this.held = held;
            this.free = free;
        }

        @Override
        public void run() {
            if (state.compareAndSet(OPEN, LEAKED) && held.getAsBoolean()) {
                LOG.log(
                        System.Logger.Level.WARNING,
                        "{0} was never closed, made at {1}; it is freed now that the garbage collector found it",
                        name,
                        place == null ? "a place that is noted from now on (TCONV_LEAKS=on: from the start)" : place);
                everyPlace = true;
            }
            free.run();
        }
    }
}
