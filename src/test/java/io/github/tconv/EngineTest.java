package io.github.tconv;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Convolution;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.MethodSource;

/** Lifetimes, threads and arguments of the face, on every engine of this machine. */
@ParameterizedClass(name = "{0}")
@MethodSource("io.github.tconv.EnginesPresent#names")
class EngineTest {
    private static final Problem PROBLEM = Problem.parse("n2_ic4_oc6_g2_i3x4_k3x2_s2x3_p1x0_op1x0");
    private static final TransposedConvolution LAYER = PROBLEM.layer();
    private static final Convolution ADJOINT = LAYER.adjoint();
    private static final int THREADS = 16;
    private static final int ROUNDS = 8;

    private final String name;
    private final Tensor input = counting(PROBLEM.inputShape());
    private final Tensor weight = counting(LAYER.weightShape());
    private final Tensor output = counting(PROBLEM.outputShape());
    private final Tensor bias = counting(LAYER.outChannels());
    private final Tensor adjointBias = counting(LAYER.inChannels());

    @SuppressWarnings("NullAway.Init") // set before each test
    private Engine engine;

    EngineTest(String name) {
        this.name = name;
    }

    @BeforeEach
    void open() {
        engine = Tconv.open(name);
    }

    @AfterEach
    void close() {
        engine.close();
    }

    /** Values with fractions of all sizes, so that another order of additions would give other bits. */
    private static Tensor counting(int... shape) {
        Tensor tensor = Tensor.zeros(shape);
        for (int i = 0; i < tensor.elements(); i++) {
            tensor.set(i, (float) Math.sin(i + 1.0));
        }
        return tensor;
    }

    /** Every method that computes. */
    private Map<String, Executable> methods() {
        Map<String, Executable> methods = new LinkedHashMap<>();
        methods.put("forward", () -> engine.forward(LAYER, input, weight, bias));
        methods.put("forward into", () -> engine.forward(PROBLEM, input, weight, null, output.copy()));
        methods.put("inputGradient", () -> engine.inputGradient(LAYER, output, weight));
        methods.put("inputGradient into", () -> engine.inputGradient(PROBLEM, output, weight, null, input.copy()));
        methods.put("weightGradient", () -> engine.weightGradient(LAYER, input, output));
        methods.put("weightGradient into", () -> engine.weightGradient(PROBLEM, input, output, weight.copy()));
        methods.put("biasGradient", () -> engine.biasGradient(output));
        methods.put("biasGradient into", () -> engine.biasGradient(output, bias.copy()));
        methods.put("convolution", () -> engine.forward(ADJOINT, output, weight, adjointBias));
        methods.put("convolution inputGradient", () -> engine.inputGradient(ADJOINT, input, weight, 6, 11));
        methods.put(
                "convolution weightGradient",
                () -> engine.weightGradient(ADJOINT, /* input= */ output, /* outputGradient= */ input));
        methods.put("prepare", () -> engine.prepare(LAYER, weight, bias).close());
        return methods;
    }

    @Test
    void everyMethodComputesWhileOpenAndRefusesAfterClose() throws Throwable {
        assertEquals(6, PROBLEM.outputSize(0));
        assertEquals(11, PROBLEM.outputSize(1));
        for (Executable method : methods().values()) {
            method.execute();
        }
        engine.close();
        methods()
                .forEach((method, call) -> assertEquals(
                        "the engine is closed",
                        assertThrows(IllegalStateException.class, call, method).getMessage(),
                        method));
    }

    @Test
    void closingAgainDoesNothing() {
        String description = engine.describe();
        engine.close();
        engine.close();
        assertEquals(description, engine.describe());
    }

    @Test
    void aPreparedLayerRefusesAfterItsCloseAndTheEngineGoesOn() {
        Prepared prepared = engine.prepare(LAYER, weight, bias);
        Tensor expected = prepared.forward(input);
        prepared.close();
        prepared.close();

        for (Executable call : List.<Executable>of(
                () -> prepared.forward(input),
                () -> prepared.forward(input, output.copy()),
                () -> prepared.forward(input, output, output.copy()))) {
            assertEquals(
                    "the prepared layer is closed",
                    assertThrows(IllegalStateException.class, call).getMessage());
        }
        assertArrayEquals(
                expected.toArray(), engine.forward(LAYER, input, weight, bias).toArray());
    }

