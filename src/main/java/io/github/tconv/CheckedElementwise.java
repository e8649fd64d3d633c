package io.github.tconv;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Elementwise;
import io.github.tconv.op.Loss;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Optimizer;
import java.util.List;

/** An engine's elementwise work: checks what callers give before the backend sees it. */
final class CheckedElementwise implements Elementwise {
    private final Engine engine;
    private final Elementwise unchecked;

    CheckedElementwise(Engine engine, Elementwise unchecked) {
        this.engine = engine;
        this.unchecked = unchecked;
    }

    @Override
    public void activate(Activation activation, Operand input, Operand output) {
        checkInput(activation, input);
        engine.checkResult("output", output, input.shape(), input, activation.slopes());
        engine.whileOpen(() -> unchecked.activate(activation, input, output));
    }

    private void checkInput(Activation activation, Operand input) {
        engine.checkRank("input", input);
        Operand slopes = activation.slopes();
        if (slopes != null) {
            engine.check("slopes", slopes, input.size(1));
        }
    }

    @Override
    public void activationGradient(
            Activation activation, Operand input, Operand outputGradient, Operand inputGradient) {
        checkInput(activation, input);
        engine.check("output gradient", outputGradient, input.shape());
        engine.checkResult("input gradient", inputGradient, input.shape(), input, activation.slopes());
        checkSameOrApart("input gradient", inputGradient, outputGradient);
        engine.whileOpen(() -> unchecked.activationGradient(activation, input, outputGradient, inputGradient));
    }

    private static void checkSameOrApart(String name, Operand result, Operand operand) {
        if (result != operand) {
            Engine.checkApart(name, result, operand);
        }
    }

    @Override
    public void slopeGradient(Operand input, Operand outputGradient, Operand slopeGradient) {
        engine.checkRank("input", input);
        engine.check("output gradient", outputGradient, input.shape());
        engine.checkResult("slope gradient", slopeGradient, new int[] {input.size(1)}, input, outputGradient);
        engine.whileOpen(() -> unchecked.slopeGradient(input, outputGradient, slopeGradient));
    }

    @Override
    public void loss(Loss loss, Operand output, Operand target, Operand outputGradient, Operand sum) {
        engine.checkUsable("output", output);
        engine.check("target", target, output.shape());
        engine.checkResult("output gradient", outputGradient, output.shape(), output, target);
        engine.checkResult("sum", sum, new int[] {1}, output, target, outputGradient);
        engine.whileOpen(() -> unchecked.loss(loss, output, target, outputGradient, sum));
    }

    @Override
    public void step(
            Optimizer optimizer,
            long step,
            Operand weight,
            Operand gradient,
            List<? extends Operand> memory,
            Operand moved) {
        if (step < 1) {
            throw new IllegalArgumentException("the step must be at least 1: " + step);
        }
        if (memory.size() != optimizer.memory().size()) {
            throw new IllegalArgumentException(
                    "memory must have one tensor for each of %s: %d".formatted(optimizer.memory(), memory.size()));
        }
        engine.checkUsable("weight", weight);
        engine.check("gradient", gradient, weight.shape());
        engine.checkResult("moved", moved, weight.shape(), gradient);
        checkSameOrApart("moved", moved, weight);
        for (int i = 0; i < memory.size(); i++) {
            Operand part = memory.get(i);
            engine.checkResult("memory", part, weight.shape(), weight, gradient, moved);
            for (Operand other : memory.subList(0, i)) {
                Engine.checkApart("memory", part, other);
            }
        }
        engine.whileOpen(() -> unchecked.step(optimizer, step, weight, gradient, memory, moved));
    }

    @Override
    public void finite(List<? extends Operand> tensors, Operand verdicts) {
        for (Operand tensor : tensors) {
            engine.checkUsable("tensor", tensor);
            Engine.checkApart("verdicts", verdicts, tensor);
        }
        engine.check("verdicts", verdicts, tensors.size());
        engine.whileOpen(() -> unchecked.finite(tensors, verdicts));
    }
}
