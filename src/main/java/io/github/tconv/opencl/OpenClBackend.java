package io.github.tconv.opencl;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Backend;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/** The four operations on one OpenCL device, each by the kernel of the same name. */
public final class OpenClBackend implements Backend {
    private static final System.Logger LOG = System.getLogger(OpenClBackend.class.getName());
    private static final Cleaner CLEANER = Cleaner.create();

    private final ForwardRule rule;
    private final Session session;
    private final Lifetime lifetime;
    private final Cleaner.Cleanable leak;

    private OpenClBackend(Device device, ForwardRule rule) {
        this.rule = rule;
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
                .map(info -> new OpenClBackend(found.devices().get(info.index()), ForwardRule.standard()));
    }

    /**
     * Opens the device that a user names.
     *
     * @param selector {@code opencl}, {@code gpu}, {@code accelerator}, {@code cpu}, an index or a part of a name
     * @return a backend
     * @throws IllegalArgumentException if there is no such device
     */
    public static OpenClBackend open(String selector) {
        return open(selector, ForwardRule.standard());
    }

    /** Opens the device that a user names, with a rule of the caller's. */
    static OpenClBackend open(String selector, ForwardRule rule) {
        Discovery found = Discovery.run();
        DeviceInfo info = DeviceChoice.named(selector, found.list());
        return new OpenClBackend(found.devices().get(info.index()), rule);
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
        // Only for this call, so that nothing is copied that can be used in place.
        try (PreparedForward once =
                new PreparedForward(session, problem.layer(), weight, bias, Activation.none(), rule, false)) {
            once.forward(problem, input, null, output);
        } finally {
            Reference.reachabilityFence(weight);
            Reference.reachabilityFence(bias);
        }
    }

    @Override
    public void inputGradient(
            Problem problem, Tensor outputGradient, Tensor weight, @Nullable Tensor bias, Tensor inputGradient) {
        Problem rank3 = problem.asRank3();
        String options = LayerConstants.withBias(LayerConstants.of(rank3.layer()), bias != null);
        Program program = session.programs().get(List.of("common", "input_gradient"), options);
        Programs.KERNELS_RUN.lock();
        try (DeviceBuffer gy = session.operand(outputGradient);
                DeviceBuffer w = session.operand(weight);
                DeviceBuffer b = bias == null ? null : session.operand(bias);
                DeviceBuffer gx = session.result(inputGradient)) {
            try (Kernel kernel = program.kernel("input_gradient")) {
                kernel.with(gy)
                        .with(w)
                        .with(b == null ? w : b)
                        .with(gx)
                        .with(LayerConstants.sizes(rank3))
                        .enqueue(session.queue(), NdRange.ofImage(rank3.inputShape()));
            }
            session.fetch(gx, inputGradient, program);
        } finally {
            Programs.KERNELS_RUN.unlock();
            Reference.reachabilityFence(outputGradient);
            Reference.reachabilityFence(weight);
            Reference.reachabilityFence(bias);
        }
    }

    @Override
    public void weightGradient(Problem problem, Tensor input, Tensor outputGradient, Tensor weightGradient) {
        Problem rank3 = problem.asRank3();
        TransposedConvolution layer = rank3.layer();
        Program program = session.programs().get(List.of("common", "weight_gradient"), LayerConstants.of(layer));
        Programs.KERNELS_RUN.lock();
        try (DeviceBuffer x = session.operand(input);
                DeviceBuffer gy = session.operand(outputGradient);
                DeviceBuffer gw = session.result(weightGradient)) {
            try (Kernel kernel = program.kernel("weight_gradient")) {
                kernel.with(x)
                        .with(gy)
                        .with(gw)
                        .with(LayerConstants.sizes(rank3))
                        .enqueue(session.queue(), NdRange.of(weightGradient.elements()));
            }
            session.fetch(gw, weightGradient, program);
        } finally {
            Programs.KERNELS_RUN.unlock();
            Reference.reachabilityFence(input);
            Reference.reachabilityFence(outputGradient);
        }
    }

    @Override
    public void biasGradient(Tensor outputGradient, Tensor biasGradient) {
        // The common file needs the constants of some layer; this kernel uses none of them.
        Program program = session.programs()
                .get(
                        List.of("common", "bias_gradient"),
                        LayerConstants.of(TransposedConvolution.of3d().build()));
        int batch = outputGradient.size(0);
        int channels = outputGradient.size(1);
        Programs.KERNELS_RUN.lock();
        try (DeviceBuffer gy = session.operand(outputGradient);
                DeviceBuffer gb = session.result(biasGradient)) {
            try (Kernel kernel = program.kernel("bias_gradient")) {
                kernel.with(gy)
                        .with(gb)
                        .with(batch, channels, outputGradient.elements() / (batch * channels))
                        .enqueue(session.queue(), NdRange.of(channels));
            }
            session.fetch(gb, biasGradient, program);
        } finally {
            Programs.KERNELS_RUN.unlock();
            Reference.reachabilityFence(outputGradient);
        }
    }

    @Override
    public PreparedLayer prepare(
            TransposedConvolution layer, Tensor weight, @Nullable Tensor bias, Activation activation) {
        return new PreparedForward(session, layer, weight, bias, activation, rule, true);
    }

    @Override
    public void close() {
        lifetime.closedByOwner.set(true);
        leak.clean();
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
