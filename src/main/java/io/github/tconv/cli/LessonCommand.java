package io.github.tconv.cli;

import io.github.tconv.Engine;
import io.github.tconv.lesson.Language;
import io.github.tconv.lesson.Lesson;
import io.github.tconv.lesson.LessonPage;
import java.nio.charset.StandardCharsets;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Prints the lesson, computed on the chosen device. */
@Command(
        name = "lesson",
        description = "Explains the transposed convolution, each matrix computed on the chosen device.",
        mixinStandardHelpOptions = true)
final class LessonCommand implements Runnable {
    @Option(names = "--lang", paramLabel = "LANGUAGE", description = "en (English, default) or zh (Chinese).")
    private String language = "en";

    @Mixin
    private final DeviceOption device = new DeviceOption();

    @Override
    public void run() {
        Language chosen = Language.of(language);
        try (Engine engine = device.open()) {
            // UTF-8 whatever the terminal's encoding: in the usual one of a container, Chinese would be question marks.
            System.out.writeBytes(LessonPage.write(new Lesson(engine), chosen).getBytes(StandardCharsets.UTF_8));
            System.out.flush();
        }
    }
}