    @Test
    void aPreparedLayerRefusesAfterTheEnginesCloseAndMayStillBeClosed() {
        Prepared prepared = engine.prepare(LAYER, weight, bias, Activation.prelu(bias));
        engine.close();

        for (Executable call :
                List.<Executable>of(() -> prepared.forward(input), () -> prepared.forward(input, output.copy()))) {
            assertEquals(
                    "the engine is closed",
                    assertThrows(IllegalStateException.class, call).getMessage());
        }
        prepared.close();
        prepared.close();
        assertThrows(IllegalStateException.class, () -> prepared.forward(input));
    }

    @Test
    void aPreparedLayerKeepsItsOwnWeightBiasAndSlopes() {
        Tensor slopes = bias.copy();
        try (Prepared prepared = engine.prepare(LAYER, weight, bias, Activation.prelu(slopes))) {
            float[] before = prepared.forward(input).toArray();
            for (Tensor given : List.of(weight, bias, slopes)) {
                given.set(0, 1000);
                given.set(1, -1000);
            }
            assertArrayEquals(before, prepared.forward(input).toArray());
        }
    }

    @Test
    void aPreparedLayerTakesEveryBatchAndSize() {
        try (Prepared prepared = engine.prepare(LAYER, weight, bias)) {
            for (int[] shape : new int[][] {{2, 4, 3, 4}, {1, 4, 1, 1}, {3, 4, 7, 2}, {2, 4, 3, 4}}) {
                Tensor x = counting(shape);
                Tensor y = prepared.forward(x);
                assertArrayEquals(LAYER.problem(shape[0], shape[2], shape[3]).outputShape(), y.shape());
                assertArrayEquals(engine.forward(LAYER, x, weight, bias).toArray(), y.toArray());
            }
        }
    }

    @Test
    void sixteenThreadsOnOneEngineGetTheSameBits() throws Exception {
        try (Prepared prepared = engine.prepare(LAYER, weight, bias)) {
            List<float[]> alone = allOperations(prepared);
            List<Future<List<List<float[]>>>> together = new ArrayList<>();
            CountDownLatch start = new CountDownLatch(THREADS);
            ExecutorService threads = Executors.newFixedThreadPool(THREADS);
            try {
                for (int t = 0; t < THREADS; t++) {
                    together.add(threads.submit(() -> {
                        start.countDown();
                        start.await();
                        List<List<float[]>> rounds = new ArrayList<>();
                        for (int round = 0; round < ROUNDS; round++) {
                            rounds.add(allOperations(prepared));
                        }
                        return rounds;
                    }));
                }
                for (Future<List<List<float[]>>> thread : together) {
                    for (List<float[]> round : thread.get()) {
                        for (int i = 0; i < alone.size(); i++) {
                            assertArrayEquals(alone.get(i), round.get(i), "operation " + i);
                        }
                    }
                }
            } finally {
                threads.shutdownNow();
            }
        }
    }

    private List<float[]> allOperations(Prepared prepared) {
        return List.of(
                engine.forward(LAYER, input, weight, bias).toArray(),
                prepared.forward(input).toArray(),
                engine.inputGradient(LAYER, output, weight).toArray(),
                engine.weightGradient(LAYER, input, output).toArray(),
                engine.biasGradient(output).toArray(),
                engine.forward(ADJOINT, output, weight, adjointBias).toArray());
    }

