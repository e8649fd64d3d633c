package io.github.tconv.op;

import java.nio.charset.StandardCharsets;

/** A target of {@code .github/fuzz.sh} and of {@code FuzzTest}: a descriptor parses back, or is refused with its rule. */
public final class DescriptorFuzz {
    private DescriptorFuzz() {}

    /** Reads a problem, and what the problem says it is. */
    public static void fuzzerTestOneInput(byte[] content) {
        try {
            Problem problem = Problem.parse(new String(content, StandardCharsets.UTF_8));
            if (!Problem.parse(problem.toString()).equals(problem)) {
                throw new IllegalStateException("it does not parse back: " + problem);
            }
        } catch (IllegalArgumentException e) {
            if (e instanceof NumberFormatException || e.getMessage() == null) {
                throw new IllegalStateException("no rule is said", e);
            }
        }
    }
}
