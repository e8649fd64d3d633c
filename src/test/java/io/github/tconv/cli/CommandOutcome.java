package io.github.tconv.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** What a command left behind. */
record CommandOutcome(int exit, String out, String err) {

    /** Runs a command in this process. */
    static CommandOutcome of(String... args) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        int exit = Main.execute(new PrintWriter(out), new PrintWriter(err), args);
        return new CommandOutcome(exit, out.toString(), err.toString());
    }

    /** Runs a command as a process of its own. */
    static CommandOutcome ofProcess(Map<String, String> environment, String... args)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                // What the jar says in its manifest.
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName()));
        command.addAll(List.of(args));
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().putAll(environment);
        File err = File.createTempFile("command", ".err");
        try {
            Process process = builder.redirectError(err).start();
            String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            return new CommandOutcome(process.waitFor(), out, Files.readString(err.toPath()));
        } finally {
            Files.delete(err.toPath());
        }
    }

    void assertDone() {
        assertEquals("", err);
        assertEquals(0, exit);
    }

    /** One line on stderr that says this, and nothing else anywhere. */
    void assertMistake(String message) {
        assertTrue(err.startsWith("tconv: "), err);
        assertTrue(err.contains(message), () -> "expected: " + message + "\nbut said: " + err);
        assertEquals(1, err.lines().count(), err);
        assertEquals("", out);
        assertEquals(2, exit);
    }
}
