package io.github.tconv.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.op.DeviceException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Map;
import org.junit.jupiter.api.Test;

final class MainTest {
    @Test
    void asksForACommand() {
        CommandOutcome.of().assertMistake("a command must be given, one of devices, run");
    }

    @Test
    void refusesAnUnknownCommand() {
        CommandOutcome.of("transpose").assertMistake("command must be one of devices, run");
        CommandOutcome.of("transpose").assertMistake(": 'transpose'");
    }

    @Test
    void refusesAnUnknownOption() {
        CommandOutcome.of("run", "--strides", "2", "--output", "y.npy")
                .assertMistake("Unknown options: '--strides', '2'");
    }

    @Test
    void helpsAndSaysItsVersionForEveryCommand() {
        for (String command : new String[] {"run", "devices"}) {
            CommandOutcome help = CommandOutcome.of(command, "--help");
            help.assertDone();
            assertTrue(help.out().startsWith("Usage: tconv " + command), help.out());
            CommandOutcome version = CommandOutcome.of(command, "--version");
            version.assertDone();
            assertTrue(version.out().startsWith("tconv "), version.out());
        }
    }

    @Test
    void saysAMistakeInOneLineWhateverItHolds() {
        CommandOutcome.of("a\nb\r\n\tc\u001b[31m").assertMistake("'a b c [31m'");
    }

    @Test
    void exits3WithTheWholeMessageOfADeviceFailure() {
        StringWriter err = new StringWriter();
        int exit = Main.failed(
                new PrintWriter(err), new DeviceException("clBuildProgram\nline 2", new RuntimeException("status")));
        assertEquals(3, exit);
        assertEquals("tconv: clBuildProgram\nline 2\n", err.toString());
    }

    @Test
    void exits1WithTheStackTraceOfWhatShouldNotHappen() {
        StringWriter err = new StringWriter();
        assertEquals(1, Main.failed(new PrintWriter(err), new IllegalStateException("unexpected")));
        assertTrue(err.toString().contains("\tat "), err.toString());
    }

    @Test
    void exitsAsAProcessToo() throws Exception {
        CommandOutcome.ofProcess(Map.of(), "devices").assertDone();
        CommandOutcome.ofProcess(Map.of(), "run", "--stride", "x").assertMistake("'x'");
        CommandOutcome.ofProcess(Map.of(), "run", "--input", "x", "--weight", "/missing.npy", "--output", "/y")
                .assertMistake("/missing.npy: file must exist");
    }
}
