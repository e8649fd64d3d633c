package io.github.tconv.lesson;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** The languages of the lesson. */
public enum Language {
    /** English. */
    EN,
    /** Chinese. */
    ZH;

    /**
     * Finds a language by its two-letter code.
     *
     * @param code the code of ISO 639-1, in any case
     * @return the language
     * @throws IllegalArgumentException if the lesson is not in that language
     */
    public static Language of(String code) {
        return Arrays.stream(values())
                .filter(language -> language.code().equals(code.strip().toLowerCase(Locale.ROOT)))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("language must be one of "
                        + Arrays.stream(values()).map(Language::code).collect(Collectors.joining(", ")) + ": " + code));
    }

    /**
     * Returns the code of the language.
     *
     * @return its two letters
     */
    public String code() {
        return name().toLowerCase(Locale.ROOT);
    }
}
