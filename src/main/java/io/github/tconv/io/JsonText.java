package io.github.tconv.io;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;

/**
 * A cursor over JSON (RFC 8259) whose structure the caller knows beforehand: strings, whole numbers, arrays of them, and
 * objects with each key once. What the caller does not ask for is refused where it stands, so nothing can nest deeper
 * than the caller does. The message of every {@link IllegalArgumentException} says the rule and what is there.
 */
final class JsonText {
    private static final int SHOWN = 40;

    private final String text;
    private int at;

    JsonText(String text) {
        this.text = text;
    }

    /** Reads an object; {@code value} is told each key, and reads its value. */
    void object(Consumer<String> value) {
        expect('{');
        if (takes('}')) {
            return;
        }
        Set<String> keys = new HashSet<>();
        do {
            String key = string();
            if (!keys.add(key)) {
                throw new IllegalArgumentException("a key must stand once in its object: " + quoted(key));
            }
            expect(':');
            value.accept(key);
        } while (takes(','));
        expect('}');
    }

    /** Reads an array of whole numbers of at least 0. */
    List<Long> numbers(int most) {
        List<Long> numbers = new ArrayList<>();
        expect('[');
        if (takes(']')) {
            return numbers;
        }
        do {
            if (numbers.size() == most) {
                throw new IllegalArgumentException("an array must have at most %d numbers: %s".formatted(most, rest()));
            }
            numbers.add(number());
        } while (takes(','));
        expect(']');
        return numbers;
    }

    private long number() {
        skipBlanks();
        int first = at;
        while (at < text.length() && isDigit(text.charAt(at))) {
            at++;
        }
        boolean more = at < text.length() && "+-.eE".indexOf(text.charAt(at)) >= 0;
        if (at == first || more || (text.charAt(first) == '0' && at > first + 1)) {
            at = first;
            throw unexpected("a whole number of at least 0");
        }
        try {
            return Long.parseLong(text, first, at, 10);
        } catch (NumberFormatException e) {
            at = first;
            throw new IllegalArgumentException("a number must be below 2^63: " + rest(), e);
        }
    }

    String string() {
        expect('"');
        StringBuilder value = new StringBuilder();
        while (true) {
            char c = next();
            if (c == '"') {
                break;
            }
            if (c < ' ') {
                throw new IllegalArgumentException(
                        "a string must not hold control characters: \\u%04x".formatted((int) c));
            }
            value.append(c == '\\' ? escaped() : c);
        }
        // A half of a surrogate pair is no character, and could not be written again.
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            boolean pair = Character.isHighSurrogate(c)
                    && i + 1 < value.length()
                    && Character.isLowSurrogate(value.charAt(i + 1));
            if (pair) {
                i++;
            } else if (Character.isSurrogate(c)) {
                throw new IllegalArgumentException(
                        "a string must not hold half a surrogate pair: \\u%04x".formatted((int) c));
            }
        }
        return value.toString();
    }

    private char escaped() {
        char c = next();
        return switch (c) {
            case '"', '\\', '/' -> c;
            case 'b' -> '\b';
            case 'f' -> '\f';
            case 'n' -> '\n';
            case 'r' -> '\r';
            case 't' -> '\t';
            case 'u' -> hexadecimal();
            default -> throw new IllegalArgumentException("an escape must be one of JSON's: \\" + quoted("" + c));
        };
    }

    private char hexadecimal() {
        int value = 0;
        for (int i = 0; i < 4; i++) {
            char c = next();
            int digit = c < 128 ? Character.digit(c, 16) : -1;
            if (digit < 0) {
                throw new IllegalArgumentException(
                        "\\u must be followed by four hexadecimal digits: " + quoted("" + c));
            }
            value = 16 * value + digit;
        }
        return (char) value;
    }

    /** Sees that nothing but blanks is left. */
    void end() {
        skipBlanks();
        if (at < text.length()) {
            throw unexpected("the end");
        }
    }

    private boolean takes(char wanted) {
        skipBlanks();
        boolean there = at < text.length() && text.charAt(at) == wanted;
        at += there ? 1 : 0;
        return there;
    }

    private void expect(char wanted) {
        if (!takes(wanted)) {
            throw unexpected("'" + wanted + "'");
        }
    }

    private char next() {
        if (at == text.length()) {
            throw new IllegalArgumentException("a string must be ended by '\"': it goes to the end");
        }
        return text.charAt(at++);
    }

    private void skipBlanks() {
        while (at < text.length() && " \t\n\r".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private static boolean isDigit(char c) {
        return c >= '0' && c <= '9';
    }

    private IllegalArgumentException unexpected(String wanted) {
        return new IllegalArgumentException("there must be %s at character %d: %s".formatted(wanted, at, rest()));
    }

    private String rest() {
        return at == text.length() ? "the end" : quoted(text.substring(at, Math.min(text.length(), at + SHOWN + 1)));
    }

    /** Writes a string as JSON. What a message shows, long strings cut, is written the same way. */
    static String write(String value) {
        StringBuilder json = new StringBuilder("\"");
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            if (c == '"' || c == '\\') {
                json.append('\\').append(c);
            } else if (c < ' ') {
                json.append("\\u%04x".formatted((int) c));
            } else {
                json.append(c);
            }
        }
        return json.append('"').toString();
    }

    static String quoted(String value) {
        return value.length() <= SHOWN ? write(value) : write(value.substring(0, SHOWN)) + "...";
    }
}
