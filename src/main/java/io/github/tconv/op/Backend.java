package io.github.tconv.op;

import org.jspecify.annotations.Nullable;

/**
 * Computes the four operations of a {@link Problem}. Every operation is bilinear in the three tensors of the problem,
 * and all gradients of a transposed convolution and of its adjoint convolution are among them.
 *
 * <p>Callers have checked that shapes fit the problem and that no result shares memory with an operand: the
 * {@code Engine} does, and that device tensors are of this backend. Every element of a result is written, whatever it
 * held. The same arguments give the same bits. An operation with a tensor of the host's memory among its operands or
 * results has ended when it returns; one with device tensors alone may still run, in the order of the calls.
 *
 * <p>All methods may be called by many threads at once, {@link #close()} by one after all other calls have returned.
 */
public interface Backend extends AutoCloseable {

    /**
     * Says what this backend runs on.
     *
     * @return one line
     */
    String describe();

    /**
     * Computes {@code output[n,oc,o] = bias[oc] + sum of input[n,ic,i] * weight[ic,oc,k]} over all {@code i, k} with
     * {@code o = i * stride - padBegin + k * dilation}.
     *
     * @param problem the problem
     * @param input the problem's input
     * @param weight the layer's weight
     * @param bias one value an output channel, or null for zeros
     * @param output the problem's output, written
     * @throws DeviceException if the device fails
     */
    void forward(Problem problem, Operand input, Operand weight, @Nullable Operand bias, Operand output);

    /**
     * Bounds the rounding errors of a forward pass, with {@code k} terms of the longest sum (input channels of a group
     * times taps of the kernel), the unit roundoff {@code u} and {@code gamma(k) = k * u / (1 - k * u)}.
     *
     * @param problem the problem
     * @return 0 if an element is off by no more than any order of additions brings about, gamma(k) times the sum of its
     *     terms' magnitudes; else {@code g}, if it is computed from other products than the definition's, and off by at
     *     most {@code gamma(k + 12) * g * k * max |input| * max |weight|}
     */
    default double errorGrowth(Problem problem) {
        return 0;
    }

    /**
     * Bounds the rounding errors of a gradient by the input, which is the adjoint convolution, as {@link #errorGrowth} does
     * those of a forward pass, with {@code k} output channels of a group times taps of the kernel, and the output gradient
     * in place of the input.
     *
     * @param problem the problem
     * @return 0 or {@code g}
     */
    default double inputGradientErrorGrowth(Problem problem) {
        return 0;
    }

    /**
     * Bounds the rounding errors of a gradient by the weight as {@link #errorGrowth} does those of a forward pass, with
     * {@code k} positions of the input in all images, and the output gradient in place of the weight.
     *
     * @param problem the problem
     * @return 0 or {@code g}
     */
    default double weightGradientErrorGrowth(Problem problem) {
        return 0;
    }

    /**
     * Computes {@code inputGradient[n,ic,i] = bias[ic] + sum of outputGradient[n,oc,o] * weight[ic,oc,k]} over the same
     * triples: the adjoint convolution of {@code outputGradient}.
     *
     * @param problem the problem
     * @param outputGradient of the shape of the problem's output
     * @param weight the layer's weight
     * @param bias one value an input channel (the convolution's bias), or null for zeros
     * @param inputGradient of the shape of the problem's input, written
     * @throws DeviceException if the device fails
     */
    void inputGradient(
            Problem problem, Operand outputGradient, Operand weight, @Nullable Operand bias, Operand inputGradient);

    /**
     * Computes {@code weightGradient[ic,oc,k] = sum of input[n,ic,i] * outputGradient[n,oc,o]} over the same triples.
     *
     * @param problem the problem
     * @param input of the shape of the problem's input
     * @param outputGradient of the shape of the problem's output
     * @param weightGradient of the shape of the layer's weight, written
     * @throws DeviceException if the device fails
     */
    void weightGradient(Problem problem, Operand input, Operand outputGradient, Operand weightGradient);

    /**
     * Computes {@code biasGradient[c] = sum of outputGradient[n,c,o]} over all {@code n} and {@code o}.
     *
     * @param outputGradient of shape {@code (n, channels, spatial...)}
     * @param biasGradient of shape {@code (channels)}, written
     * @throws DeviceException if the device fails
     */
    void biasGradient(Operand outputGradient, Operand biasGradient);

