package io.github.tconv.opencl;

import io.github.tconv.op.Activation;
import io.github.tconv.op.DeviceException;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Several devices as one: they share the images of a batch, by the speed that they showed. The bits are those of the first
 * device alone, opened with the same {@link Rounding}: it chooses the variant of a layer, and all others compute by that, if
 * they are of its kind or show that they give its bits.
 *
 * <p>The forward pass and the gradient by the input are shared. Sums over the batch, the gradients by weight and bias,
 * stay on one device, and so does all that has to do with device tensors, which lie on the first.
 *
 * <p>A device that fails is left out from then on, and what it was to compute goes to the others; where all fail, the
 * call does, and none is left out.
 */
final class SharedBackend extends ForwardingBackend {
    /** Layers of calls without a prepared one, whose variants are remembered. */
    private static final int MOST_AGREEMENTS = 1024;

    /**
     * Operations for which it is worth it to have another device take part, whose thread takes its time to wake up.
     */
    static final long LEAST_FLOPS = 2_000_000;

    private final Members members;
    private final Sharing sharing;
    /** Where device tensors lie, for good. */
    private final OpenClBackend home;

    private final Map<Asked, Agreement> agreements = new LinkedHashMap<>(16, 0.75f, /* accessOrder= */ true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Asked, Agreement> eldest) {
            return size() > MOST_AGREEMENTS;
        }
    };

    /** What decides a variant beside the device. */
    private record Asked(Parts direction, Problem ofOneImage, boolean hasBias) {}

    /**
     * Makes one of several.
     *
     * @param backends which this then owns, the first of which decides; all choose variants as it does
     * @param leastFlops operations for which it is worth it to have another device take part
     */
    SharedBackend(List<OpenClBackend> backends, long leastFlops) {
        super(backends.get(0));
        members = new Members(backends);
        sharing = new Sharing(members, leastFlops);
        home = members.first().backend();
    }

    /**
     * Opens several devices, or parts of them.
     *
     * @param chosen which of them
     * @param found all devices
     * @param opener opens one, to choose variants as the first would
     * @throws IllegalArgumentException if they have not as many parts
     * @throws DeviceException if one of them cannot be opened
     */
    static SharedBackend open(
            List<DeviceChoice.Choice> chosen, List<Device> found, Function<Device, OpenClBackend> opener) {
        Deque<Device> unopened = new ArrayDeque<>();
        List<OpenClBackend> opened = new ArrayList<>();
        try {
            for (DeviceChoice.Choice choice : chosen) {
                unopened.addAll(DeviceParts.of(found.get(choice.device().index()), choice.parts()));
            }
            while (!unopened.isEmpty()) {
                opened.add(opener.apply(unopened.remove()));
            }
            return new SharedBackend(opened, LEAST_FLOPS);
        } catch (RuntimeException | Error e) {
            opened.forEach(OpenClBackend::close);
            unopened.stream().filter(Device::part).forEach(DeviceParts::release);
            throw e;
        }
    }

    /** How the devices' speeds compare. */
    double[] relativeSpeeds() {
        return sharing.relativeSpeeds();
    }

    @Override
    public String describe() {
        return members.describe();
    }

    @Override
    public void forward(Problem problem, Operand input, Operand weight, @Nullable Operand bias, Operand output) {
        if (isOnDevice(input) || isOnDevice(weight) || isOnDevice(bias) || isOnDevice(output)) {
            home.forward(problem, input, weight, bias, output);
        } else {
            once(Parts.FORWARD, problem, (Tensor) input, (Tensor) weight, (Tensor) bias, (Tensor) output);
        }
    }

    @Override
    public void inputGradient(
            Problem problem, Operand outputGradient, Operand weight, @Nullable Operand bias, Operand inputGradient) {
        if (isOnDevice(outputGradient) || isOnDevice(weight) || isOnDevice(bias) || isOnDevice(inputGradient)) {
            home.inputGradient(problem, outputGradient, weight, bias, inputGradient);
        } else {
            once(Parts.INPUT_GRADIENT, problem, (Tensor) outputGradient, (Tensor) weight, (Tensor) bias, (Tensor)
                    inputGradient);
        }
    }

    /** Whether an operand lies on the first device. */
    static boolean isOnDevice(@Nullable Operand operand) {
        return operand instanceof DeviceTensor;
    }

    private void once(
            Parts direction, Problem problem, Tensor read, Tensor weight, @Nullable Tensor bias, Tensor written) {
        Agreement agreement = agree(direction, problem, weight, bias);
        Sharing.OnMember computation = (member, part, from, none, to) ->
                member.backend().once(direction, part, from, weight, bias, to, agreement.variantOn(member));
        if (agreement.isOnPlainJava()) {
            members.onOne(member -> {
                computation.compute(member, problem, read, null, written);
                return written;
            });
        } else {
            sharing.compute(problem, read, null, written, agreement.takers(/* hasResidual= */ false), computation);
        }
    }

    private Agreement agree(Parts direction, Problem problem, Tensor weight, @Nullable Tensor bias) {
        Asked asked = new Asked(direction, Sharing.part(problem, 1), bias != null);
        synchronized (agreements) {
            Agreement known = agreements.get(asked);
            if (known != null) {
                return known;
            }
        }
        Witness.Subject subject = new Witness.Subject(direction, problem.layer(), bias != null, Activation.none());
        Agreement agreed = members.onOne(member -> new Agreement(
                members, member, subject, member.backend().variantOf(direction, problem, weight, bias), problem));
        synchronized (agreements) {
            Agreement earlier = agreements.putIfAbsent(asked, agreed);
            return earlier == null ? agreed : earlier;
        }
    }

    @Override
    public void weightGradient(Problem problem, Operand input, Operand outputGradient, Operand weightGradient) {
        if (isOnDevice(input) || isOnDevice(outputGradient) || isOnDevice(weightGradient)) {
            home.weightGradient(problem, input, outputGradient, weightGradient);
        } else {
            members.onOne(member -> {
                member.backend().weightGradient(problem, input, outputGradient, weightGradient);
                return weightGradient;
            });
        }
    }

    @Override
    public void biasGradient(Operand outputGradient, Operand biasGradient) {
        if (isOnDevice(outputGradient) || isOnDevice(biasGradient)) {
            home.biasGradient(outputGradient, biasGradient);
        } else {
            members.onOne(member -> {
                member.backend().biasGradient(outputGradient, biasGradient);
                return biasGradient;
            });
        }
    }

    @Override
    public PreparedLayer prepare(
            TransposedConvolution layer, Tensor weight, @Nullable Tensor bias, Activation activation) {
        return new SharedLayer(members, sharing, Parts.FORWARD, layer, weight, bias, activation);
    }

    @Override
    public PreparedLayer prepareAdjoint(
            TransposedConvolution layer, Tensor weight, @Nullable Tensor bias, Activation activation) {
        return new SharedLayer(members, sharing, Parts.INPUT_GRADIENT, layer, weight, bias, activation);
    }

    @Override
    public void close() {
        members.close();
    }
}
