package io.github.tconv.opencl;

/**
 * How calls were launched whose layers lived for one call only, so that the next of their kind asks for nothing again.
 * Of one direction of one backend, whose rule and self-check are always the same. Thread-safe.
 */
final class Launches {
    private final Remembered<Launch> withBias = new Remembered<>();
    private final Remembered<Launch> withoutBias = new Remembered<>();

    Remembered<Launch> of(boolean hasBias) {
        return hasBias ? withBias : withoutBias;
    }
}