    /**
     * Readies a layer with its weight for many calls of any batch and size.
     *
     * @param layer the layer
     * @param weight the layer's weight; later changes to it have no effect
     * @param bias one value an output channel, or null for zeros; later changes to it have no effect
     * @param activation applied to every output element; later changes to its slopes have no effect
     * @return the prepared layer
     * @throws DeviceException if the device fails
     */
    PreparedLayer prepare(TransposedConvolution layer, Tensor weight, @Nullable Tensor bias, Activation activation);

    /**
     * Readies the adjoint convolution of a layer with its weight for many calls of any batch and size.
     *
     * @param layer the layer, whose output the convolution reads and whose input it writes
     * @param weight the layer's weight; later changes to it have no effect
     * @param bias one value an input channel of the layer, or null for zeros; later changes to it have no effect
     * @param activation applied to every element written; later changes to its slopes, one an input channel of the layer,
     *     have no effect
     * @return the prepared convolution: its {@code forward} reads what has the shape of a problem's output, and its
     *     residual and what it writes have the shape of the problem's input
     * @throws DeviceException if the device fails
     */
    PreparedLayer prepareAdjoint(
            TransposedConvolution layer, Tensor weight, @Nullable Tensor bias, Activation activation);

    /**
     * Returns what a training needs beside these operations, of the same threads and lifetime.
     *
     * @return the same object every time
     */
    Elementwise elementwise();

    /**
     * Makes a tensor for a result, of whatever values: every operation writes all elements of its result.
     *
     * @param shape the sizes, outermost first, each at least 1
     * @return a tensor that nothing else uses
     */
    default Tensor resultTensor(int... shape) {
        return Tensor.zeros(shape);
    }

    /**
     * Makes room for a device tensor, of whatever values.
     *
     * @param elements how many floats it holds
     * @return the memory, to be closed
     * @throws DeviceException if the device fails or has too little
     */
    Memory allocate(int elements);

    /**
     * Makes device memory of a tensor's values: the tensor's own memory where that can be, otherwise a copy.
     *
     * @param tensor the tensor, lent until the memory is closed
     * @return the memory, to be closed
     * @throws DeviceException if the device fails
     */
    Memory lend(Tensor tensor);

    /**
     * Copies a tensor's values to the device.
     *
     * @param source the values, the caller's again when this returns
     * @param target of as many elements, written
     * @throws DeviceException if the device fails
     */
    void upload(Tensor source, DeviceTensor target);

    /**
     * Copies a device tensor's values to the host, after all operations before.
     *
     * @param source the values
     * @param target of as many elements, written
     * @throws DeviceException if the device fails
     */
    void download(DeviceTensor source, Tensor target);

    /** Frees everything this backend holds. */
    @Override
    void close();

    /** What a {@link DeviceTensor} is over. */
    interface Memory extends AutoCloseable {
        /**
         * Tells whether this is neither closed itself nor by its backend's close.
         *
         * @return false once it is closed
         */
        boolean isOpen();

        /** Gives the memory back. May be called again, by any thread at any time, and after the backend's close. */
        @Override
        void close();
    }

    /** A layer with its weight, kept where the backend computes. Thread-safe as its backend is. */
    interface PreparedLayer extends AutoCloseable {
        /**
         * Computes {@code activation(what Backend.forward computes + residual)} with the prepared weight and bias.
         *
         * @param problem a problem of the prepared layer
         * @param input the problem's input
         * @param residual of the shape of the problem's output, or null for zeros
         * @param output the problem's output, written
         * @throws DeviceException if the device fails
         */
        void forward(Problem problem, Operand input, @Nullable Operand residual, Operand output);

        /**
         * Says how a problem is computed.
         *
         * @param problem a problem of the prepared layer
         * @return the kernel and its constants, in one line
         */
        String describe(Problem problem);

        /**
         * Returns the memory that a call needs beside input, weight and output.
         *
         * @param problem a problem of the prepared layer
         * @return bytes on the device
         */
        long workspaceBytes(Problem problem);

        /** Frees the prepared weight. May be called again, and after the backend's close. */
        @Override
        void close();
    }
}
