package io.github.tconv.opencl;

import io.github.tconv.op.Problem;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** What was decided for the problems that came so far. Forgets everything when there are many. Thread-safe. */
final class Remembered<T> {
    private static final int MANY = 1000;

    private final Map<Problem, T> decisions = new ConcurrentHashMap<>();

    /** Returns the decision for a problem, making it if there is none. */
    T get(Problem problem, Supplier<T> decide) {
        T known = get(problem);
        if (known == null) {
            known = decide.get();
            put(problem, known);
        }
        return known;
    }

    /** Returns the decision for a problem, or null if there is none. */
    @Nullable
    T get(Problem problem) {
        return decisions.get(problem);
    }

    /** Remembers a decision. */
    void put(Problem problem, T decision) {
        if (decisions.size() >= MANY) {
            decisions.clear();
        }
        decisions.put(problem, decision);
    }
}