    @Test
    void whoeverClosesWhileOthersComputeNeverCrashesThem() throws Exception {
        float[] expected = engine.forward(LAYER, input, weight, bias).toArray();
        Prepared prepared = engine.prepare(LAYER, weight, bias);
        CountDownLatch running = new CountDownLatch(THREADS);
        ExecutorService threads = Executors.newFixedThreadPool(THREADS);
        try {
            List<Future<?>> calls = new ArrayList<>();
            for (int t = 0; t < THREADS; t++) {
                calls.add(threads.submit(() -> {
                    running.countDown();
                    while (true) {
                        assertArrayEquals(expected, prepared.forward(input).toArray());
                    }
                }));
            }
            running.await();
            Future<?> closing = threads.submit(prepared::close);
            engine.close();
            for (Future<?> call : calls) {
                ExecutionException end = assertThrows(ExecutionException.class, call::get);
                assertEquals(IllegalStateException.class, end.getCause().getClass(), end.toString());
            }
            // Its thread became free when a call ended.
            closing.get();
        } finally {
            threads.shutdownNow();
        }
    }

    private static void refused(String message, Executable call) {
        assertEquals(message, assertThrows(IllegalArgumentException.class, call).getMessage());
    }

    @Test
    void aResultSharesNoMemoryWithAnOperand() {
        Problem square = Problem.parse("ic2_oc2_i3x3_k3x3_p1x1");
        Tensor x = counting(square.inputShape());
        Tensor w = counting(square.layer().weightShape());
        String output = "output must not share memory with an operand: float32(1, 2, 3, 3)";
        String gradient = "input gradient must not share memory with an operand: float32(1, 2, 3, 3)";
        refused(output, () -> engine.forward(square, x, w, null, x));
        refused(output, () -> engine.forward(square, x, w, null, x.reshape(18).reshape(1, 2, 3, 3)));
        refused(gradient, () -> engine.inputGradient(square, x, w, null, x));

        Tensor two = counting(1, 2, 1);
        Problem depthwise = Problem.parse("ic2_oc2_i1_k1_g2");
        refused(
                "output must not share memory with an operand: float32(1, 2, 1)",
                () -> engine.forward(depthwise, counting(1, 2, 1), two.reshape(2, 1, 1), null, two));
        refused(
                "output must not share memory with an operand: float32(1, 2, 1)",
                () -> engine.forward(depthwise, counting(1, 2, 1), counting(2, 1, 1), two.reshape(2), two));
        refused(
                "input gradient must not share memory with an operand: float32(1, 2, 1)",
                () -> engine.inputGradient(depthwise, counting(1, 2, 1), counting(2, 1, 1), two.reshape(2), two));
        refused(
                "weight gradient must not share memory with an operand: float32(2, 1, 1)",
                () -> engine.weightGradient(depthwise, two, counting(1, 2, 1), two.reshape(2, 1, 1)));
        refused(
                "bias gradient must not share memory with an operand: float32(2)",
                () -> engine.biasGradient(two, two.reshape(2)));
        try (Prepared prepared = engine.prepare(square.layer(), w, null)) {
            refused(output, () -> prepared.forward(x, x));
            Tensor residual = x.copy();
            refused(output, () -> prepared.forward(x, residual, residual));
        }
    }

