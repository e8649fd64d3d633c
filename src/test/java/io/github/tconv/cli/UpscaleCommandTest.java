package io.github.tconv.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.EnginesPresent;
import io.github.tconv.io.PictureFile;
import io.github.tconv.picture.SamplePicture;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

final class UpscaleCommandTest {
    private static final String HARBOUR = Path.of("examples", "harbour.png").toString();

    @TempDir
    Path folder;

    private String path(String name) {
        return folder.resolve(name).toString();
    }

    static Stream<String> devices() {
        return EnginesPresent.names().stream();
    }

    @ParameterizedTest
    @MethodSource("devices")
    void enlargesThePictureOfTheRepository(String device) throws IOException {
        CommandOutcome outcome =
                CommandOutcome.of("upscale", HARBOUR, path("out.png"), "--scale", "3", "--device", device);
        outcome.assertDone();
        assertTrue(
                outcome.out().contains("out.png: 256 x 170 to 768 x 510, RGB, 8 bit, lanczos (a = 3), on "),
                outcome.out());
        assertTrue(
                outcome.out()
                        .strip()
                        .matches(
                                "(?s).* in [0-9.]+ s, of which reading [0-9.]+ s, the layer [0-9.]+ s: [0-9.]+ megapixels/s"),
                outcome.out());
        assertEquals(768, PictureFile.read(folder.resolve("out.png")).width());
        assertEquals(510, PictureFile.read(folder.resolve("out.png")).height());
        CommandOutcome.of("upscale", HARBOUR, path("again.png"), "--scale", "3", "--device", device)
                .assertDone();
        assertEquals(-1, Files.mismatch(folder.resolve("out.png"), folder.resolve("again.png")));
    }

    @Test
    void everyFilterAndFormatIsReachable() {
        for (String filter : List.of("nearest", "bilinear", "bicubic", "LANCZOS")) {
            for (String out : List.of("out.png", "out.jpg", "out.JPEG")) {
                CommandOutcome outcome = CommandOutcome.of(
                        "upscale", HARBOUR, path(out), "--scale", "2", "--filter", filter, "--device", "reference");
                outcome.assertDone();
                assertEquals(512, PictureFile.read(folder.resolve(out)).width());
            }
        }
    }

    @Test
    void keepsSixteenBitsAndAlpha() throws IOException {
        SamplePicture deep = SamplePicture.random(5, 4, 4, 65_535, 1);
        ImageIO.write(deep.toImage(), "png", folder.resolve("deep.png").toFile());
        CommandOutcome outcome = CommandOutcome.of(
                "upscale", path("deep.png"), path("out.png"), "--scale", "2", "--device", "reference");
        outcome.assertDone();
        assertTrue(outcome.out().contains("5 x 4 to 10 x 8, RGBA, 16 bit"), outcome.out());
        assertEquals(65_535, PictureFile.read(folder.resolve("out.png")).maximum());
        assertEquals(4, PictureFile.read(folder.resolve("out.png")).channels());
    }

    @Test
    void mayReplaceItsInput() throws IOException {
        Files.copy(Path.of(HARBOUR), folder.resolve("same.png"));
        CommandOutcome.of("upscale", path("same.png"), path("same.png"), "--scale", "2", "--device", "reference")
                .assertDone();
        assertEquals(512, PictureFile.read(folder.resolve("same.png")).width());
    }

    @Test
    void outputNeedsNoProportionalHeap() throws Exception {
        // 54 MB of samples: the output alone would not fit.
        ImageIO.write(
                SamplePicture.filled(1000, 500, 3, 255, () -> 200).toImage(),
                "png",
                folder.resolve("in.png").toFile());
        for (String out : List.of("out.png", "out.jpg")) {
            CommandOutcome outcome = CommandOutcome.ofProcess(
                    Map.of("JDK_JAVA_OPTIONS", "-Xmx32m"),
                    "upscale",
                    path("in.png"),
                    path(out),
                    "--scale",
                    "6",
                    "--filter",
                    "nearest",
                    "--device",
                    "reference");
            assertEquals(0, outcome.exit(), outcome.err());
            assertTrue(outcome.out().contains("to 6000 x 3000"), outcome.out());
        }
    }

