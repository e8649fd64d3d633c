package com.example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.Engine;
import io.github.tconv.Prepared;
import io.github.tconv.Tconv;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Lifetime;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.opencl.OpenClBackend;
import java.text.MessageFormat;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A program outside the library that forgets to close: everything is freed, and said once, with the line that made it. */
class LeakTest {
    private static final Problem PROBLEM = Problem.parse("ic2_oc3_i3x4_k2x3_s2x1");
    private static final Logger LOG = Logger.getLogger(Lifetime.class.getName());

    private final long before = OpenClBackend.nativeHandles();
    private final List<String> warnings = new CopyOnWriteArrayList<>();
    private final Handler listener = new Handler() {
        @Override
        public void publish(LogRecord entry) {
            warnings.add(MessageFormat.format(entry.getMessage(), entry.getParameters()));
        }

        @Override
        public void flush() {
            // Nothing waits.
        }

        @Override
        public void close() {
            // Nothing is open.
        }
    };

    @BeforeEach
    void listen() {
        LOG.addHandler(listener);
        LOG.setUseParentHandlers(false);
    }

    @AfterEach
    void stopListening() {
        LOG.removeHandler(listener);
        LOG.setUseParentHandlers(true);
    }

    private static void collectUntil(int handlesAtMost) throws InterruptedException {
        for (int i = 0; i < 200 && OpenClBackend.nativeHandles() > handlesAtMost; i++) {
            System.gc();
            Thread.sleep(10);
        }
    }

    private static boolean noDevice() {
        return OpenClBackend.devices().devices().stream().noneMatch(device -> device.unusable() == null);
    }

    private static Prepared prepare(Engine engine) {
        return engine.prepare(PROBLEM.layer(), Tensor.zeros(PROBLEM.layer().weightShape()), Tensor.zeros(3));
    }

    private static Tensor forget(Engine engine) {
        Prepared forgotten = prepare(engine);
        return forgotten.forward(Tensor.zeros(PROBLEM.inputShape()));
    }

    @Test
    void aForgottenPreparedLayerIsFreedAndSaysWhereItWasMade() throws InterruptedException {
        if (noDevice()) {
            return;
        }
        try (Engine engine = Tconv.open("opencl")) {
            try (Prepared warm = prepare(engine)) {
                Tensor unused = warm.forward(Tensor.zeros(PROBLEM.inputShape()));
            }
            int open = (int) OpenClBackend.nativeHandles();
            Tensor unused = forget(engine);
            collectUntil(open);
            assertEquals(1, warnings.size(), () -> "warnings: " + warnings);
            assertTrue(
                    warnings.get(0).contains("a prepared layer, ic2_oc3_k2x3_s2x1 was never closed")
                            && warnings.get(0).contains("com.example.LeakTest.prepare(LeakTest.java:"),
                    warnings::toString);
        }
        assertEquals(before, OpenClBackend.nativeHandles());
    }

    private static void forgetEngine() {
        Engine forgotten = Tconv.open("opencl");
        forgotten.describe();
    }

    @Test
    void aForgottenEngineIsFreedAndSaysWhereItWasMade() throws InterruptedException {
        if (noDevice()) {
            return;
        }
        forgetEngine();
        collectUntil((int) before);
        assertEquals(before, OpenClBackend.nativeHandles());
        assertEquals(1, warnings.size(), () -> "warnings: " + warnings);
        assertTrue(
                warnings.get(0).contains("an engine on ")
                        && warnings.get(0).contains("com.example.LeakTest.forgetEngine(LeakTest.java:"),
                warnings::toString);
    }

    /** Tensors are made for every call, so the place is looked for from the first one that leaks on. */
    @Test
    void theSecondForgottenTensorSaysWhereItWasMade() throws InterruptedException {
        if (noDevice()) {
            return;
        }
        try (Engine engine = Tconv.open("opencl")) {
            int open = (int) OpenClBackend.nativeHandles();
            for (int i = 0; i < 2; i++) {
                DeviceTensor forgotten = engine.allocate(3);
                forgotten.checkOpen();
                forgotten = null;
                collectUntil(open);
            }
            assertEquals(2, warnings.size(), () -> "warnings: " + warnings);
            assertTrue(
                    warnings.get(1).contains("float32(3) on the device was never closed")
                            && warnings.get(1).contains("com.example.LeakTest.theSecondForgottenTensor"),
                    warnings::toString);
        }
    }

    @Test
    void whatIsClosedIsNotMentioned() {
        try (Engine engine = Tconv.open();
                Prepared prepared = prepare(engine);
                DeviceTensor x = engine.upload(Tensor.zeros(PROBLEM.inputShape()))) {
            prepared.forward(x).close();
        }
        System.gc();
        assertEquals(List.of(), warnings);
    }
}
