package io.github.tconv.cli;

import java.util.Arrays;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Whole numbers separated by commas, as an option takes them: for instance {@code 2} or {@code -1,0,2,1}. */
final class Numbers {
    private static final Pattern WHOLE = Pattern.compile("[+-]?\\d+");

    private final int[] values;

    private Numbers(int... values) {
        this.values = values;
    }

    /** Returns the numbers as they were given. */
    int[] toArray() {
        return values.clone();
    }

    /** Returns one number an axis: those given, or the only one for all axes. How many there are, others check. */
    int[] forAxes(int rank) {
        if (values.length != 1) {
            return toArray();
        }
        int[] all = new int[rank];
        Arrays.fill(all, values[0]);
        return all;
    }

    @Override
    public String toString() {
        return Arrays.toString(values);
    }

    /** Reads the numbers for picocli. */
    static final class Converter implements ITypeConverter<Numbers> {
        @Override
        public Numbers convert(String text) {
            return new Numbers(Arrays.stream(text.split(",", -1))
                    .mapToInt(part -> number(part.strip(), text))
                    .toArray());
        }

        private static int number(String part, String text) {
            if (!WHOLE.matcher(part).matches()) {
                throw new TypeConversionException("must be whole numbers separated by commas: '" + text + "'");
            }
            try {
                return Integer.parseInt(part);
            } catch (NumberFormatException e) {
                throw new TypeConversionException(
                        "must be between %d and %d: %s".formatted(Integer.MIN_VALUE, Integer.MAX_VALUE, part));
            }
        }
    }
}
