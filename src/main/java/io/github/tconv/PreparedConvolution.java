package io.github.tconv;

import io.github.tconv.op.Backend.PreparedLayer;
import io.github.tconv.op.Convolution;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * A convolution with its weight, ready on one engine for any batch and spatial size. Made by
 * {@link Engine#prepare(Convolution, Tensor, Tensor)}, and to be closed; thread-safe as the engine is, with the same exceptions.
 */
public final class PreparedConvolution implements AutoCloseable {
    private final Convolution layer;
    private final PreparedOperation operation;

    PreparedConvolution(Engine engine, Convolution layer, PreparedLayer prepared) {
        this.layer = layer;
        this.operation = new PreparedOperation(engine, layer.adjoint(), /* adjoint= */ true, layer::problem, prepared);
    }

    /**
     * Returns the layer.
     *
     * @return the layer this was prepared for
     */
    public Convolution layer() {
        return layer;
    }

    /**
     * Computes the layer.
     *
     * @param input the input {@code (n, inChannels, spatial...)}
     * @return the output {@code (n, outChannels, spatial...)}
     */
    public Tensor forward(Tensor input) {
        return operation.forward(input);
    }

    /**
     * Computes the layer on the device: returns before it is done.
     *
     * @param input the input {@code (n, inChannels, spatial...)}
     * @return the output {@code (n, outChannels, spatial...)}, to be closed
     */
    public DeviceTensor forward(DeviceTensor input) {
        return operation.forward(input);
    }

    /**
     * Computes the layer into a given tensor.
     *
     * @param input the input {@code (n, inChannels, spatial...)}
     * @param output the output {@code (n, outChannels, spatial...)}, written; not over the input's memory
     */
    public void forward(Operand input, Operand output) {
        operation.forward(input, null, output);
    }

    /**
     * Computes the layer with a residual that is added before the activation: {@code activation(layer + residual)}.
     *
     * @param input the input {@code (n, inChannels, spatial...)}
     * @param residual of the output's shape, or null for none
     * @param output the output {@code (n, outChannels, spatial...)}, written; not over another's memory
     */
    public void forward(Operand input, @Nullable Operand residual, Operand output) {
        operation.forward(input, residual, output);
    }

    /**
     * Says how a problem of this layer is computed.
     *
     * @param problem a batch and sizes of this layer, a problem of its adjoint
     * @return the kernel and its constants, in one line
     */
    public String describe(Problem problem) {
        return operation.describe(problem);
    }

    /**
     * Returns the memory that a call needs beside input, weight and output.
     *
     * @param problem a batch and sizes of this layer, a problem of its adjoint
     * @return bytes on the device
     */
    public long workspaceBytes(Problem problem) {
        return operation.workspaceBytes(problem);
    }

    /** Waits for running calls and frees the prepared weight. Idempotent, also after the engine's close. */
    @Override
    public void close() {
        operation.close();
    }
}
