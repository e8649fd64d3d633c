package io.github.tconv.cli;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** What {@code run} computes, by the name that {@code --op} takes, with the options that belong to it alone. */
enum Operation {
    FORWARD("--input --weight", "--bias --auto-pad --output-shape --output-size"),
    CONVOLUTION("--input --weight", "--bias"),
    INPUT_GRADIENT("--grad --weight", "--auto-pad"),
    WEIGHT_GRADIENT("--input --grad --kernel", "--auto-pad"),
    BIAS_GRADIENT("--grad", "--auto-pad");

    private final String required;
    private final String optional;

    Operation(String required, String optional) {
        this.required = required;
        this.optional = optional;
    }

    /**
     * Checks which options were given.
     *
     * @param given the options given, of which those that no operation has for itself are not looked at
     * @throws IllegalArgumentException if one is missing or belongs to another operation
     */
    void check(List<String> given) {
        for (String option : words(required)) {
            if (!given.contains(option)) {
                throw new IllegalArgumentException("operation %s needs %s: %s is missing"
                        .formatted(this, String.join(" and ", words(required)), option));
            }
        }
        for (String option : given) {
            boolean special = Arrays.stream(values()).anyMatch(operation -> operation.takes(option));
            if (special && !takes(option)) {
                throw new IllegalArgumentException("%s is an option of %s only: %s"
                        .formatted(
                                option,
                                Arrays.stream(values())
                                        .filter(operation -> operation.takes(option))
                                        .map(Operation::toString)
                                        .collect(Collectors.joining(", ")),
                                this));
            }
        }
    }

    private boolean takes(String option) {
        return words(required).contains(option) || words(optional).contains(option);
    }

    private static List<String> words(String text) {
        return List.of(text.split(" ", -1));
    }

    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /** Reads the name for picocli. */
    static final class Converter implements ITypeConverter<Operation> {
        @Override
        public Operation convert(String name) {
            return Arrays.stream(values())
                    .filter(operation -> operation.toString().equals(name))
                    .findFirst()
                    .orElseThrow(() -> new TypeConversionException("operation must be one of %s: '%s'"
                            .formatted(
                                    Arrays.stream(values())
                                            .map(Operation::toString)
                                            .collect(Collectors.joining(", ")),
                                    name)));
        }
    }
}
