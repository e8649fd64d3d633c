package io.github.tconv.picture;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.Engine;
import io.github.tconv.EnginesPresent;
import io.github.tconv.Tconv;
import io.github.tconv.io.Picture;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

final class UpscalerTest {
    private static final int[] SCALES = {1, 2, 3, 4, 5};
    private static final int[] MAXIMA = {255, 65_535};

    /** Rounding of float. */
    private static final double U = 0x1p-24;

    private static SamplePicture upscale(Picture picture, Filter filter, int scale) {
        return upscale("reference", picture, filter, scale, Strips.TILE_ELEMENTS);
    }

    private static SamplePicture upscale(String device, Picture picture, Filter filter, int scale, int tileElements) {
        try (Engine engine = Tconv.open(device);
                Upscaler upscaler = new Upscaler(engine, filter, scale)) {
            return SamplePicture.copyOf(upscaler.upscale(picture, tileElements));
        }
    }

    static Stream<String> devices() {
        return EnginesPresent.names().stream();
    }

    @ParameterizedTest
    @EnumSource
    void everyPixelIsTheInterpolationByDefinition(Filter filter) {
        for (int scale : SCALES) {
            for (int channels = 1; channels <= 4; channels++) {
                for (int maximum : MAXIMA) {
                    SamplePicture picture = SamplePicture.random(7, 5, channels, maximum, 31L * scale + channels);
                    assertInterpolates(picture, filter, scale, upscale(picture, filter, scale));
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("devices")
    void everyDeviceInterpolates(String device) {
        SamplePicture picture = SamplePicture.random(7, 5, 4, 65_535, 99);
        assertInterpolates(picture, Filter.LANCZOS, 3, upscale(device, picture, Filter.LANCZOS, 3, 1 << 20));
    }

    private static void assertInterpolates(SamplePicture picture, Filter filter, int scale, SamplePicture actual) {
        assertEquals(picture.width() * scale, actual.width());
        assertEquals(picture.height() * scale, actual.height());
        assertEquals(picture.channels(), actual.channels());
        assertEquals(picture.maximum(), actual.maximum());
        Interpolation exact = new Interpolation(picture, filter, scale);
        // 36 terms, each of an input and a weight rounded once, added one after another: gamma of 36 + 2 + 1.
        double gamma = 39 * U / (1 - 39 * U);
        int alpha = picture.channels() - 1;
        for (int y = 0; y < actual.height(); y++) {
            for (int x = 0; x < actual.width(); x++) {
                Interpolation.Sum opacity = exact.at(x, y, alpha);
                double opacityError = gamma * opacity.magnitude();
                for (int c = 0; c < picture.channels(); c++) {
                    Interpolation.Sum sum = exact.at(x, y, c);
                    double value = sum.value();
                    double error = gamma * sum.magnitude();
                    if (picture.hasAlpha() && c != alpha) {
                        if (opacity.value() - opacityError < 0.5) {
                            // At the edge of transparent, or so: black if it is, and a ratio of next to nothing if not.
                            assertTrue(opacity.value() + opacityError >= 0.5 || actual.at(x, y, c) == 0);
                            continue;
                        }
                        value = sum.value() / opacity.value() * picture.maximum();
                        error = (error * picture.maximum() + Math.abs(value) * opacityError)
                                / (opacity.value() - opacityError);
                    }
                    int lowest = round(value - error, picture.maximum());
                    int highest = round(value + error, picture.maximum());
                    int found = actual.at(x, y, c);
                    String place = "%s x%d at (%d, %d) channel %d: %d for %s of %s"
                            .formatted(filter, scale, x, y, c, found, value, picture);
                    assertTrue(lowest <= found && found <= highest, place);
                }
            }
        }
    }

    private static int round(double value, int maximum) {
        return (int) Math.max(0, Math.min(maximum, Math.floor(value + 0.5)));
    }

    @ParameterizedTest
    @EnumSource
    void constantPictureStaysConstant(Filter filter) {
        for (int scale : SCALES) {
            for (int channels = 1; channels <= 4; channels++) {
                for (int maximum : MAXIMA) {
                    for (int value : new int[] {1, maximum / 3, maximum}) {
                        SamplePicture small = SamplePicture.filled(4, 3, channels, maximum, () -> value);
                        SamplePicture large =
                                SamplePicture.filled(4 * scale, 3 * scale, channels, maximum, () -> value);
                        assertEquals(large, upscale(small, filter, scale), filter + " x" + scale);
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void constantColorStaysConstantUnderAnyAlpha(Filter filter) {
        for (int maximum : MAXIMA) {
            SamplePicture picture = SamplePicture.random(9, 6, 2, maximum, 5);
            int color = maximum / 5;
            for (int i = 0; i < picture.samples().length; i += 2) {
                picture.samples()[i] = color;
                picture.samples()[i + 1] = Math.max(maximum / 4, picture.samples()[i + 1]);
            }
            SamplePicture large = upscale(picture, filter, 4);
            for (int i = 0; i < large.samples().length; i += 2) {
                // Lanczos makes some transparent beside the opaque, and those have no colour.
                assertEquals(large.samples()[i + 1] == 0 ? 0 : color, large.samples()[i]);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void scaleOneChangesNothing(Filter filter) {
        for (int channels = 1; channels <= 4; channels++) {
            for (int maximum : MAXIMA) {
                SamplePicture picture = SamplePicture.random(6, 11, channels, maximum, channels);
                if (picture.hasAlpha()) {
                    // A colour that nobody can see is the one thing that is lost.
                    for (int i = channels - 1; i < picture.samples().length; i += channels) {
                        picture.samples()[i] = Math.max(1, picture.samples()[i]);
                    }
                }
                assertEquals(picture, upscale(picture, filter, 1));
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void anyTilesGiveTheSameBits(Filter filter) {
        SamplePicture picture = SamplePicture.random(13, 11, 4, 65_535, 8);
        SamplePicture whole = upscale(picture, filter, 3);
        int pixel = 3 * 3 * 4;
        // One pixel, five columns (which do not divide 13), one row, two rows, seven rows (which do not divide 11).
        for (int tileElements : new int[] {1, 5 * pixel, 13 * pixel, 2 * 13 * pixel, 7 * 13 * pixel}) {
            assertEquals(whole, upscale("reference", picture, filter, 3, tileElements), "tiles of " + tileElements);
        }
    }

    @Test
    void linearRampStaysLinearAwayFromTheEdge() {
        // Half of 120 is divisible by every scale here, so that there is nothing to round.
        for (Filter filter : new Filter[] {Filter.BILINEAR, Filter.BICUBIC}) {
            for (int scale : SCALES) {
                SamplePicture ramp = SamplePicture.filled(20, 3, 1, 65_535, () -> 0);
                for (int i = 0; i < ramp.samples().length; i++) {
                    ramp.samples()[i] = 1000 + 120 * (i % 20);
                }
                SamplePicture large = upscale(ramp, filter, scale);
                for (int x = 2 * scale; x < 18 * scale; x++) {
                    assertEquals(1000 + (120 * x + 60) / scale - 60, large.at(x, 0, 0), filter + " x" + scale);
                }
            }
        }
    }

    @Test
    void nearestRepeatsPixels() {
        SamplePicture picture = SamplePicture.random(5, 4, 3, 255, 1);
        SamplePicture large = upscale(picture, Filter.NEAREST, 64);
        for (int y = 0; y < large.height(); y++) {
            for (int x = 0; x < large.width(); x++) {
                assertEquals(picture.at(x / 64, y / 64, 1), large.at(x, y, 1));
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void mirroredPictureGivesTheMirroredResult(Filter filter) {
        // Nothing is shifted. 8 bits, where a tie between two samples is the only way for rounding to differ.
        SamplePicture picture = SamplePicture.random(9, 1, 1, 255, 3);
        SamplePicture mirrored = SamplePicture.filled(9, 1, 1, 255, () -> 0);
        for (int x = 0; x < 9; x++) {
            mirrored.samples()[x] = picture.samples()[8 - x];
        }
        for (int scale : new int[] {3, 4}) {
            SamplePicture large = upscale(picture, filter, scale);
            SamplePicture other = upscale(mirrored, filter, scale);
            for (int x = 0; x < large.width(); x++) {
                assertEquals(large.at(x, 0, 0), other.at(large.width() - 1 - x, 0, 0));
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void whatIsUnderTransparentPixelsDoesNotBleed(Filter filter) {
        // Transparent green beside opaque red.
        int[] samples = {0, 255, 0, 0, 255, 0, 0, 255, 0, 255, 0, 0, 255, 0, 0, 255};
        SamplePicture large = upscale(new SamplePicture(4, 1, 4, 255, samples), filter, 4);
        for (int x = 0; x < large.width(); x++) {
            boolean visible = large.at(x, 0, 3) > 0;
            assertEquals(visible ? 255 : 0, large.at(x, 0, 0), "red at " + x);
            assertEquals(0, large.at(x, 0, 1), "green at " + x);
        }
    }

    @Test
    void rowsMayBeReadInAnyOrder() {
        SamplePicture picture = SamplePicture.random(5, 6, 1, 255, 2);
        try (Engine engine = Tconv.open("reference");
                Upscaler upscaler = new Upscaler(engine, Filter.BICUBIC, 2)) {
            Picture large = upscaler.upscale(picture, /* tileElements= */ 1);
            SamplePicture whole = SamplePicture.copyOf(large);
            int[] row = new int[large.width()];
            // Back, onwards, and away from what is computed ahead. Strips are of one input row, two of the result's.
            for (int y : new int[] {11, 10, 8, 5, 2, 0, 2, 4, 9, 0, 1, 2, 8, 0, 6, 8, 10}) {
                large.row(y, row);
                assertEquals(whole.at(3, y, 0), row[3], "row " + y);
            }
        }
    }

    @Test
    void readsEveryRowOfTheSourceOnceAndInTheReadersThread() {
        SamplePicture picture = SamplePicture.random(5, 9, 3, 255, 2);
        List<Integer> read = new ArrayList<>();
        Set<Thread> readers = new HashSet<>();
        Picture counted = new Picture() {
            @Override
            public int width() {
                return picture.width();
            }

            @Override
            public int height() {
                return picture.height();
            }

            @Override
            public int channels() {
                return picture.channels();
            }

            @Override
            public int maximum() {
                return picture.maximum();
            }

            @Override
            public void row(int y, int[] samples) {
                read.add(y);
                readers.add(Thread.currentThread());
                picture.row(y, samples);
            }
        };
        int row = 5 * 2 * 2 * 3;
        // Strips of one row in three tiles, of two rows, of the whole picture and more.
        for (int tileElements : new int[] {row / 2, 2 * row, 100 * row}) {
            read.clear();
            upscale("reference", counted, Filter.LANCZOS, 2, tileElements);
            assertEquals(IntStream.range(0, 9).boxed().toList(), read, "tiles of " + tileElements);
        }
        assertEquals(Set.of(Thread.currentThread()), readers);
    }

    @Test
    void refusesAResultTooLargeForJava() {
        Picture wide = new SamplePicture(40_000_000, 1, 1, 255, new int[0]);
        assertEquals(
                "output width must be at most 2147483647: 2560000000",
                assertThrows(IllegalArgumentException.class, () -> upscale(wide, Filter.NEAREST, 64))
                        .getMessage());
        Picture rather = new SamplePicture(4_000_000, 1, 1, 255, new int[0]);
        assertEquals(
                "output samples of one input row must be at most 2147483647: 4000000 * 64 * 64 * 1",
                assertThrows(IllegalArgumentException.class, () -> upscale(rather, Filter.NEAREST, 64))
                        .getMessage());
    }

    @Test
    void refusesToComputeAfterClose() {
        try (Engine engine = Tconv.open("reference")) {
            Upscaler upscaler = new Upscaler(engine, Filter.BICUBIC, 2);
            Picture large = upscaler.upscale(SamplePicture.random(3, 3, 1, 255, 1));
            upscaler.close();
            assertThrows(IllegalStateException.class, () -> large.row(0, new int[6]));
        }
    }

    @Test
    void whatFailsAheadIsThrownToTheReader() {
        SamplePicture picture = SamplePicture.random(3, 8, 1, 255, 1);
        Engine engine = Tconv.open("reference");
        try (Upscaler upscaler = new Upscaler(engine, Filter.BICUBIC, 2)) {
            Picture large = upscaler.upscale(picture, /* tileElements= */ 1);
            int[] samples = new int[6];
            large.row(0, samples);
            engine.close();
            // The second strip may have been computed already; the third, which is begun with it, cannot be.
            assertThrows(IllegalStateException.class, () -> {
                large.row(2, samples);
                large.row(4, samples);
            });
            assertThrows(IllegalStateException.class, () -> large.row(0, samples));
        }
    }
}
