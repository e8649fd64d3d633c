package io.github.tconv.lesson;

import io.github.tconv.lesson.Lesson.RoundTrip;
import io.github.tconv.op.Tensor;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** The words of the lesson, with what its steps compute set between them. */
public final class LessonPage {
    /** A name in braces; one that stands alone on its line lends its indent to every line of its value. */
    private static final Pattern PLACE = Pattern.compile("(?m)^( *)\\$\\{(\\w+)}$|\\$\\{(\\w+)}");

    private LessonPage() {}

    /**
     * Computes all steps and writes the lesson.
     *
     * @param lesson the steps
     * @param language the language of the words
     * @return the whole page, lines ended by {@code \n}
     */
    public static String write(Lesson lesson, Language language) {
        Map<String, String> values = values(lesson);
        return PLACE.matcher(text(language)).replaceAll(place -> Matcher.quoteReplacement(set(place, values)));
    }

    private static String set(MatchResult place, Map<String, String> values) {
        String name = place.group(2) == null ? place.group(3) : place.group(2);
        String value = Objects.requireNonNull(values.get(name), () -> "the lesson computes no " + name);
        return place.group(1) == null
                ? value
                : value.lines().map(place.group(1)::concat).collect(Collectors.joining("\n"));
    }

    static String text(Language language) {
        return resource("lesson_" + language.code() + ".txt");
    }

    static String resource(String name) {
        try (InputStream stream = LessonPage.class.getResourceAsStream(name)) {
            return new String(
                    Objects.requireNonNull(stream, () -> "no resource " + name).readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Everything a text may name. */
    static Map<String, String> values(Lesson lesson) {
        Map<String, String> values = new HashMap<>();
        values.put("device", lesson.device());

        matrix(values, "small", lesson.small());
        values.put("code", resource("basic_transposed_convolution.java.txt"));
        matrix(values, "byLoops", lesson.byLoops());
        for (int i = 0; i < lesson.small().elements(); i++) {
            matrix(values, "contribution" + i, lesson.contribution(i));
        }
        matrix(values, "asLayer", lesson.asLayer());
        values.put("smallShape", MatrixText.shape(lesson.small()));
        values.put("asLayerShape", MatrixText.shape(lesson.asLayer()));
        matrix(values, "withPadding", lesson.withPadding());
        matrix(values, "withStride", lesson.withStride());
        matrix(values, "zerosInserted", lesson.zerosInserted());
        matrix(values, "withZerosInserted", lesson.withZerosInserted());

        RoundTrip trip = lesson.roundTrip();
        values.put("beforeShape", MatrixText.shape(trip.before()));
        values.put("betweenShape", MatrixText.shape(trip.between()));
        values.put("afterShape", MatrixText.shape(trip.after()));
        values.put("beforeRow", MatrixText.firstRow(trip.before()));
        values.put("afterRow", MatrixText.firstRow(trip.after()));
        values.put("changed", Integer.toString(trip.changed()));
        values.put("elements", Integer.toString(trip.before().elements()));
        values.put("elementsBetween", Integer.toString(trip.between().elements()));
        for (int more = 0; more < 3; more++) {
            int[] sizes = lesson.sizes(trip.before().size(2) + more, more);
            values.put(
                    "sizes" + more,
                    Arrays.stream(sizes).mapToObj(Integer::toString).collect(Collectors.joining(" -> ")));
        }

        matrix(values, "image", lesson.image());
        matrix(values, "kernel", lesson.kernel());
        matrix(values, "convolution", lesson.convolution());
        matrix(values, "convolutionMatrix", lesson.convolutionMatrix());
        matrix(values, "matrixTimesImage", lesson.matrixTimesImage());
        matrix(values, "transposedMatrix", lesson.transposedMatrix());
        matrix(values, "transposedMatrixTimesOutput", lesson.transposedMatrixTimesOutput());
        matrix(values, "transposedOfOutput", lesson.transposedOfOutput());
        values.put("productOfOutputs", MatrixText.number(lesson.productOfOutputs()));
        values.put("productOfImages", MatrixText.number(lesson.productOfImages()));
        return values;
    }

    private static void matrix(Map<String, String> values, String name, Tensor tensor) {
        values.put(name, MatrixText.of(tensor));
    }
}
