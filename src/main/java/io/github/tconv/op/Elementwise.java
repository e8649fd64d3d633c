package io.github.tconv.op;

import java.util.List;

/**
 * What a training does beside the operations of {@link Backend}: to each element for itself, and sums over them.
 *
 * <p>Sums are added in a fixed order: the same arguments give the same bits. Every element of a result is written, and a
 * result shares no memory with an operand unless its description says that it may. Of an engine, every method checks its
 * arguments first, may be called by many threads at once, and throws what {@link Backend}'s operations do; one with
 * device tensors alone may still run when it returns.
 */
public interface Elementwise {
    /**
     * Computes {@code output = activation(input)}.
     *
     * @param activation the function
     * @param input {@code (n, channels, spatial...)}
     * @param output of the input's shape, written
     * @throws DeviceException if the device fails
     */
    void activate(Activation activation, Operand input, Operand output);

    /**
     * Computes the gradient by an activation's input: {@code inputGradient = outputGradient * activation'(input)}. Where
     * the function has a corner, the slope is that of its left.
     *
     * @param activation the function
     * @param input what the function was applied to, {@code (n, channels, spatial...)}
     * @param outputGradient the gradient by the function's values, of the input's shape
     * @param inputGradient of the input's shape, written; may be {@code outputGradient} itself
     * @throws DeviceException if the device fails
     */
    void activationGradient(Activation activation, Operand input, Operand outputGradient, Operand inputGradient);

    /**
     * Computes the gradient of PReLU by its slopes: of each channel, the sum of {@code outputGradient * min(input, 0)}.
     *
     * @param input what PReLU was applied to, {@code (n, channels, spatial...)}
     * @param outputGradient the gradient by its values, of the input's shape
     * @param slopeGradient of shape {@code (channels)}, written
     * @throws DeviceException if the device fails
     */
    void slopeGradient(Operand input, Operand outputGradient, Operand slopeGradient);

    /**
     * Computes a loss, times the number of elements, and the loss's gradient.
     *
     * @param loss which
     * @param output what was computed
     * @param target what it should be, of the same shape
     * @param outputGradient the gradient of the loss by {@code output}, of the same shape, written
     * @param sum of shape {@code (1)}, written: the sum whose mean over all elements is the loss
     * @throws DeviceException if the device fails
     */
    void loss(Loss loss, Operand output, Operand target, Operand outputGradient, Operand sum);

    /**
     * Takes a step of an optimizer.
     *
     * @param optimizer which
     * @param step 1 for the first step
     * @param weight what is to be moved
     * @param gradient of the loss by the weight, of its shape
     * @param memory what the optimizer remembers, of the weight's shape each, in the order of {@link Optimizer#memory},
     *     changed
     * @param moved the weight after the step, of the same shape, written; may be {@code weight} itself
     * @throws DeviceException if the device fails
     */
    void step(
            Optimizer optimizer,
            long step,
            Operand weight,
            Operand gradient,
            List<? extends Operand> memory,
            Operand moved);

    /**
     * Looks for values that are infinite or no number.
     *
     * @param tensors where to look
     * @param verdicts of shape {@code (tensors)}, written: 0 where all of a tensor's values are finite, else not a number
     * @throws DeviceException if the device fails
     */
    void finite(List<? extends Operand> tensors, Operand verdicts);
}
