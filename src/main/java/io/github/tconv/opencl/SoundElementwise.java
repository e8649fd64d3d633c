package io.github.tconv.opencl;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Elementwise;
import io.github.tconv.op.Loss;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Optimizer;
import io.github.tconv.op.Tensor;
import java.util.List;
import java.util.Optional;
import java.util.function.BiFunction;

/** Elementwise work by kernels that have proved themselves; what is not right on a device, the oracle computes. */
final class SoundElementwise implements Elementwise {
    private final Session session;
    private final ElementwiseKernels kernels;

    SoundElementwise(Session session, ElementwiseKernels kernels) {
        this.session = session;
        this.kernels = kernels;
    }

    private boolean isSound(
            String kernel, String options, BiFunction<Elementwise, Elementwise, Optional<String>> difference) {
        return session.selfCheck()
                .sound(
                        kernel,
                        options,
                        () -> kernels.program(kernel, options),
                        (program, oracle) -> difference.apply(kernels, oracle.elementwise()))
                .isPresent();
    }

    private Elementwise oracle() {
        return session.selfCheck().oracle().elementwise();
    }

    private Tensor onHost(Operand operand) {
        return Substitute.onHost(session, operand);
    }

    private Activation onHost(Activation activation) {
        Operand slopes = activation.slopes();
        return slopes == null ? activation : Activation.prelu(onHost(slopes));
    }

    @Override
    public void activate(Activation activation, Operand input, Operand output) {
        if (isSound(
                ElementwiseKernels.ACTIVATE,
                ElementwiseKernels.options(activation),
                (tried, right) -> ElementwiseTrials.activate(activation, tried, right))) {
            kernels.activate(activation, input, output);
            return;
        }
        Activation function = onHost(activation);
        Tensor x = onHost(input);
        Substitute.intoHost(session, output, y -> oracle().activate(function, x, y));
    }

    @Override
    public void activationGradient(
            Activation activation, Operand input, Operand outputGradient, Operand inputGradient) {
        if (isSound(
                ElementwiseKernels.ACTIVATION_GRADIENT,
                ElementwiseKernels.options(activation),
                (tried, right) -> ElementwiseTrials.activationGradient(activation, tried, right))) {
            kernels.activationGradient(activation, input, outputGradient, inputGradient);
            return;
        }
        Activation function = onHost(activation);
        Tensor x = onHost(input);
        Tensor gy = onHost(outputGradient);
        Substitute.intoHost(session, inputGradient, gx -> oracle().activationGradient(function, x, gy, gx));
    }

    @Override
    public void slopeGradient(Operand input, Operand outputGradient, Operand slopeGradient) {
        if (Parted.isSound(session)
                && isSound(ElementwiseKernels.SLOPE_GRADIENT, LayerConstants.ANY, ElementwiseTrials::slopeGradient)) {
            kernels.slopeGradient(input, outputGradient, slopeGradient);
            return;
        }
        Tensor x = onHost(input);
        Tensor gy = onHost(outputGradient);
        Substitute.intoHost(session, slopeGradient, gs -> oracle().slopeGradient(x, gy, gs));
    }

    @Override
    public void loss(Loss loss, Operand output, Operand target, Operand outputGradient, Operand sum) {
        if (Parted.isSound(session)
                && isSound(
                        ElementwiseKernels.LOSS,
                        ElementwiseKernels.options(loss),
                        (tried, right) -> ElementwiseTrials.loss(loss, tried, right))) {
            kernels.loss(loss, output, target, outputGradient, sum);
            return;
        }
        Tensor y = onHost(output);
        Tensor t = onHost(target);
        Substitute.intoHost(
                session,
                outputGradient,
                gy -> Substitute.intoHost(session, sum, total -> oracle().loss(loss, y, t, gy, total)));
    }

    @Override
    public void step(
            Optimizer optimizer,
            long step,
            Operand weight,
            Operand gradient,
            List<? extends Operand> memory,
            Operand moved) {
        if (isSound(
                ElementwiseKernels.name(optimizer),
                LayerConstants.ANY,
                (tried, right) -> ElementwiseTrials.step(optimizer, tried, right))) {
            kernels.step(optimizer, step, weight, gradient, memory, moved);
            return;
        }
        Tensor w = onHost(weight);
        Tensor g = onHost(gradient);
        List<Tensor> remembered = memory.stream().map(this::onHost).toList();
        Substitute.intoHost(session, moved, next -> oracle().step(optimizer, step, w, g, remembered, next));
        for (int i = 0; i < memory.size(); i++) {
            Tensor changed = remembered.get(i);
            if (memory.get(i) != changed) {
                Substitute.intoHost(session, memory.get(i), to -> Slices.copy(0, changed, 0, to, 0, changed.size(0)));
            }
        }
    }

    @Override
    public void finite(List<? extends Operand> tensors, Operand verdicts) {
        if (isSound(ElementwiseKernels.FINITE, LayerConstants.ANY, ElementwiseTrials::finite)) {
            kernels.finite(tensors, verdicts);
            return;
        }
        List<Tensor> values = tensors.stream().map(this::onHost).toList();
        Substitute.intoHost(session, verdicts, to -> oracle().finite(values, to));
    }
}
