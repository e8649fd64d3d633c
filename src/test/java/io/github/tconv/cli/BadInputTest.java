package io.github.tconv.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.github.tconv.io.Npy;
import io.github.tconv.io.NpyBytes;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The user's mistakes: one line that states rule and value, exit 2, nothing written. */
final class BadInputTest {
    private static final byte[] OLD = "old".getBytes(StandardCharsets.UTF_8);

    @TempDir
    Path folder;

    @BeforeEach
    void writeFiles() throws IOException {
        Npy.write(folder.resolve("x"), RunCommandTest.integers(1, 1, 4, 5, 7));
        Npy.write(folder.resolve("w"), RunCommandTest.integers(2, 4, 3, 3, 2));
        Npy.write(folder.resolve("gy"), RunCommandTest.integers(3, 1, 6, 11, 14));
        Npy.write(folder.resolve("b"), RunCommandTest.integers(4, 3));
        Npy.write(folder.resolve("b4"), RunCommandTest.integers(4, 4));
        Npy.write(folder.resolve("b1x3"), RunCommandTest.integers(4, 1, 3));
        Npy.write(folder.resolve("flat"), RunCommandTest.integers(5, 4, 3));
        Npy.write(folder.resolve("deep"), RunCommandTest.integers(5, 1, 1, 1, 1, 1, 1));
        Npy.write(folder.resolve("w1d"), RunCommandTest.integers(5, 4, 3, 3));
        Npy.write(folder.resolve("w5"), RunCommandTest.integers(5, 5, 3, 3, 2));
        Npy.write(folder.resolve("two"), RunCommandTest.integers(5, 2, 6, 11, 14));
        byte[] good = Files.readAllBytes(folder.resolve("x"));
        Files.write(folder.resolve("truncated"), Arrays.copyOf(good, good.length - 3));
        Files.write(folder.resolve("empty"), new byte[0]);
        Files.writeString(folder.resolve("text"), "1, 2, 3, 4");
        Files.write(folder.resolve("double"), NpyBytes.version1(NpyBytes.header("<f8", "False", "(1,)"), new byte[8]));
        Files.write(folder.resolve("fortran"), NpyBytes.version1(NpyBytes.header("<f4", "True", "(1,)"), new byte[4]));
        Files.write(folder.resolve("long"), NpyBytes.version1(" ".repeat(20_000)));
        Files.write(folder.resolve("output"), OLD);
    }

    private static Arguments mistake(String args, String message) {
        return arguments(args, message);
    }

