package io.github.tconv.opencl;

import java.util.List;
import java.util.Locale;

/** What a user can switch off: by an environment variable, or by a system property, which has the last word. */
enum Switch {
    /** Tuned choices. */
    TUNING("TCONV_TUNING", "tconv.tuning"),
    /** The trial of every program before it computes for a caller. */
    SELF_CHECK("TCONV_SELF_CHECK", "tconv.selfCheck"),
    /** Products that are rounded together with the sum to which they are added. */
    CONTRACTION("TCONV_CONTRACTION", "tconv.contraction"),
    /** Compiled programs on disk. */
    PROGRAM_CACHE("TCONV_PROGRAM_CACHE", "tconv.programCache");

    private static final List<String> OFF = List.of("off", "false", "no", "0");

    private final String variable;
    private final String property;

    Switch(String variable, String property) {
        this.variable = variable;
        this.property = property;
    }

    boolean isOn() {
        String said = System.getProperty(property, System.getenv(variable));
        return said == null || !OFF.contains(said.strip().toLowerCase(Locale.ROOT));
    }
}
