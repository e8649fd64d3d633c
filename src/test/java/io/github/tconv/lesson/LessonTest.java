package io.github.tconv.lesson;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.Engine;
import io.github.tconv.EnginesPresent;
import io.github.tconv.Tconv;
import io.github.tconv.lesson.Lesson.RoundTrip;
import io.github.tconv.op.Tensor;
import java.util.Arrays;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** The steps, on plain Java and on every OpenCL device, against values worked out by hand. */
final class LessonTest {

    private static Stream<DynamicTest> onEveryDevice(Consumer<Lesson> test) {
        return EnginesPresent.names().stream()
                .map(device -> DynamicTest.dynamicTest("on device " + device, () -> {
                    try (Engine engine = Tconv.open(device)) {
                        test.accept(new Lesson(engine));
                    }
                }));
    }

    private static void assertShows(Tensor actual, float[]... rows) {
        assertEquals(rows.length, actual.elements() / rows[0].length, "rows");
        assertEquals(rows[0].length, actual.size(actual.rank() - 1), "columns");
        float[] values = actual.toArray();
        for (int row = 0; row < rows.length; row++) {
            float[] shown = Arrays.copyOfRange(values, row * rows[0].length, (row + 1) * rows[0].length);
            assertArrayEquals(rows[row], shown, "row " + row);
        }
    }

    private static float[] row(float... values) {
        return values;
    }

    @TestFactory
    Stream<DynamicTest> loopsAndLayerMakeTheSameThreeByThree() {
        return onEveryDevice(lesson -> {
            assertShows(lesson.small(), row(0, 1), row(2, 3));
            assertShows(lesson.byLoops(), row(0, 0, 1), row(0, 4, 6), row(4, 12, 9));
            assertShows(lesson.asLayer(), row(0, 0, 1), row(0, 4, 6), row(4, 12, 9));
            assertArrayEquals(new int[] {1, 1, 3, 3}, lesson.asLayer().shape());
        });
    }

    @TestFactory
    Stream<DynamicTest> contributionsAreTheShiftedKernels() {
        return onEveryDevice(lesson -> {
            assertShows(lesson.contribution(0), row(0, 0, 0), row(0, 0, 0), row(0, 0, 0));
            assertShows(lesson.contribution(1), row(0, 0, 1), row(0, 2, 3), row(0, 0, 0));
            assertShows(lesson.contribution(2), row(0, 0, 0), row(0, 2, 0), row(4, 6, 0));
            assertShows(lesson.contribution(3), row(0, 0, 0), row(0, 0, 3), row(0, 6, 9));
        });
    }

    @TestFactory
    Stream<DynamicTest> paddingLeavesTheCentre() {
        return onEveryDevice(lesson -> assertShows(lesson.withPadding(), row(4)));
    }

    @TestFactory
    Stream<DynamicTest> strideKeepsTheKernelsApart() {
        return onEveryDevice(lesson -> {
            float[][] spread = {row(0, 0, 0, 1), row(0, 0, 2, 3), row(0, 2, 0, 3), row(4, 6, 6, 9)};
            assertShows(lesson.withStride(), spread);
            assertShows(lesson.zerosInserted(), row(0, 0, 1), row(0, 0, 0), row(2, 0, 3));
            assertShows(lesson.withZerosInserted(), spread);
        });
    }

    @TestFactory
    Stream<DynamicTest> roundTripBringsTheShapeBackAndNotTheValues() {
        return onEveryDevice(lesson -> {
            RoundTrip trip = lesson.roundTrip();
            assertArrayEquals(new int[] {1, 10, 16, 16}, trip.before().shape());
            assertArrayEquals(new int[] {1, 20, 6, 6}, trip.between().shape());
            assertArrayEquals(new int[] {1, 10, 16, 16}, trip.after().shape());
            assertTrue(trip.changed() > trip.before().elements() / 2, () -> trip.changed() + " values changed");
        });
    }

    @TestFactory
    Stream<DynamicTest> roundTripIsTheSameOnEveryDevice() {
        return onEveryDevice(lesson -> {
            try (Engine reference = Tconv.open("reference")) {
                RoundTrip expected = new Lesson(reference).roundTrip();
                RoundTrip actual = lesson.roundTrip();
                assertArrayEquals(expected.between().toArray(), actual.between().toArray());
                assertArrayEquals(expected.after().toArray(), actual.after().toArray());
            }
        });
    }

    @TestFactory
    Stream<DynamicTest> outputPaddingTellsSizesApartThatTheConvolutionDoesNot() {
        return onEveryDevice(lesson -> {
            assertArrayEquals(new int[] {16, 6, 16}, lesson.sizes(16, 0));
            assertArrayEquals(new int[] {17, 6, 17}, lesson.sizes(17, 1));
            assertArrayEquals(new int[] {18, 6, 18}, lesson.sizes(18, 2));
        });
    }

    @TestFactory
    Stream<DynamicTest> convolutionIsAProductWithItsMatrix() {
        return onEveryDevice(lesson -> {
            assertShows(lesson.image(), row(0, 1, 2), row(3, 4, 5), row(6, 7, 8));
            assertShows(lesson.kernel(), row(1, 2), row(3, 4));
            assertShows(lesson.convolution(), row(27, 37), row(57, 67));
            assertShows(
                    lesson.convolutionMatrix(),
                    row(1, 2, 0, 3, 4, 0, 0, 0, 0),
                    row(0, 1, 2, 0, 3, 4, 0, 0, 0),
                    row(0, 0, 0, 1, 2, 0, 3, 4, 0),
                    row(0, 0, 0, 0, 1, 2, 0, 3, 4));
            assertShows(lesson.matrixTimesImage(), row(27), row(37), row(57), row(67));
        });
    }

    @TestFactory
    Stream<DynamicTest> transposedConvolutionIsAProductWithTheTransposedMatrix() {
        return onEveryDevice(lesson -> {
            assertShows(
                    lesson.transposedMatrix(),
                    row(1, 0, 0, 0),
                    row(2, 1, 0, 0),
                    row(0, 2, 0, 0),
                    row(3, 0, 1, 0),
                    row(4, 3, 2, 1),
                    row(0, 4, 0, 2),
                    row(0, 0, 3, 0),
                    row(0, 0, 4, 3),
                    row(0, 0, 0, 4));
            assertShows(lesson.transposedOfOutput(), row(27, 91, 74), row(138, 400, 282), row(171, 429, 268));
            assertArrayEquals(
                    lesson.transposedOfOutput().toArray(),
                    lesson.transposedMatrixTimesOutput().toArray());
        });
    }

    @TestFactory
    Stream<DynamicTest> theMatrixMayChangeSidesInAProduct() {
        return onEveryDevice(lesson -> {
            assertEquals(27 * 27 + 37 * 37 + 57 * 57 + 67 * 67, lesson.productOfOutputs());
            assertEquals(lesson.productOfOutputs(), lesson.productOfImages());
        });
    }
}
