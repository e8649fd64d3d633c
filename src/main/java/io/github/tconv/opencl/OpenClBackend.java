package io.github.tconv.opencl;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Backend;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Elementwise;
import io.github.tconv.op.Lifetime;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.lang.ref.Reference;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** The four operations on one OpenCL device, each by the kernel of the same name. */
public final class OpenClBackend implements Backend {
    private final ForwardRule rule;
    private final GradientRules gradientRules;
    private final Launches forwardLaunches = new Launches();
    private final Launches inputGradientLaunches = new Launches();
    private final Session session;
    private final WeightGradient weightGradient;
    private final BiasGradient biasGradient;
    private final Elementwise elementwise;
    private final Lifetime lifetime;

    /** Opens a device, with a rule of the caller's for the forward pass and no self-check. */
    OpenClBackend(Device device, ForwardRule rule) {
        this(device, rule, SelfCheck.OFF);
    }

    /** Opens a device, with a rule of the caller's for the forward pass and a check of the caller's. */
    OpenClBackend(Device device, ForwardRule rule, SelfCheck selfCheck) {
        this(device, rule, GradientRules.standard(), selfCheck);
    }

    /** Opens a device, with rules and a check of the caller's. */
    OpenClBackend(Device device, ForwardRule rule, GradientRules gradientRules, SelfCheck selfCheck) {
        this(device, rule, gradientRules, selfCheck, Rounding.of(/* mayContract= */ true));
    }

    /** As the other, with a rounding of the caller's. */
    OpenClBackend(
            Device device, ForwardRule rule, GradientRules gradientRules, SelfCheck selfCheck, Rounding rounding) {
        this.rule = rule;
        this.gradientRules = gradientRules;
        session = new Session(device, ProgramCache.ofUser(), selfCheck, rounding);
        weightGradient = new WeightGradient(session, gradientRules.weightGradient());
        biasGradient = new BiasGradient(session);
        ElementwiseKernels kernels = new ElementwiseKernels(session);
        elementwise = selfCheck.isOn() ? new SoundElementwise(session, kernels) : kernels;
        lifetime = new Lifetime(this, "an engine on " + device, Lifetime.Frequency.RARE, () -> true, session::close);
    }

    /**
     * Opens the preferred usable device.
     *
     * @param oracle what every program is compared with before it computes for a caller, and what computes where none is
     *     right; stays the caller's. Null for no such check
     * @param tuned whether to take what {@link Tuner} found
     * @param contracted whether a product and the sum to which it is added may be rounded once
     * @return a backend, or empty if there is none, for which {@link #whyNone} has the reason
     */
    public static Optional<Backend> openPreferred(@Nullable Backend oracle, boolean tuned, boolean contracted) {
        Discovery found = Discovery.run();
        return DeviceChoice.preferred(found.list())
                .map(info -> ofDevice(found.devices().get(info.index()), oracle, tuned, Rounding.of(contracted)));
    }

    /**
     * Opens the device that a user names, or several as one.
     *
     * @param selector {@code opencl}, {@code gpu}, {@code accelerator}, {@code cpu}, an index or a part of a name; several
     *     with commas between; {@code /N} behind one for its N parts; or {@code all} of the preferred device's kind
     * @param oracle as for {@link #openPreferred}
     * @param tuned as for {@link #openPreferred}
     * @param contracted as for {@link #openPreferred}; never, if the devices are not all of one kind
     * @return a backend
     * @throws IllegalArgumentException if there is no such device
     */
    public static Backend open(String selector, @Nullable Backend oracle, boolean tuned, boolean contracted) {
        Discovery found = Discovery.run();
        List<DeviceChoice.Choice> chosen = DeviceChoice.several(selector, found);
        Device first = found.devices().get(chosen.get(0).device().index());
        if (chosen.size() == 1 && chosen.get(0).parts() == 1) {
            return ofDevice(first, oracle, tuned, Rounding.of(contracted));
        }
        boolean ofOneKind = chosen.stream()
                .map(choice -> found.devices().get(choice.device().index()))
                .allMatch(device -> first.differenceFrom(device).isEmpty());
        ForwardRule rule = ruleFor(first, tuned);
        GradientRules gradientRules = GradientRules.standard();
        return SharedBackend.open(
                chosen,
                found.devices(),
                device -> new OpenClBackend(
                        device,
                        rule.decidedFor(first),
                        gradientRules.decidedFor(first),
                        oracle == null ? SelfCheck.OFF : SelfCheck.of(device, oracle),
                        Rounding.of(contracted && ofOneKind)));
    }

    private static OpenClBackend ofDevice(Device device, @Nullable Backend oracle, boolean tuned, Rounding rounding) {
        return new OpenClBackend(
                device,
                ruleFor(device, tuned),
                GradientRules.standard(),
                oracle == null ? SelfCheck.OFF : SelfCheck.of(device, oracle),
                rounding);
    }

    private static ForwardRule ruleFor(Device device, boolean tuned) {
        ForwardRule rule = ForwardRule.standard();
        return tuned ? Tuning.of(device).before(rule) : rule;
    }

    /** Opens the device that a user names, as it is without any file of the user's. */
    static OpenClBackend open(String selector) {
        return open(selector, ForwardRule.standard());
    }

    /** Opens the device that a user names, with a rule of the caller's and no self-check. */
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
     * Counts the native handles that this process owns through this library: of contexts, queues, programs, kernels,
     * buffers and events.
     *
     * @return 0 if every engine is closed
     */
    public static long nativeHandles() {
        return Handles.live();
    }

    /**
     * Says why no device can be used.
     *
     * @return one line
     */
    public static String whyNone() {
        return DeviceChoice.whyNone(devices());
    }

