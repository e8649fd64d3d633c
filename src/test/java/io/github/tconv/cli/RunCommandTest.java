package io.github.tconv.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.Engine;
import io.github.tconv.EnginesPresent;
import io.github.tconv.Tconv;
import io.github.tconv.io.Npy;
import io.github.tconv.op.AutoPad;
import io.github.tconv.op.Convolution;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.nio.file.Path;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every operation from files to a file, against the same operation of the library. */
final class RunCommandTest {
    /** No two sizes or settings alike, so that an exchange of any two is seen. */
    private static final TransposedConvolution LAYER = TransposedConvolution.of2d()
            .channels(4, 6)
            .groups(2)
            .kernel(3, 2)
            .stride(2, 3)
            .dilation(1, 2)
            .padding(1, -1, 2, 0)
            .outputPadding(1, 2)
            .build();

    private static final String GEOMETRY = "--groups 2 --stride 2,3 --dilation 1,2 --padding 1,-1,2,0";
    private static final String OUTPUT_PADDING = "--output-padding 1,2";

    private static final Tensor INPUT = integers(1, 2, 4, 5, 7);
    private static final Tensor WEIGHT = integers(2, LAYER.weightShape());
    private static final Tensor GRAD = integers(3, LAYER.problem(2, 5, 7).outputShape());

    @TempDir
    Path folder;

    /** Small whole numbers, whose sums are exact in any order. */
    static Tensor integers(int seed, int... shape) {
        Tensor tensor = Tensor.zeros(shape);
        Random random = new Random(seed);
        for (int i = 0; i < tensor.elements(); i++) {
            tensor.set(i, random.nextInt(9) - 4);
        }
        return tensor;
    }

    static Stream<String> devices() {
        return EnginesPresent.names().stream();
    }

    private Path file(String name, Tensor tensor) {
        Path file = folder.resolve(name + ".npy");
        Npy.write(file, tensor);
        return file;
    }

    /** Runs the command with its files in place of the names that begin with a colon. */
    private Tensor run(String... args) {
        file("x", INPUT);
        file("w", WEIGHT);
        file("gy", GRAD);
        Path result = folder.resolve("result.npy");
        Stream<String> given = Stream.of(String.join(" ", args).split(" ", -1));
        String[] command = Stream.concat(Stream.of("run", "--output", result.toString()), given)
                .map(arg -> arg.startsWith(":")
                        ? folder.resolve(arg.substring(1) + ".npy").toString()
                        : arg)
                .toArray(String[]::new);
        CommandOutcome outcome = CommandOutcome.of(command);
        outcome.assertDone();
        assertEquals(1, outcome.out().lines().count(), outcome.out());
        return Npy.read(result);
    }

    private static void assertSame(Tensor expected, Tensor actual) {
        assertArrayEquals(expected.shape(), actual.shape());
        assertArrayEquals(expected.toArray(), actual.toArray());
    }

    @ParameterizedTest
    @MethodSource("devices")
    void forward(String device) {
        Tensor bias = integers(4, 6);
        file("b", bias);
        Tensor actual = run("--input :x --weight :w --bias :b --device " + device, GEOMETRY, OUTPUT_PADDING);
        try (Engine engine = Tconv.open(device)) {
            assertSame(engine.forward(LAYER, INPUT, WEIGHT, bias), actual);
        }
    }

    @ParameterizedTest
    @MethodSource("devices")
    void inputGradient(String device) {
        Tensor actual = run("--op input-gradient --grad :gy --weight :w --device " + device, GEOMETRY, OUTPUT_PADDING);
        try (Engine engine = Tconv.open(device)) {
            assertSame(engine.inputGradient(LAYER, GRAD, WEIGHT), actual);
        }
    }

    @ParameterizedTest
    @MethodSource("devices")
    void weightGradient(String device) {
        String files = "--op weight-gradient --input :x --grad :gy --kernel 3,2 --device " + device;
        try (Engine engine = Tconv.open(device)) {
            Tensor expected = engine.weightGradient(LAYER, INPUT, GRAD);
            assertSame(expected, run(files, GEOMETRY, OUTPUT_PADDING));
            assertSame(expected, run(files, GEOMETRY));
        }
    }

    @ParameterizedTest
    @MethodSource("devices")
    void biasGradient(String device) {
        String files = "--op bias-gradient --grad :gy --device " + device;
        try (Engine engine = Tconv.open(device)) {
            assertSame(engine.biasGradient(GRAD), run(files));
            assertSame(engine.biasGradient(GRAD), run(files, GEOMETRY, OUTPUT_PADDING));
        }
    }

