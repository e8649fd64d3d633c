package io.github.tconv.opencl;

import io.github.tconv.op.Problem;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;

/** What was decided for the problems that came so far. Forgets everything when there are many. Thread-safe. */
final class Remembered<T> {
    private static final int MANY = 1000;

    private final Map<Problem, T> decisions = new ConcurrentHashMap<>();

    /** Returns the decision for a problem, making it if there is none. */
    T get(Problem problem, Supplier<T> decide) {
        T known = decisions.get(problem);
        if (known == null) {
            known = decide.get();
            if (decisions.size() >= MANY) {
                decisions.clear();
            }
            decisions.put(problem, known);
        }
        return known;
    }
}
