package io.github.tconv.op;

/** How far an output is from its target: a mean over all elements. */
public enum Loss {
    /** The mean of {@code |output - target|}. */
    L1,
    /** The mean of {@code (output - target)^2}. */
    L2
}
