package io.github.tconv.cli;

import io.github.tconv.io.Npy;
import io.github.tconv.op.Tensor;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A target of {@code .github/fuzz.sh} and of {@code FuzzTest}: values of options of {@code run} do, or are refused in one
 * line. Which files are read and written stays out of the fuzzer's hands.
 */
public final class CommandLineFuzz {
    private static final List<String> OPTIONS = List.of(
            "--stride",
            "--padding",
            "--output-padding",
            "--dilation",
            "--groups",
            "--auto-pad",
            "--output-shape",
            "--output-size",
            "--kernel",
            "--op");

    /** Larger ones make large tensors, which are right and take long. */
    private static final int LONGEST_VALUE = 12;

    private CommandLineFuzz() {}

    /** Takes pairs of an option's number and a value up to the end of the line. */
    public static void fuzzerTestOneInput(byte[] content) {
        try {
            Path folder = Files.createTempDirectory("fuzz");
            Path file = folder.resolve("x.npy");
            Path output = folder.resolve("y.npy");
            try {
                Npy.write(file, Tensor.of(new float[] {1, 2, 3, 4, 5, 6}, 1, 1, 2, 3));
                run(content, file, output);
            } finally {
                Files.deleteIfExists(output);
                Files.delete(file);
                Files.delete(folder);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void run(byte[] content, Path file, Path output) {
        List<String> args = new ArrayList<>(List.of(
                "run", "--device", "reference", "--input", file.toString(), "--weight", file.toString(), "--output"));
        args.add(output.toString());
        for (String line :
                new String(content, StandardCharsets.ISO_8859_1).lines().toList()) {
            if (!line.isEmpty() && line.length() <= LONGEST_VALUE && !line.matches(".*\\d{4}.*")) {
                args.add(OPTIONS.get(line.charAt(0) % OPTIONS.size()) + "=" + line.substring(1));
            }
        }
        StringWriter said = new StringWriter();
        int exit = Main.execute(new PrintWriter(said), new PrintWriter(said), args.toArray(new String[0]));
        boolean refused =
                exit == Main.USER_MISTAKE && said.toString().strip().lines().count() == 1;
        if (exit != Main.DONE && !refused && exit != Main.DEVICE_FAILED) {
            throw new IllegalStateException(args + " exits " + exit + ": " + said);
        }
    }
}
