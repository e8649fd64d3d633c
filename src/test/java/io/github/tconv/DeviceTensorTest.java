package io.github.tconv;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.github.tconv.op.Activation;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.MethodSource;

/** Tensors that stay on the device: values, lifetimes and rules, on every engine of this machine. */
@ParameterizedClass(name = "{0}")
@MethodSource("io.github.tconv.EnginesPresent#names")
class DeviceTensorTest {
    /** Two axes that differ in everything, and as many channels out as in, so that layers chain. */
    private static final TransposedConvolution LAYER = TransposedConvolution.of2d()
            .channels(4, 4)
            .kernel(3, 2)
            .stride(2, 1)
            .padding(1, 0)
            .build();

    private final String name;
    private final Tensor input = sines(2, 4, 3, 5);
    private final Tensor weight = sines(LAYER.weightShape());
    private final Tensor bias = sines(4);

    @SuppressWarnings("NullAway.Init") // set before each test
    private Engine engine;

    DeviceTensorTest(String name) {
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

    private static Tensor sines(int... shape) {
        Tensor tensor = Tensor.zeros(shape);
        for (int i = 0; i < tensor.elements(); i++) {
            tensor.set(i, (float) Math.sin(i + 1.0));
        }
        return tensor;
    }

    private float[] values(DeviceTensor tensor) {
        return engine.download(tensor).toArray();
    }

    @Test
    void whatIsUploadedComesBack() {
        try (DeviceTensor lent = engine.upload(input);
                DeviceTensor made = engine.allocate(2, 4, 3, 5)) {
            assertArrayEquals(input.toArray(), values(lent));
            engine.upload(input, made);
            assertArrayEquals(input.toArray(), values(made));
            Tensor target = Tensor.zeros(2, 4, 3, 5);
            engine.download(made, target);
            assertArrayEquals(input.toArray(), target.toArray());
            assertEquals("float32(2, 4, 3, 5) on the device", made.toString());
            assertEquals(120, made.elements());
            assertEquals(3, made.size(2));
        }
    }

    @Test
    void aDownloadIsASnapshot() {
        try (DeviceTensor tensor = engine.allocate(3)) {
            engine.upload(Tensor.of(new float[] {1, 2, 3}, 3), tensor);
            Tensor before = engine.download(tensor);
            engine.upload(Tensor.of(new float[] {4, 5, 6}, 3), tensor);
            assertArrayEquals(new float[] {1, 2, 3}, before.toArray());
            assertArrayEquals(new float[] {4, 5, 6}, values(tensor));
        }
    }

    @Test
    void aChainOfLayersIsWhatTheHostsTensorsGive() {
        try (Prepared first = engine.prepare(LAYER, weight, bias, Activation.relu());
                Prepared second = engine.prepare(LAYER, weight, null)) {
            Tensor middle = first.forward(input);
            float[] expected = second.forward(middle).toArray();
            for (int round = 0; round < 20; round++) {
                DeviceTensor x = engine.upload(input);
                DeviceTensor y = first.forward(x);
                try (DeviceTensor z = second.forward(y)) {
                    // Closed before anything was read: the calls that were made have them still.
                    x.close();
                    y.close();
                    assertArrayEquals(expected, values(z));
                }
            }
        }
    }

    @Test
    void bothKindsMayBeMixed() {
        try (Prepared prepared = engine.prepare(LAYER, weight, bias);
                DeviceTensor x = engine.upload(input)) {
            Tensor expected = prepared.forward(input);
            Tensor fromDevice = Tensor.zeros(expected.shape());
            prepared.forward(x, fromDevice);
            assertArrayEquals(expected.toArray(), fromDevice.toArray());
            try (DeviceTensor toDevice = engine.allocate(expected.shape())) {
                Tensor changed = input.copy();
                prepared.forward(changed, toDevice);
                // The tensor is the caller's again, whatever the device still does.
                changed.set(0, 1000);
                assertArrayEquals(expected.toArray(), values(toDevice));
            }
            Tensor residual = sines(expected.shape());
            Tensor sum = Tensor.zeros(expected.shape());
            prepared.forward(input, residual, sum);
            Tensor mixed = Tensor.zeros(expected.shape());
            prepared.forward(x, residual, mixed);
            assertArrayEquals(sum.toArray(), mixed.toArray());
        }
    }

    @Test
    void everyOperationHasADeviceForm() {
        Tensor gy = sines(engine.forward(LAYER, input, weight, null).shape());
        try (DeviceTensor x = engine.upload(input);
                DeviceTensor w = engine.upload(weight);
                DeviceTensor b = engine.upload(bias);
                DeviceTensor g = engine.upload(gy)) {
            same(engine.forward(LAYER, input, weight, bias), engine.forward(LAYER, x, w, b));
            same(engine.forward(LAYER, input, weight, null), engine.forward(LAYER, x, w, null));
            same(engine.inputGradient(LAYER, gy, weight), engine.inputGradient(LAYER, g, w));
            same(engine.weightGradient(LAYER, input, gy), engine.weightGradient(LAYER, x, g));
            same(engine.biasGradient(gy), engine.biasGradient(g));
            var convolution = LAYER.adjoint();
            same(engine.forward(convolution, gy, weight, bias), engine.forward(convolution, g, w, b));
            same(
                    engine.inputGradient(convolution, input, weight, gy.size(2), gy.size(3)),
                    engine.inputGradient(convolution, x, w, gy.size(2), gy.size(3)));
            same(engine.weightGradient(convolution, gy, input), engine.weightGradient(convolution, g, x));
        }
    }

    private void same(Tensor expected, DeviceTensor actual) {
        try (actual) {
            assertArrayEquals(expected.shape(), actual.shape());
            assertArrayEquals(expected.toArray(), values(actual));
        }
    }

    @Test
    void aClosedTensorIsRefusedEverywhere() {
        DeviceTensor closed = engine.upload(input);
        closed.close();
        closed.close();
        try (Prepared prepared = engine.prepare(LAYER, weight, null);
                DeviceTensor w = engine.upload(weight)) {
            Tensor y = prepared.forward(input);
            for (Executable use : List.<Executable>of(
                    () -> engine.download(closed),
                    () -> engine.download(closed, input.copy()),
                    () -> engine.upload(input.copy(), closed),
                    () -> prepared.forward(closed),
                    () -> prepared.forward(closed, y),
                    () -> engine.forward(LAYER, closed, w, null),
                    () -> engine.biasGradient(closed))) {
                assertEquals(
                        "the device tensor is closed: float32(2, 4, 3, 5) on the device",
                        assertThrows(IllegalStateException.class, use).getMessage());
            }
        }
    }

    @Test
    void aTensorOfAnotherEngineIsRefusedWithTheRule() {
        try (Engine other = Tconv.open(name);
                DeviceTensor foreign = other.upload(input);
                DeviceTensor foreignWeight = other.upload(weight);
                Prepared prepared = engine.prepare(LAYER, weight, null)) {
            refused("input", foreign, () -> prepared.forward(foreign));
            refused("source", foreign, () -> engine.download(foreign));
            refused("target", foreign, () -> engine.upload(input.copy(), foreign));
            refused("output gradient", foreign, () -> engine.biasGradient(foreign, Tensor.zeros(4)));
            try (DeviceTensor x = engine.upload(input)) {
                refused("weight", foreignWeight, () -> engine.forward(LAYER, x, foreignWeight, null));
            }
        }
    }

    private static void refused(String tensor, DeviceTensor given, Executable use) {
        assertEquals(
                tensor + " must be a device tensor of this engine: " + given + " of another",
                assertThrows(IllegalArgumentException.class, use).getMessage());
    }

    @Test
    void aResultSharesNoMemoryWithAnOperandNorWithWhatWasLentForIt() {
        TransposedConvolution same = TransposedConvolution.of1d().channels(2, 2).build();
        Tensor x = sines(1, 2, 3);
        try (Prepared prepared = engine.prepare(same, sines(2, 2, 1), null);
                DeviceTensor lent = engine.upload(x);
                DeviceTensor again = engine.upload(x.reshape(1, 2, 3))) {
            for (Operand[] pair : new Operand[][] {{lent, lent}, {lent, x}, {x, lent}, {lent, again}}) {
                assertEquals(
                        "output must not share memory with an operand: " + pair[1],
                        assertThrows(IllegalArgumentException.class, () -> prepared.forward(pair[0], pair[1]))
                                .getMessage());
            }
        }
    }

    @Test
    void shapesAreChecked() {
        try (DeviceTensor tensor = engine.allocate(2, 3)) {
            assertEquals(
                    "target must have shape [3, 2]: float32(2, 3) on the device",
                    assertThrows(IllegalArgumentException.class, () -> engine.upload(Tensor.zeros(3, 2), tensor))
                            .getMessage());
            assertEquals(
                    "target must have shape [2, 3]: float32(6)",
                    assertThrows(IllegalArgumentException.class, () -> engine.download(tensor, Tensor.zeros(6)))
                            .getMessage());
        }
        assertEquals(
                "tensor sizes must be positive: [2, 0]",
                assertThrows(IllegalArgumentException.class, () -> engine.allocate(2, 0))
                        .getMessage());
    }

    @Test
    void closingTheEngineClosesItsTensors() {
        DeviceTensor lent = engine.upload(input);
        DeviceTensor made = engine.allocate(3);
        engine.close();
        for (Executable use : List.<Executable>of(
                () -> engine.download(lent), () -> engine.allocate(1), () -> engine.upload(Tensor.zeros(3), made))) {
            assertEquals(
                    "the engine is closed",
                    assertThrows(IllegalStateException.class, use).getMessage());
        }
        lent.close();
        made.close();
    }

    @Test
    void threadsChainOnOneEngine() throws Exception {
        try (Prepared prepared = engine.prepare(LAYER, weight, bias)) {
            float[] expected = prepared.forward(prepared.forward(input)).toArray();
            ExecutorService threads = Executors.newFixedThreadPool(8);
            try {
                List<Future<?>> chains = new ArrayList<>();
                for (int t = 0; t < 8; t++) {
                    chains.add(threads.submit(() -> {
                        for (int round = 0; round < 20; round++) {
                            try (DeviceTensor x = engine.upload(input);
                                    DeviceTensor y = prepared.forward(x);
                                    DeviceTensor z = prepared.forward(y)) {
                                assertArrayEquals(expected, values(z));
                            }
                        }
                    }));
                }
                for (Future<?> chain : chains) {
                    chain.get();
                }
            } finally {
                threads.shutdownNow();
            }
        }
    }
}
