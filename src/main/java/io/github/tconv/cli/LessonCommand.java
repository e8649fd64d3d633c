package io.github.tconv.cli;

import io.github.tconv.Engine;
import io.github.tconv.io.AtomicFile;
import io.github.tconv.io.InvalidFileException;
import io.github.tconv.io.Picture;
import io.github.tconv.io.PictureFile;
import io.github.tconv.io.PictureFormat;
import io.github.tconv.lesson.Language;
import io.github.tconv.lesson.LearnedRoundTrip;
import io.github.tconv.lesson.Lesson;
import io.github.tconv.lesson.LessonPage;
import io.github.tconv.op.Tensor;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Prints the lesson, computed on the chosen device. */
@Command(
        name = "lesson",
        description = "Explains the transposed convolution, each matrix computed on the chosen device.",
        mixinStandardHelpOptions = true)
final class LessonCommand implements Runnable {
    /** Pixels of the drawing for one of an image, and white ones between images. */
    private static final int ENLARGED = 8;

    private static final int GAP = 8;

    @Spec
    @SuppressWarnings("NullAway.Init") // set by picocli
    private CommandSpec spec;

    @Option(names = "--lang", paramLabel = "LANGUAGE", description = "en (English, default) or zh (Chinese).")
    private String language = "en";

    @Option(
            names = "--learn",
            description = {
                "Let the transposed convolution learn to give back what a convolution shrank, and show how its loss falls."
            })
    private boolean learn;

    @Option(
            names = "--picture",
            paramLabel = "FILE",
            description =
                    "With --learn: where to draw images before, without having learned, and after, as PNG or JPEG.")
    private @Nullable Path picture;

    @Mixin
    private final DeviceOption device = new DeviceOption();

    @Override
    public void run() {
        Language chosen = Language.of(language);
        if (picture != null && !learn) {
            throw new IllegalArgumentException("--picture is an option of --learn only: " + picture);
        }
        PictureFormat format = picture == null ? PictureFormat.PNG : PictureFormat.of(picture);
        // Before the work, which would be in vain.
        try (AtomicFile file = picture == null ? null : AtomicFile.create(picture);
                Engine engine = device.open()) {
            if (learn) {
                try (LearnedRoundTrip trip = new LearnedRoundTrip(engine)) {
                    learn(trip, engine, spec.commandLine().getOut());
                    if (file != null) {
                        PictureFile.write(drawn(trip), format, file, rows -> {});
                        file.commit();
                        spec.commandLine()
                                .getOut()
                                .println(picture + ": above the images, below them what came back before and after");
                    }
                }
            } else {
                // UTF-8 whatever the terminal's encoding: in the usual one of a container, Chinese would be question
                // marks.
                System.out.writeBytes(
                        LessonPage.write(new Lesson(engine), chosen).getBytes(StandardCharsets.UTF_8));
                System.out.flush();
            }
        } catch (IOException e) {
            throw InvalidFileException.unwritable(picture == null ? Path.of("") : picture, e);
        }
    }

    private void learn(LearnedRoundTrip trip, Engine engine, PrintWriter target) {
        target.println(
                "A convolution from 10 to 20 channels, kernel 5, stride 3, padding 2, shrinks images from 16x16 to 6x6.");
        target.println("The transposed convolution gives back the shape; now it learns to give back the values.");
        target.println("On " + engine.describe());
        target.println();
        target.println("  step  loss (mean squared error; white is 1)");
        long start = System.nanoTime();
        try (ProgressBar progress = new ProgressBar(spec.commandLine().getErr())) {
            for (int step = 0; step < LearnedRoundTrip.STEPS; step++) {
                double loss = trip.step();
                boolean doubled = Integer.bitCount(step) <= 1;
                if (doubled || step == LearnedRoundTrip.STEPS - 1) {
                    progress.clear();
                    target.println(String.format(Locale.ROOT, "%6d  %.6f", step, loss));
                }
                progress.show(step, LearnedRoundTrip.STEPS);
            }
        }
        double seconds = (System.nanoTime() - start) / 1e9;
        target.println();
        target.println(String.format(
                Locale.ROOT,
                "Images it never saw come back with an error of %.3f of white, before it learned %.3f. %d steps in %.1f s.",
                trip.error(trip.now()),
                trip.error(trip.before()),
                LearnedRoundTrip.STEPS,
                seconds));
    }

    /** The first channel of the images, of what came back before, and of what comes back now, one below another. */
    private static Picture drawn(LearnedRoundTrip trip) {
        List<Tensor> rows = List.of(trip.shown(), trip.before(), trip.now());
        Tensor shown = trip.shown();
        int size = shown.size(2);
        int cell = size * ENLARGED + GAP;
        BufferedImage image =
                new BufferedImage(shown.size(0) * cell + GAP, rows.size() * cell + GAP, BufferedImage.TYPE_BYTE_GRAY);
        for (int y = 0; y < image.getHeight(); y++) {
            for (int x = 0; x < image.getWidth(); x++) {
                int inY = y % cell - GAP;
                int inX = x % cell - GAP;
                double value = 1;
                if (inY >= 0 && inX >= 0) {
                    int plane = x / cell * shown.size(1) * size * size;
                    value = rows.get(y / cell).get(plane + inY / ENLARGED * size + inX / ENLARGED);
                }
                image.getRaster().setSample(x, y, 0, (int) (255 * Math.max(0, Math.min(value, 1)) + 0.5));
            }
        }
        return Picture.of(image);
    }
}
