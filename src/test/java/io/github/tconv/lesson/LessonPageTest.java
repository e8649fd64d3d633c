package io.github.tconv.lesson;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.Engine;
import io.github.tconv.Tconv;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

final class LessonPageTest {
    private static final Pattern PLACE = Pattern.compile("\\$\\{(\\w+)}");

    private static List<String> places(Language language) {
        return PLACE.matcher(LessonPage.text(language))
                .results()
                .map(place -> place.group(1))
                .toList();
    }

    private static String page(Language language) {
        try (Engine engine = Tconv.open("reference")) {
            return LessonPage.write(new Lesson(engine), language);
        }
    }

    @ParameterizedTest
    @EnumSource
    void showsEverythingThatIsComputed(Language language) {
        try (Engine engine = Tconv.open("reference")) {
            Set<String> computed =
                    new TreeSet<>(LessonPage.values(new Lesson(engine)).keySet());
            assertEquals(computed, new TreeSet<>(places(language)));
            assertEquals(computed.size(), places(language).size(), "each is shown once");
        }
    }

    @ParameterizedTest
    @EnumSource
    void hasTheSameSectionsInEveryLanguage(Language language) {
        Pattern heading = Pattern.compile("(?m)^(\\d\\..*)\n-+$");
        assertEquals(8, heading.matcher(LessonPage.text(language)).results().count());
    }

    @ParameterizedTest
    @EnumSource
    void leavesNoPlaceUnset(Language language) {
        assertFalse(page(language).contains("${"));
    }

    @ParameterizedTest
    @EnumSource
    void printsTheMatrices(Language language) {
        String page = page(language);
        for (String matrix : List.of(
                "0 1\n2 3",
                " 0  0  1\n 0  4  6\n 4 12  9",
                "4",
                "0 0 0 1\n0 0 2 3\n0 2 0 3\n4 6 6 9",
                "0 1 2\n3 4 5\n6 7 8",
                "1 2\n3 4",
                "27 37\n57 67",
                "1 2 0 3 4 0 0 0 0\n0 1 2 0 3 4 0 0 0\n0 0 0 1 2 0 3 4 0\n0 0 0 0 1 2 0 3 4",
                " 27  91  74\n138 400 282\n171 429 268")) {
            String block = matrix.lines().map("    "::concat).collect(Collectors.joining("\n", "\n", "\n"));
            assertTrue(page.contains(block), () -> "no\n" + block + "\nin\n" + page);
        }
        for (String fact : List.of("(1, 10, 16, 16)", "(1, 20, 6, 6)", "18 -> 6 -> 18", "9836 = 9836")) {
            assertTrue(page.contains(fact), fact);
        }
    }

    @Test
    void chineseIsReadAsUtf8() {
        assertTrue(page(Language.ZH).startsWith("\u4e00\u6b65\u4e00\u6b65\u770b\u61c2\u8f6c\u7f6e\u5377\u79ef\n"));
    }

    @Test
    void theCodeShownIsTheCodeThatRuns() throws IOException {
        String source =
                Files.readString(Path.of("src/main/java/io/github/tconv/lesson/BasicTransposedConvolution.java"));
        String shown = LessonPage.resource("basic_transposed_convolution.java.txt")
                .lines()
                .map(line -> "    " + line + "\n")
                .collect(Collectors.joining());
        assertTrue(source.contains(shown), shown);
    }

    @Test
    void anUnknownLanguageIsRefusedWithTheChoice() {
        var refusal = assertThrows(IllegalArgumentException.class, () -> Language.of("tlh"));
        assertEquals("language must be one of en, zh: tlh", refusal.getMessage());
    }
}
