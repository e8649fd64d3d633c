package io.github.tconv.verify;

import io.github.tconv.op.Problem;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What came of one check of one problem.
 *
 * @param problem the problem
 * @param check what was computed
 * @param worst the largest error of an element on real data, as a part of its bound: at most 1 if all is well
 * @param failure what differs, where, what was expected and what was got, or null if nothing does
 */
public record Result(
        Problem problem,
        Check check,
        double worst,
        @Nullable String failure) {

    /**
     * Tells whether everything is as it must be.
     *
     * @return whether there is no failure
     */
    public boolean passed() {
        return failure == null;
    }

    /**
     * Says what differs.
     *
     * @return one line, or empty if nothing does
     */
    public Optional<String> message() {
        return Optional.ofNullable(failure);
    }
}