    @Test
    void statesTheRuleAndTheValue() throws IOException {
        Path out = folder.resolve("out.png");
        Files.writeString(out, "what was there before");
        Files.writeString(folder.resolve("text.png"), "no picture at all");
        ImageIO.write(
                SamplePicture.filled(1100, 1, 4, 255, () -> 9).toImage(),
                "png",
                folder.resolve("thin.png").toFile());
        assertMistake("scale must be from 1 to 64: 0", HARBOUR, out.toString(), "--scale", "0");
        assertMistake("scale must be from 1 to 64: -1", HARBOUR, out.toString(), "--scale", "-1");
        assertMistake("scale must be from 1 to 64: 65", HARBOUR, out.toString(), "--scale", "65");
        assertMistake("scale must be a whole number from 1 to 64: 'x'", HARBOUR, out.toString(), "--scale", "x");
        assertMistake("scale must be a whole number from 1 to 64: '1.5'", HARBOUR, out.toString(), "--scale", "1.5");
        assertMistake(
                "scale must be a whole number from 1 to 64: '99999999999'",
                HARBOUR,
                out.toString(),
                "--scale",
                "99999999999");
        assertMistake("Missing required option: '--scale=N'", HARBOUR, out.toString());
        assertMistake(
                "filter must be nearest, bilinear, bicubic or lanczos: 'cubic'",
                HARBOUR,
                out.toString(),
                "--scale",
                "2",
                "--filter",
                "cubic");
        assertMistake("device must be", HARBOUR, out.toString(), "--scale", "2", "--device", "no such");
        assertMistake("no such file or directory", path("missing.png"), out.toString(), "--scale", "2");
        assertMistake("file must be a PNG or JPEG picture", path("text.png"), out.toString(), "--scale", "2");
        assertMistake("it is a directory", folder.toString(), out.toString(), "--scale", "2");
        assertMistake("picture's name must end in .png, .jpg or .jpeg", HARBOUR, path("out.gif"), "--scale", "2");
        assertMistake("file must be writable", HARBOUR, path("nowhere/out.png"), "--scale", "2");
        assertMistake(
                "picture must be opaque for a format without alpha: alpha is 9 of 255 at (0, 0)",
                path("thin.png"),
                path("out.jpg"),
                "--scale",
                "2");
        assertMistake(
                "output width must be at most 65535 in a JPEG: 70400",
                path("thin.png"),
                path("out.jpg"),
                "--scale",
                "64");
        assertEquals("what was there before", Files.readString(out));
        try (Stream<Path> files = Files.list(folder)) {
            assertArrayEquals(
                    new String[] {"out.png", "text.png", "thin.png"},
                    files.map(file -> file.getFileName().toString()).sorted().toArray());
        }
    }

    private static void assertMistake(String message, String... args) {
        String[] command = Stream.concat(Stream.of("upscale"), Stream.of(args)).toArray(String[]::new);
        CommandOutcome.of(command).assertMistake(message);
    }

    @Test
    void progressIsDrawnInOneLineAndRemoved() {
        StringWriter terminal = new StringWriter();
        try (ProgressBar bar = new ProgressBar(new PrintWriter(terminal), /* watched= */ true)) {
            bar.draw(30, 40);
        }
        String blank = " ".repeat(48);
        assertEquals("\r[" + "=".repeat(30) + " ".repeat(10) + "]  75 %\r" + blank + "\r", terminal.toString());
    }

    @Test
    void progressIsSilentWhereNobodyLooks() {
        StringWriter terminal = new StringWriter();
        try (ProgressBar bar = new ProgressBar(new PrintWriter(terminal), /* watched= */ false)) {
            bar.show(30, 40);
        }
        assertEquals("", terminal.toString());
    }
}