    Device device() {
        return session.device();
    }

    @Override
    public String describe() {
        DeviceInfo info = session.device().info();
        return "OpenCL %s %s (%s, driver %s, %d compute units)"
                .formatted(info.type(), info.name(), info.platform(), info.driver(), info.computeUnits());
    }

    @Override
    public double errorGrowth(Problem problem) {
        return rule.choose(problem.asRank3(), session.device()).errorGrowth();
    }

    @Override
    public double inputGradientErrorGrowth(Problem problem) {
        return gradientRules
                .inputGradient()
                .choose(problem.asRank3(), session.device())
                .errorGrowth();
    }

    @Override
    public double weightGradientErrorGrowth(Problem problem) {
        return gradientRules
                .weightGradient()
                .choose(problem.asRank3(), session.device())
                .errorGrowth();
    }

    @Override
    public void forward(Problem problem, Operand input, Operand weight, @Nullable Operand bias, Operand output) {
        once(Parts.FORWARD, problem, input, weight, bias, output, null);
    }

    /**
     * Computes with a layer that lives only for this call, so that nothing is copied that can be used in place.
     *
     * @param followed the variant to compute by, or null for the rule's
     */
    void once(
            Parts direction,
            Problem problem,
            Operand input,
            Operand weight,
            @Nullable Operand bias,
            Operand output,
            @Nullable ForwardVariant followed) {
        try (PreparedForward once = forOneCall(direction, problem.layer(), weight, bias)) {
            if (followed != null) {
                once.follow(followed);
            }
            once.forward(problem, input, null, output);
            if (input instanceof DeviceTensor
                    && output instanceof DeviceTensor
                    && session.host().inPlace()) {
                awaitOwnersOf(weight, bias);
            }
        } finally {
            Reference.reachabilityFence(weight);
            Reference.reachabilityFence(bias);
        }
    }

    /** Returns the variant by which {@link #once} would compute, or null where it would be the oracle. */
    @Nullable
    ForwardVariant variantOf(Parts direction, Problem problem, Tensor weight, @Nullable Tensor bias) {
        try (PreparedForward once = forOneCall(direction, problem.layer(), weight, bias)) {
            ForwardVariant variant = once.settle(problem, /* hasResidual= */ false);
            // It packed the weight, in the caller's memory.
            session.finish();
            return variant;
        } finally {
            Reference.reachabilityFence(weight);
            Reference.reachabilityFence(bias);
        }
    }

    private PreparedForward forOneCall(
            Parts direction, TransposedConvolution layer, Operand weight, @Nullable Operand bias) {
        return PreparedForward.forOneCall(
                session,
                layer,
                weight,
                bias,
                direction,
                rule(direction),
                direction == Parts.FORWARD ? forwardLaunches : inputGradientLaunches);
    }

    private ForwardRule rule(Parts direction) {
        return switch (direction) {
            case FORWARD -> rule;
            case INPUT_GRADIENT -> gradientRules.inputGradient();
        };
    }

    /** Waits for the device where it may still read the host's own memory. */
    private void awaitOwnersOf(Operand weight, @Nullable Operand bias) {
        if (weight instanceof Tensor || bias instanceof Tensor) {
            session.finish();
        }
    }

    @Override
    public void inputGradient(
            Problem problem, Operand outputGradient, Operand weight, @Nullable Operand bias, Operand inputGradient) {
        once(Parts.INPUT_GRADIENT, problem, outputGradient, weight, bias, inputGradient, null);
    }

    @Override
    public void weightGradient(Problem problem, Operand input, Operand outputGradient, Operand weightGradient) {
        this.weightGradient.compute(problem, input, outputGradient, weightGradient);
    }

    @Override
    public void biasGradient(Operand outputGradient, Operand biasGradient) {
        this.biasGradient.compute(outputGradient, biasGradient);
    }

    @Override
    public Elementwise elementwise() {
        return elementwise;
    }

    @Override
    public Tensor resultTensor(int... shape) {
        return session.host().resultTensor(shape);
    }

    @Override
    public Memory allocate(int elements) {
        return new DeviceMemory(session, session.borrow(elements), null);
    }

    @Override
    public Memory lend(Tensor tensor) {
        return new DeviceMemory(
                session, session.host().operand(tensor), session.host().inPlace() ? tensor : null);
    }

    @Override
    public void upload(Tensor source, DeviceTensor target) {
        try (Call call = session.call()) {
            session.host().write(source, call.result(target));
            call.complete();
        }
    }

    @Override
    public void download(DeviceTensor source, Tensor target) {
        try (Call call = session.call()) {
            session.host().read(call.operand(source), target);
            call.complete();
        }
    }

    @Override
    public PreparedLayer prepare(
            TransposedConvolution layer, Tensor weight, @Nullable Tensor bias, Activation activation) {
        return prepare(Parts.FORWARD, layer, weight, bias, activation);
    }

    @Override
    public PreparedLayer prepareAdjoint(
            TransposedConvolution layer, Tensor weight, @Nullable Tensor bias, Activation activation) {
        return prepare(Parts.INPUT_GRADIENT, layer, weight, bias, activation);
    }

    /** Brings a layer to the device, for either direction. */
    PreparedForward prepare(
            Parts direction, TransposedConvolution layer, Tensor weight, @Nullable Tensor bias, Activation activation) {
        return new PreparedForward(
                session,
                layer,
                weight,
                bias,
                activation,
                direction,
                rule(direction),
                /* copy= */ true,
                session.selfCheck());
    }

    @Override
    public void close() {
        lifetime.close();
    }
}
