package io.github.tconv.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.EnginesPresent;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The command as a process of its own, for what it writes are bytes. */
final class LessonCommandTest {
    private record Outcome(int exit, String out, String err) {}

    /** Runs the command where the locale knows ASCII only. */
    private static Outcome lesson(String... args) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Dfile.encoding=US-ASCII",
                "-cp",
                System.getProperty("java.class.path"),
                "io.github.tconv.cli.Main",
                "lesson"));
        command.addAll(List.of(args));
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().put("LC_ALL", "C");
        Path err = Files.createTempFile("lesson", ".err");
        try {
            Process process = builder.redirectError(err.toFile()).start();
            String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            return new Outcome(process.waitFor(), out, Files.readString(err));
        } finally {
            Files.delete(err);
        }
    }

    static Stream<String> devices() {
        return EnginesPresent.names().stream();
    }

    @ParameterizedTest
    @MethodSource("devices")
    void printsTheMatricesInEnglish(String device) throws Exception {
        Outcome outcome = lesson("--device", device);
        assertEquals(0, outcome.exit(), outcome.err());
        assertTrue(outcome.out().contains("\n     0  0  1\n     0  4  6\n     4 12  9\n"), outcome.out());
        assertTrue(outcome.out().contains("\n    0 0 0 1\n    0 0 2 3\n    0 2 0 3\n    4 6 6 9\n"), outcome.out());
    }

    @Test
    void printsChineseAsUtf8WhateverTheLocale() throws Exception {
        Outcome outcome = lesson("--lang", "zh", "--device", "reference");
        assertEquals(0, outcome.exit(), outcome.err());
        assertTrue(outcome.out().startsWith("\u4e00\u6b65\u4e00\u6b65"), outcome.out());
        assertTrue(outcome.out().contains("\n     0  0  1\n     0  4  6\n     4 12  9\n"), outcome.out());
    }

    @Test
    void refusesALanguageItDoesNotSpeak() throws Exception {
        Outcome outcome = lesson("--lang", "tlh");
        assertEquals(new Outcome(2, "", "tconv: language must be one of en, zh: tlh\n"), outcome);
    }
}