    @Test
    void everyTensorOfEveryMethodHasItsShape() {
        Tensor wrong = counting(2, 4, 3, 5);
        Tensor flat = counting(24);
        Tensor wrongBias = counting(5);
        String input = "input must have shape [2, 4, 3, 4]: float32(2, 4, 3, 5)";
        String weight = "weight must have shape [4, 3, 3, 2]: float32(2, 4, 3, 5)";
        String output = "output must have shape [2, 6, 6, 11]: float32(2, 4, 3, 5)";
        String outputGradient = "output gradient must have shape [2, 6, 6, 11]: float32(2, 4, 3, 5)";
        String inputGradient = "input gradient must have shape [2, 4, 3, 4]: float32(2, 4, 3, 5)";

        refused(input, () -> engine.forward(PROBLEM, wrong, this.weight, null, this.output));
        refused(weight, () -> engine.forward(PROBLEM, this.input, wrong, null, this.output));
        refused(
                "bias must have one value for each of the 6 channels: float32(5)",
                () -> engine.forward(PROBLEM, this.input, this.weight, wrongBias, this.output));
        refused(output, () -> engine.forward(PROBLEM, this.input, this.weight, null, wrong));

        refused(outputGradient, () -> engine.inputGradient(PROBLEM, wrong, this.weight, null, this.input));
        refused(weight, () -> engine.inputGradient(PROBLEM, this.output, wrong, null, this.input));
        refused(
                "bias must have one value for each of the 4 channels: float32(5)",
                () -> engine.inputGradient(PROBLEM, this.output, this.weight, wrongBias, this.input));
        refused(inputGradient, () -> engine.inputGradient(PROBLEM, this.output, this.weight, null, wrong));

        refused(input, () -> engine.weightGradient(PROBLEM, wrong, this.output, this.weight));
        refused(outputGradient, () -> engine.weightGradient(PROBLEM, this.input, wrong, this.weight));
        refused(
                "weight gradient must have shape [4, 3, 3, 2]: float32(2, 4, 3, 5)",
                () -> engine.weightGradient(PROBLEM, this.input, this.output, wrong));

        String rank = "output gradient must have 3 to 5 axes (n, channels and 1 to 3 spatial): float32(24)";
        refused(rank, () -> engine.biasGradient(flat));
        refused(rank, () -> engine.biasGradient(flat, wrongBias));
        refused("bias gradient must have shape [6]: float32(5)", () -> engine.biasGradient(this.output, wrongBias));

        refused(weight, () -> engine.prepare(LAYER, wrong, null));
        refused(
                "bias must have one value for each of the 6 channels: float32(5)",
                () -> engine.prepare(LAYER, this.weight, wrongBias));
        refused(
                "slopes must have shape [6]: float32(5)",
                () -> engine.prepare(LAYER, this.weight, null, Activation.prelu(wrongBias)));
    }

    @Test
    void theMethodsThatFindTheSizesCheckTheRankAndTheChannels() {
        Tensor flat = counting(24);
        Tensor channels = counting(2, 5, 6, 11);
        String axes = " must have 4 axes (n, channels and 2 spatial) for layer " + LAYER + ": float32(24)";
        refused("input" + axes, () -> engine.forward(LAYER, flat, weight, null));
        refused("output gradient" + axes, () -> engine.inputGradient(LAYER, flat, weight));
        refused("input" + axes, () -> engine.weightGradient(LAYER, flat, output));
        refused("input" + axes, () -> engine.forward(ADJOINT, flat, weight, null));
        refused("output gradient" + axes, () -> engine.inputGradient(ADJOINT, flat, weight, 6, 11));
        refused("input" + axes, () -> engine.weightGradient(ADJOINT, flat, input));

        String gradient = "output gradient must have shape [2, 6, 6, 11]: float32(2, 5, 6, 11)";
        refused(
                "input must have shape [2, 4, 6, 11]: float32(2, 5, 6, 11)",
                () -> engine.forward(LAYER, channels, weight, null));
        refused(gradient, () -> engine.inputGradient(LAYER, channels, weight));
        refused(gradient, () -> engine.weightGradient(LAYER, input, channels));
        refused(gradient, () -> engine.forward(ADJOINT, channels, weight, null));
        refused(gradient, () -> engine.weightGradient(ADJOINT, channels, input));
        refused(
                "output height must be a size that the layer " + LAYER + " makes: 7",
                () -> engine.inputGradient(LAYER, counting(2, 6, 7, 11), weight));
    }

    @Test
    void aPreparedLayerChecksItsTensors() {
        try (Prepared prepared = engine.prepare(LAYER, weight, bias)) {
            refused(
                    "input must have 4 axes (n, channels and 2 spatial) for layer " + LAYER + ": float32(24)",
                    () -> prepared.forward(counting(24)));
            refused(
                    "input must have shape [2, 4, 6, 11]: float32(2, 5, 6, 11)",
                    () -> prepared.forward(counting(2, 5, 6, 11)));
            refused(
                    "output must have shape [2, 6, 6, 11]: float32(2, 4, 3, 5)",
                    () -> prepared.forward(input, counting(2, 4, 3, 5)));
            refused(
                    "residual must have shape [2, 6, 6, 11]: float32(2, 4, 3, 5)",
                    () -> prepared.forward(input, counting(2, 4, 3, 5), output));
        }
    }
}
