package io.github.tconv.opencl;

import io.github.tconv.op.Backend;
import io.github.tconv.op.DeviceException;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BiFunction;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Programs prove themselves before they compute for a caller: the first time one is used on this machine it computes a
 * small problem of its layer, and the result is compared with an oracle's. The verdict is remembered in the user's
 * folder for caches, under all that the program depends on: device, driver, source and options; and under the library's
 * version, as the next one may try more. One that is wrong is said once in every process, and whoever asked takes
 * another.
 *
 * <p>Thread-safe.
 */
final class SelfCheck {
    private static final System.Logger LOG = System.getLogger(SelfCheck.class.getName());
    private static final String LEDGER = "self-check";
    private static final String RIGHT = "right";

    /** Lets every program pass. */
    static final SelfCheck OFF = new SelfCheck();

    private final @Nullable Device device;
    private final @Nullable Backend oracle;
    private final @Nullable Ledger ledger;
    /** What the ledger had, and what has been found since. */
    private final Map<String, String> verdicts = new ConcurrentHashMap<>();
    /** What the ledger has not. */
    private final Map<String, String> fresh = new HashMap<>();

    /** Computes a small problem with the program that is to be tried. */
    @FunctionalInterface
    interface Trial {
        /**
         * Compares a result of the program with the oracle's.
         *
         * @param oracle a backend that is right
         * @return what differs, in one line, or empty if nothing does
         * @throws DeviceException if the device fails
         */
        Optional<String> difference(Backend oracle);
    }

    private SelfCheck() {
        device = null;
        oracle = null;
        ledger = null;
    }

    SelfCheck(Device device, Backend oracle, Ledger ledger) {
        this.device = device;
        this.oracle = oracle;
        this.ledger = ledger;
        verdicts.putAll(ledger.read());
    }

    /** Returns the check for a device with this user's verdicts, unless {@link Switch#SELF_CHECK} is off. */
    static SelfCheck of(Device device, Backend oracle) {
        return Switch.SELF_CHECK.isOn()
                ? new SelfCheck(device, oracle, new Ledger(new PrivateFolder(CacheFolder.find()), LEDGER))
                : OFF;
    }

    boolean isOn() {
        return oracle != null;
    }

    /** Returns what is right, for whoever finds no program that is; only where this is on. */
    Backend oracle() {
        if (oracle == null) {
            throw new IllegalStateException("the self-check is off and has no oracle");
        }
        return oracle;
    }

    private static String key(Program program) {
        return program.cacheKey() + ' ' + Ledger.VERSION;
    }

    /** Tells whether a program need not be tried any more. */
    boolean hasVerdict(Program program) {
        return oracle == null || verdicts.containsKey(key(program));
    }

    /**
     * Tells whether a program computes right, trying it if nobody has.
     *
     * @param program what is to be used
     * @param kernel its name for a reader
     * @param trial computes with it
     * @throws DeviceException if there is no memory for the trial
     */
    boolean passes(Program program, String kernel, Trial trial) {
        Backend right = oracle;
        if (right == null) {
            return true;
        }
        String key = key(program);
        String known = verdicts.get(key);
        if (known == null) {
            // A trial that another thread began is waited for.
            synchronized (this) {
                known = verdicts.get(key);
                if (known == null) {
                    known = trial.difference(right).orElse(RIGHT);
                    verdicts.put(key, known);
                    fresh.put(key, known);
                }
            }
        }
        if (!known.equals(RIGHT)) {
            skipped(key, kernel, "computes wrong: " + known, program.describe());
        }
        return known.equals(RIGHT);
    }

    /**
     * Returns a program that has proved itself. One that has not is said once and, where it fails, not tried again.
     *
     * @param kernel its name for a reader
     * @param options what it is compiled with
     * @param compile makes the program, or finds it
     * @param trial computes with it
     * @return the program, or empty where another kernel is to take its place
     * @throws DeviceException if there is no memory, or if the program fails and this is off
     */
    Optional<Program> sound(
            String kernel,
            String options,
            Supplier<Program> compile,
            BiFunction<Program, Backend, Optional<String>> trial) {
        String key = kernel + options;
        if (verdicts.containsKey("said " + key)) {
            return Optional.empty();
        }
        try {
            Program program = compile.get();
            boolean passes = passes(program, kernel, right -> trial.apply(program, right));
            return passes ? Optional.of(program) : Optional.empty();
        } catch (DeviceException e) {
            if (!forgives(e)) {
                throw e;
            }
            skipped(key, kernel, "fails: " + e.getMessage(), options);
            return Optional.empty();
        }
    }

    /**
     * Tells whether another kernel may take the place of one that failed: not where the check is off, and not for want of
     * memory, which says nothing about the kernel.
     */
    boolean forgives(DeviceException failure) {
        return isOn() && !Shortage.isMemory(failure);
    }

    /** Says once that a kernel is not used, and why. */
    void skipped(String key, String kernel, String why, String program) {
        if (verdicts.put("said " + key, "") == null) {
            LOG.log(
                    System.Logger.Level.WARNING,
                    "tconv skips the kernel {0}, which {1} ({2}, device {3}, driver {4})",
                    kernel,
                    why,
                    program,
                    device,
                    device == null ? "" : device.info().driver());
            save();
        }
    }

    /** Brings new verdicts to the disk. */
    synchronized void save() {
        if (ledger != null && !fresh.isEmpty()) {
            ledger.update(entries -> entries.putAll(fresh));
            fresh.clear();
        }
    }
}