    static Stream<Arguments> mistakes() {
        return Stream.of(
                // files
                mistake(
                        "--input :truncated --weight :w",
                        "truncated: the values of shape [1, 4, 5, 7] must have 560 bytes: 557"),
                mistake("--input :empty --weight :w", "empty: a .npy file must not end within its magic"),
                mistake("--input :text --weight :w", "text: a .npy file must begin with \\x93NUMPY: 1,\\x202,\\x20"),
                mistake("--input :double --weight :w", "convert with .astype('float32'): float64"),
                mistake("--input :fortran --weight :w", "C order, convert with numpy.ascontiguousarray"),
                mistake("--input :long --weight :w", "must have at most 10000 bytes: 20000"),
                mistake("--input :missing --weight :w", "missing: file must exist"),
                mistake("--input : --weight :w", "it is a directory"),
                mistake("--input= --weight :w", ": file must have a name: ''"),
                // shapes
                mistake(
                        "--input :x --weight :flat",
                        "weight must have 3 to 5 axes, of which 1 to 3 are spatial: float32(4, 3)"),
                mistake("--input :x --weight :deep", "weight must have 3 to 5 axes"),
                mistake(
                        "--input :x --weight :w1d",
                        "input must have 3 axes (n, channels and 1 spatial): float32(1, 4, 5, 7)"),
                mistake("--input :x --weight :w5", "input must have shape [1, 5, 5, 7]: float32(1, 4, 5, 7)"),
                mistake(
                        "--input :x --weight :w --bias :b4",
                        "bias must have one value for each of the 3 channels: float32(4)"),
                mistake(
                        "--input :x --weight :w --bias :b1x3",
                        "bias must have one value for each of the 3 channels: float32(1, 3)"),
                mistake("--op bias-gradient --grad :flat", "grad must have 3 to 5 axes"),
                mistake(
                        "--op bias-gradient --grad :gy --groups 4",
                        "groups must divide the output channels: 4 does not divide 6"),
                // settings
                mistake("--input :x --weight :w --stride 0", "stride must be positive: 0"),
                mistake("--input :x --weight :w --stride -2", "stride must be positive: -2"),
                mistake(
                        "--input :x --weight :w --stride 1,2,3",
                        "stride must have one value, or one for each of the 2 axes: 3 values"),
                mistake("--input :x --weight :w --stride two", "must be whole numbers separated by commas: 'two'"),
                mistake("--input :x --weight :w --stride 1.5", "must be whole numbers separated by commas: '1.5'"),
                mistake("--input :x --weight :w --stride 1,,2", "must be whole numbers separated by commas: '1,,2'"),
                mistake("--input :x --weight :w --stride=", "must be whole numbers separated by commas: ''"),
                mistake(
                        "--input :x --weight :w --stride 2147483648",
                        "must be between -2147483648 and 2147483647: 2147483648"),
                mistake(
                        "--input :x --weight :w --stride",
                        "Expected parameter for option '--stride' but found '--output'"),
                mistake(
                        "--input :x --weight :w --stride 1 --stride 2",
                        "'--stride' (N[,N]) should be specified only once"),
                mistake("--input :x --weight :w --dilation 0", "dilation must be positive: 0"),
                mistake("--input :x --weight :w --groups 0", "groups must be positive: 0"),
                mistake("--input :x --weight :w --groups -1", "groups must be positive: -1"),
                mistake(
                        "--input :x --weight :w --groups 3",
                        "groups must divide the input channels: 3 does not divide 4"),
                mistake(
                        "--input :x --weight :w --groups 2000000000",
                        "output channels must be at most 2147483647: 3 times 2000000000 groups"),
                mistake("--input :x --weight :w --groups many", "'many' is not an int"),
                mistake("--input :x --weight :w --padding 4", "output height must be positive: -1 for an input of 5"),
                mistake("--input :x --weight :w --padding 1,2,3", "padding must have 1, 2 or 4 values for 2 axes: 3"),
                mistake(
                        "--input :x --weight :w --output-padding 1",
                        "output padding must be less than max(stride, dilation) = max(1, 1): 1"),
                mistake("--input :x --weight :w --output-padding -1", "output padding must not be negative: -1"),
                mistake(
                        "--input :x --weight :w --stride 1000000000",
                        "output height must be at most 2147483647: 4000000003"),
                mistake("--input :x --weight :w --stride 30000", "must have at most"),
                mistake(
                        "--input :x --weight :w --auto-pad SAME",
                        "expected one of [NOTSET, VALID, SAME_UPPER, SAME_LOWER]"),
                mistake(
                        "--input :x --weight :w --auto-pad VALID --padding 1",
                        "padding must not be given together with auto_pad VALID"),
                mistake(
                        "--input :x --weight :w --output-size 9,9",
                        "output height must be between 7 and 7 for an input of 5"),
                mistake(
                        "--input :x --weight :w --output-size 7,8,9",
                        "output size must have one value for each of the 2 axes: 3"),
                mistake("--input :x --weight :w --output-shape 0", "output shape must be positive: 0"),
                mistake(
                        "--input :x --weight :w --output-shape 9 --padding 1",
                        "--padding must not be given together with --output-shape, which decides it: [1]"),
                mistake(
                        "--input :x --weight :w --output-size 9 --output-padding 1 --stride 2",
                        "--output-padding must not be given together with --output-size, which decides it: [1]"),
                mistake(
                        "--input :x --weight :w --output-size 9 --output-shape 8",
                        "--output-size must not be given together with --output-shape, which decides it: [9]"),
                // gradients
                mistake(
                        "--op input-gradient --grad :gy --weight :w --groups 2 --stride 3 --output-padding 1,0",
                        "output height must be a size that the layer ic4_oc6_g2_k3x2_s3x3_op1x0 makes: 11"),
                mistake(
                        "--op input-gradient --grad :x --weight :w --padding -3",
                        "the convolution has no output: height of a size of 5 is -3"),
                mistake(
                        "--op input-gradient --grad :x --weight :w",
                        "grad must have shape [1, 3, 5, 7]: float32(1, 4, 5, 7)"),
                mistake(
                        "--op weight-gradient --input :x --grad :gy --kernel 3,2 --stride 3",
                        "output height must be between 15 and 17 for an input of 5"),
                mistake(
                        "--op weight-gradient --input :x --grad :gy --kernel 3,2 --stride 2 --output-padding 1,1",
                        "grad must have shape [1, 6, 12, 15]: float32(1, 6, 11, 14)"),
                mistake(
                        "--op weight-gradient --input :x --grad :two --kernel 3,2 --stride 2",
                        "grad must have shape [1, 6, 11, 14]: float32(2, 6, 11, 14)"),
                mistake("--op weight-gradient --input :x --grad :gy --kernel 0", "kernel must be positive: 0"),
                // options
                mistake(
                        "--op backward --input :x",
                        "operation must be one of forward, convolution, input-gradient, weight-gradient, bias-gradient: 'backward'"),
                mistake("--input :x", "operation forward needs --input and --weight: --weight is missing"),
                mistake(
                        "--op weight-gradient --input :x --grad :gy",
                        "operation weight-gradient needs --input and --grad and --kernel: --kernel is missing"),
                mistake(
                        "--input :x --weight :w --grad :gy",
                        "--grad is an option of input-gradient, weight-gradient, bias-gradient only: forward"),
                mistake(
                        "--op input-gradient --grad :gy --weight :w --bias :b",
                        "--bias is an option of forward, convolution only: input-gradient"),
                mistake(
                        "--op convolution --input :x --weight :w --auto-pad VALID",
                        "--auto-pad is an option of forward, input-gradient, weight-gradient, bias-gradient only: convolution"),
                mistake("--input :x --weight :w --device nothing", "'nothing' is not among"),
                mistake("--input :x --weight :w --device 99", "'99' is not among"),
                mistake("--input --weight :w", "Expected parameter for option '--input' but found '--weight'"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("mistakes")
    void isOneLineAndWritesNothing(String args, String message) throws IOException {
        List<Path> before = files();
        CommandOutcome.of(command(args + " --output :output")).assertMistake(message);
        assertArrayEquals(OLD, Files.readAllBytes(folder.resolve("output")));
        CommandOutcome.of(command(args + " --output :new")).assertMistake(message);
        assertEquals(before, files());
    }

    @Test
    void anOutputIsNeeded() {
        CommandOutcome.of(command("--input :x --weight :w")).assertMistake("Missing required option: '--output=FILE'");
    }

    @Test
    void anOutputThatCannotBeWrittenIsAMistake() {
        String args = "--input :x --weight :w --device reference --output ";
        CommandOutcome.of(command(args + ":missing/y")).assertMistake("missing/y: file must be writable: no such file");
        CommandOutcome.of(command(args + ":")).assertMistake("file must be writable: it is a directory");
        CommandOutcome.of(command(args + ":x/y")).assertMistake("x/y: file must be writable: Not a directory");
        CommandOutcome.of(command(args + "/proc/y")).assertMistake("/proc/y: file must be writable: ");
        CommandOutcome.of(command(args + "/dev/full")).assertMistake("/dev/full: file must be writable: No space left");
    }

    private List<Path> files() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.sorted().toList();
        }
    }

    /** Splits a line, with a path in the folder in place of what begins with a colon. */
    private String[] command(String args) {
        return Stream.of(("run " + args).split(" ", -1))
                .map(arg ->
                        arg.startsWith(":") ? folder.resolve(arg.substring(1)).toString() : arg)
                .toArray(String[]::new);
    }
}
