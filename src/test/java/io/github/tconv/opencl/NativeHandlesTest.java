package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.Engine;
import io.github.tconv.op.Activation;
import io.github.tconv.op.Backend.PreparedLayer;
import io.github.tconv.op.DeviceException;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.jocl.CL;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** No native handle outlives its engine. The count is the process's, so these tests run one after another. */
class NativeHandlesTest {
    private static final Problem PROBLEM = Problem.parse("ic2_oc3_i3x4_k2x3_s2x1");

    private final long before = Handles.live();

    @AfterEach
    void nothingIsLeft() {
        assertEquals(before, Handles.live(), "native handles");
    }

    @Test
    void aThousandEnginesLeaveNothing() {
        for (DeviceInfo device : OpenClBackend.devices().devices()) {
            if (device.unusable() == null) {
                for (int i = 0; i < 1000; i++) {
                    OpenClBackend.open(String.valueOf(device.index())).close();
                }
            }
        }
    }

    @Test
    void everyOperationAndAForgottenPreparedLayerLeaveNothing() {
        Tensor input = Tensor.zeros(PROBLEM.inputShape());
        Tensor weight = Tensor.zeros(PROBLEM.layer().weightShape());
        Tensor bias = Tensor.zeros(3);
        Tensor output = Tensor.zeros(PROBLEM.outputShape());
        for (DeviceInfo device : OpenClBackend.devices().devices()) {
            if (device.unusable() == null) {
                try (OpenClBackend backend = OpenClBackend.open(String.valueOf(device.index()))) {
                    backend.forward(PROBLEM, input, weight, bias, output);
                    backend.inputGradient(PROBLEM, output, weight, null, input);
                    backend.weightGradient(PROBLEM, input, output, weight);
                    backend.biasGradient(output, bias);
                    PreparedLayer forgotten =
                            backend.prepare(PROBLEM.layer(), weight, bias, Activation.prelu(Tensor.zeros(3)));
                    forgotten.forward(PROBLEM, input, output.copy(), output);
                }
            }
        }
    }

    /** Whoever forgets to close a device tensor gets it back from the garbage collector, and the engine's close at last. */
    @Test
    void forgottenDeviceTensorsLeaveNothing() throws InterruptedException {
        for (DeviceInfo device : OpenClBackend.devices().devices()) {
            if (device.unusable() == null) {
                try (Engine engine = Engine.of(OpenClBackend.open(String.valueOf(device.index())))) {
                    long open = Handles.live();
                    engine.upload(Tensor.zeros(3));
                    assertTrue(Handles.live() > open);
                    for (int i = 0; i < 100 && Handles.live() > open; i++) {
                        System.gc();
                        Thread.sleep(10);
                    }
                    assertEquals(open, Handles.live(), "the collector closed it");
                    engine.upload(Tensor.zeros(3));
                    engine.allocate(5);
                }
            }
        }
    }

    @Test
    void aFailedBuildLeavesNothingAndNamesEverything() {
        for (DeviceInfo info : OpenClBackend.devices().devices()) {
            if (info.unusable() == null) {
                Device device = Discovery.run().devices().get(info.index());
                try (Session session = new Session(device)) {
                    String options = LayerConstants.LANGUAGE + " -DIC=this_is_no_constant";
                    String message = assertThrows(
                                    DeviceException.class,
                                    () -> session.programs().get(List.of("common", "forward"), options))
                            .getMessage();
                    assertTrue(message.contains("clBuildProgram"), message);
                    assertTrue(message.contains("forward.cl"), message);
                    assertTrue(message.contains("-DIC=this_is_no_constant"), message);
                    assertTrue(message.contains(info.name()), message);
                    assertTrue(message.contains("error"), message);
                }
            }
        }
    }

    /** As it does now and then where Java stops a thread while LLVM compiles. */
    @Test
    void aBuildThatFailsOnceOnPoclIsTriedAgain() {
        for (DeviceInfo info : OpenClBackend.devices().devices()) {
            Device device = Discovery.run().devices().get(info.index());
            if (info.unusable() == null && device.hostMemory() == Device.HostMemory.SAME) {
                long before = Handles.live();
                AtomicInteger builds = new AtomicInteger();
                Calls.Interceptor none = Calls.intercept((call, bytes) -> {
                    if (call.equals("clBuildProgram") && builds.getAndIncrement() == 0) {
                        throw FaultTest.status(CL.CL_BUILD_PROGRAM_FAILURE);
                    }
                });
                try (Session session = new Session(device)) {
                    // Such as no program on the disk has.
                    String options = LayerConstants.of(PROBLEM.asRank3().layer()) + " -DTRIED_AT=" + System.nanoTime();
                    session.programs().get(List.of("common", "weight_gradient"), options);
                } finally {
                    Calls.intercept(none);
                }
                assertEquals(2, builds.get());
                assertEquals(before, Handles.live());
            }
        }
    }

    @Test
    void aFailedLaunchNamesTheKernelAndLeavesNothing() {
        for (DeviceInfo info : OpenClBackend.devices().devices()) {
            if (info.unusable() == null) {
                Device device = Discovery.run().devices().get(info.index());
                try (Session session = new Session(device)) {
                    String options = LayerConstants.of(PROBLEM.asRank3().layer());
                    Program program = session.programs().get(List.of("common", "weight_gradient"), options);
                    try (Kernel kernel = program.kernel("weight_gradient")) {
                        // No argument is set.
                        String message = assertThrows(
                                        DeviceException.class, () -> kernel.enqueue(session.queue(), NdRange.of(1)))
                                .getMessage();
                        assertTrue(message.contains("clEnqueueNDRangeKernel"), message);
                        assertTrue(message.contains("weight_gradient"), message);
                        assertTrue(message.contains(options), message);
                        assertTrue(message.contains(info.name()), message);
                    }
                }
            }
        }
    }
}
