package io.github.tconv.opencl;

import io.github.tconv.op.Backend;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/** The four operations on one OpenCL device, each by the kernel of the same name. */
public final class OpenClBackend implements Backend {
    private static final System.Logger LOG = System.getLogger(OpenClBackend.class.getName());
    private static final Cleaner CLEANER = Cleaner.create();

    private final Session session;
    private final Lifetime lifetime;
    private final Cleaner.Cleanable leak;

    private OpenClBackend(Device device) {
        session = new Session(device);
        lifetime = new Lifetime(session);
        leak = CLEANER.register(this, lifetime);
    }

    /**
     * Opens the preferred usable device.
     *
     * @return a backend, or empty if there is none, for which {@link #whyNone} has the reason
     */
    public static Optional<OpenClBackend> openPreferred() {
        Discovery found = Discovery.run();
        return DeviceChoice.preferred(found.list())
                .map(info -> new OpenClBackend(found.devices().get(info.index())));
    }

    /**
     * Opens the device that a user names.
     *
     * @param selector {@code opencl}, {@code gpu}, {@code accelerator}, {@code cpu}, an index or a part of a name
     * @return a backend
     * @throws IllegalArgumentException if there is no such device
     */
    public static OpenClBackend open(String selector) {
        Discovery found = Discovery.run();
        DeviceInfo info = DeviceChoice.named(selector, found.list());
        return new OpenClBackend(found.devices().get(info.index()));
    }

    /**
     * Lists the devices of this machine.
     *
     * @return all devices, and why something is not there
     */
    public static DeviceList devices() {
        return Discovery.run().list();
    }

    /**
     * Says why no device can be used.
     *
     * @return one line
     */
    public static String whyNone() {
        return DeviceChoice.whyNone(devices());
    }

    @Override
    public String describe() {
        DeviceInfo info = session.device().info();
        return "OpenCL %s %s (%s, driver %s, %d compute units)"
                .formatted(info.type(), info.name(), info.platform(), info.driver(), info.computeUnits());
    }

    @Override
    public void forward(Problem problem, Tensor input, Tensor weight, @Nullable Tensor bias, Tensor output) {
        try (DeviceBuffer w = session.operand(weight);
                DeviceBuffer b = bias == null ? session.operand(weight) : session.operand(bias)) {
            gather("forward", problem, input, w, b, bias != null, output);
        } finally {
            Reference.reachabilityFence(weight);
            Reference.reachabilityFence(bias);
        }
    }

    @Override
    public void inputGradient(
            Problem problem, Tensor outputGradient, Tensor weight, @Nullable Tensor bias, Tensor inputGradient) {
        try (DeviceBuffer w = session.operand(weight);
                DeviceBuffer b = bias == null ? session.operand(weight) : session.operand(bias)) {
            gather("input_gradient", problem, outputGradient, w, b, bias != null, inputGradient);
        } finally {
            Reference.reachabilityFence(weight);
            Reference.reachabilityFence(bias);
        }
    }

    /** Runs one of the two kernels that map an image to an image; one work-item for each element of the target. */
    private void gather(
            String kernelName,
            Problem problem,
            Tensor source,
            DeviceBuffer weight,
            DeviceBuffer bias,
            boolean hasBias,
            Tensor target) {
        Problem rank3 = problem.asRank3();
        Program program =
                session.program(kernelName, LayerConstants.withBias(LayerConstants.of(rank3.layer()), hasBias));
        int[] shape = kernelName.equals("forward") ? rank3.outputShape() : rank3.inputShape();
        long[] globalSize = {shape[4], (long) shape[2] * shape[3], (long) shape[0] * shape[1]};
        try (DeviceBuffer from = session.operand(source);
                DeviceBuffer to = session.result(target)) {
            try (Kernel kernel = program.kernel(kernelName)) {
                kernel.with(from)
                        .with(weight)
                        .with(bias)
                        .with(to)
                        .with(LayerConstants.sizes(rank3))
                        .enqueue(session.queue(), globalSize, null);
            }
            fetch(to, target);
        } finally {
            Reference.reachabilityFence(source);
        }
    }

    @Override
    public void weightGradient(Problem problem, Tensor input, Tensor outputGradient, Tensor weightGradient) {
        Problem rank3 = problem.asRank3();
        TransposedConvolution layer = rank3.layer();
        Program program = session.program("weight_gradient", LayerConstants.of(layer));
        int[] shape = layer.weightShape();
        long[] globalSize = {shape[4], (long) shape[2] * shape[3], (long) shape[0] * shape[1]};
        try (DeviceBuffer x = session.operand(input);
                DeviceBuffer gy = session.operand(outputGradient);
                DeviceBuffer gw = session.result(weightGradient)) {
            try (Kernel kernel = program.kernel("weight_gradient")) {
                kernel.with(x)
                        .with(gy)
                        .with(gw)
                        .with(LayerConstants.sizes(rank3))
                        .enqueue(session.queue(), globalSize, null);
            }
            fetch(gw, weightGradient);
        } finally {
            Reference.reachabilityFence(input);
            Reference.reachabilityFence(outputGradient);
        }
    }

    @Override
    public void biasGradient(Tensor outputGradient, Tensor biasGradient) {
        // The common file needs the constants of some layer; this kernel uses none of them.
        Program program = session.program(
                "bias_gradient", LayerConstants.of(TransposedConvolution.of3d().build()));
        int batch = outputGradient.size(0);
        int channels = outputGradient.size(1);
        try (DeviceBuffer gy = session.operand(outputGradient);
                DeviceBuffer gb = session.result(biasGradient)) {
            try (Kernel kernel = program.kernel("bias_gradient")) {
                kernel.with(gy)
                        .with(gb)
                        .with(batch, channels, outputGradient.elements() / (batch * channels))
                        .enqueue(session.queue(), new long[] {channels}, null);
            }
            fetch(gb, biasGradient);
        } finally {
            Reference.reachabilityFence(outputGradient);
        }
    }

    private void fetch(DeviceBuffer result, Tensor tensor) {
        try {
            session.fetch(result, tensor);
        } catch (RuntimeException e) {
            session.drain();
            throw e;
        }
    }

    @Override
    public PreparedLayer prepare(TransposedConvolution layer, Tensor weight, @Nullable Tensor bias) {
        return new PreparedForward(weight, bias);
    }

    @Override
    public void close() {
        lifetime.closedByOwner.set(true);
        leak.clean();
    }

    /** A layer's weight and bias, kept on the device. */
    private final class PreparedForward implements PreparedLayer {
        private final DeviceBuffer weight;
        private final DeviceBuffer bias;
        private final boolean hasBias;

        PreparedForward(Tensor weight, @Nullable Tensor bias) {
            this.weight = session.keep(weight);
            this.hasBias = bias != null;
            this.bias = bias == null ? this.weight : session.keep(bias);
        }

        @Override
        public void forward(Problem problem, Tensor input, Tensor output) {
            gather("forward", problem, input, weight, bias, hasBias, output);
        }

        @Override
        public void close() {
            session.release(weight);
            session.release(bias);
        }
    }

    /** Frees the session, by its owner's close or, with a warning, by the garbage collector. */
    private static final class Lifetime implements Runnable {
        private final Session session;
        private final AtomicBoolean closedByOwner = new AtomicBoolean();

        Lifetime(Session session) {
            this.session = session;
        }

        @Override
        public void run() {
            if (!closedByOwner.get()) {
                LOG.log(
                        System.Logger.Level.WARNING,
                        "an engine on {0} was never closed; the garbage collector frees it now",
                        session.device());
            }
            session.close();
        }
    }
}
