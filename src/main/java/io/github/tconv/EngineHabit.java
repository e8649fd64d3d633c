package io.github.tconv;

/** What an engine does by itself, and can be told to leave: {@link Tconv#open(String, java.util.Set)}. */
public enum EngineHabit {
    /**
     * Before a program computes for a caller for the first time on a machine, it computes a small problem of its layer,
     * which is compared with plain Java. One that is wrong is skipped, with a warning. The environment variable
     * {@code TCONV_SELF_CHECK=off} and the system property {@code tconv.selfCheck=off} switch it off for all engines.
     */
    SELF_CHECK,
    /**
     * A layer that was measured with {@code tconv tune} is computed by the kernel that was fastest there. The environment
     * variable {@code TCONV_TUNING=off} and the system property {@code tconv.tuning=off} switch it off for all engines.
     */
    TUNING,
    /**
     * A product and the sum to which it is added are rounded once where the device has an instruction for both: the fastest,
     * and the most exact. Without it each is rounded, so that a kernel may give the same bits on devices of different kinds;
     * an engine over several kinds never has it. The environment variable {@code TCONV_CONTRACTION=off} and the system
     * property {@code tconv.contraction=off} switch it off for all engines.
     */
    CONTRACTION
}