    @ParameterizedTest
    @MethodSource("devices")
    void convolution(String device) {
        Convolution layer = Convolution.of2d()
                .channels(4, 6)
                .groups(2)
                .kernel(3, 2)
                .stride(2, 3)
                .dilation(1, 2)
                .padding(1, 0, 2, 3)
                .build();
        Tensor weight = integers(5, 6, 2, 3, 2);
        Tensor bias = integers(6, 6);
        file("conv", weight);
        file("b", bias);
        Tensor actual = run(
                "--op convolution --input :x --weight :conv --bias :b",
                "--groups 2 --stride 2,3 --dilation 1,2 --padding 1,0,2,3",
                "--device " + device);
        try (Engine engine = Tconv.open(device)) {
            assertSame(engine.forward(layer, INPUT, weight, bias), actual);
        }
    }

    @Test
    void inputGradientWithoutOutputPaddingIsTheConvolution() {
        // The gradient is (11, 24): 1 and 2 elements more than the layer without output padding makes of (5, 7).
        Tensor actual = run("--op input-gradient --grad :gy --weight :w --device reference", GEOMETRY);
        Convolution convolution = Convolution.of2d()
                .channels(6, 4)
                .groups(2)
                .kernel(3, 2)
                .stride(2, 3)
                .dilation(1, 2)
                .padding(1, -1, 2, 0)
                .build();
        try (Engine engine = Tconv.open("reference")) {
            assertSame(engine.forward(convolution, GRAD, WEIGHT, null), actual);
        }
    }

    @Test
    void everyRankFollowsTheWeight() {
        for (int[] kernel : new int[][] {{2}, {2, 3}, {2, 3, 4}}) {
            int[] size = {5, 3, 4};
            int[] inputShape = new int[kernel.length + 2];
            System.arraycopy(size, 0, inputShape, 2, kernel.length);
            inputShape[0] = 1;
            inputShape[1] = 2;
            TransposedConvolution layer = TransposedConvolution.ofRank(kernel.length)
                    .channels(2, 3)
                    .kernel(kernel)
                    .stride(2)
                    .build();
            Tensor input = integers(7, inputShape);
            Tensor weight = integers(8, layer.weightShape());
            file("input", input);
            file("weight", weight);
            Tensor actual = run("--input :input --weight :weight --stride 2 --device reference");
            try (Engine engine = Tconv.open("reference")) {
                assertSame(engine.forward(layer, input, weight, null), actual);
            }
        }
    }

    @Test
    void paddingCanBeChosenByTheOutput() {
        String files = "--input :x --weight :w --groups 2 --device reference";
        TransposedConvolution unpadded = TransposedConvolution.of2d()
                .channels(4, 6)
                .groups(2)
                .kernel(3, 2)
                .stride(2, 3)
                .build();
        String stride = "--stride 2,3";
        int[] inputSize = {5, 7};
        try (Engine engine = Tconv.open("reference")) {
            TransposedConvolution same = TransposedConvolution.of2d()
                    .channels(4, 6)
                    .groups(2)
                    .kernel(3, 2)
                    .stride(2, 3)
                    .autoPad(AutoPad.SAME_LOWER)
                    .build();
            assertSame(engine.forward(same, INPUT, WEIGHT, null), run(files, stride, "--auto-pad same_lower"));
            assertSame(
                    engine.forward(
                            unpadded.withOutputShape(inputSize, new int[] {8, 23}, AutoPad.SAME_UPPER),
                            INPUT,
                            WEIGHT,
                            null),
                    run(files, stride, "--output-shape 8,23 --auto-pad SAME_UPPER"));
            assertSame(
                    engine.forward(unpadded.withOutputSize(inputSize, new int[] {12, 22}), INPUT, WEIGHT, null),
                    run(files, stride, "--output-size 12,22"));
        }
    }

    @Test
    void theOutputMayBeAnInput() {
        Path x = file("x", INPUT);
        Path w = file("w", WEIGHT);
        CommandOutcome.of(
                        "run",
                        "--input",
                        x.toString(),
                        "--weight",
                        w.toString(),
                        "--groups=2",
                        "--output",
                        x.toString())
                .assertDone();
        assertArrayEquals(new int[] {2, 6, 7, 8}, Npy.read(x).shape());
    }

    @Test
    void saysWhatItDid() {
        Path x = file("x", INPUT);
        Path w = file("w", WEIGHT);
        CommandOutcome outcome = CommandOutcome.of(
                "run",
                "--input=" + x,
                "--weight=" + w,
                "--groups=2",
                "--padding=-1",
                "--output=" + x,
                "--device=reference");
        outcome.assertDone();
        assertTrue(
                outcome.out()
                        .matches("forward n2_ic4_oc6_g2_i5x7_k3x2_p-1x-1 on reference \\(.*\\) in \\d+\\.\\d ms:"
                                + " float32\\(2, 6, 9, 10\\)\\R"),
                outcome.out());
    }
}
