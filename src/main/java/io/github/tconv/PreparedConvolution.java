package io.github.tconv;

import io.github.tconv.op.Backend.PreparedLayer;
import io.github.tconv.op.Convolution;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.jspecify.annotations.Nullable;

/**
 * A convolution with its weight, ready on one engine for any batch and spatial size. Made by
 * {@link Engine#prepare(Convolution, Tensor, Tensor)}, and to be closed; thread-safe as the engine is, with the same exceptions.
 */
public final class PreparedConvolution implements AutoCloseable {
    private final Engine engine;
    private final Convolution layer;
    private final PreparedLayer prepared;
    private final ReentrantReadWriteLock lifetime = new ReentrantReadWriteLock();
    private boolean closed;
    /** The last problem: a layer is usually called with one size again and again. */
    private volatile @Nullable Problem last;

    PreparedConvolution(Engine engine, Convolution layer, PreparedLayer prepared) {
        this.engine = engine;
        this.layer = layer;
        this.prepared = prepared;
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
        Tensor output = engine.resultTensor(problem(input).inputShape());
        forward(input, null, output);
        return output;
    }

    /**
     * Computes the layer on the device: returns before it is done.
     *
     * @param input the input {@code (n, inChannels, spatial...)}
     * @return the output {@code (n, outChannels, spatial...)}, to be closed
     */
    public DeviceTensor forward(DeviceTensor input) {
        DeviceTensor output = engine.allocate(problem(input).inputShape());
        try {
            forward(input, null, output);
            return output;
        } catch (RuntimeException | Error e) {
            output.close();
            throw e;
        }
    }

    /**
     * Computes the layer into a given tensor.
     *
     * @param input the input {@code (n, inChannels, spatial...)}
     * @param output the output {@code (n, outChannels, spatial...)}, written; not over the input's memory
     */
    public void forward(Operand input, Operand output) {
        forward(input, null, output);
    }

    /**
     * Computes the layer with a residual that is added before the activation: {@code activation(layer + residual)}.
     *
     * @param input the input {@code (n, inChannels, spatial...)}
     * @param residual of the output's shape, or null for none
     * @param output the output {@code (n, outChannels, spatial...)}, written; not over another's memory
     */
    public void forward(Operand input, @Nullable Operand residual, Operand output) {
        Problem problem = problem(input);
        if (residual != null) {
            if (!problem.hasInput(residual)) {
                throw Engine.wrongShape("residual", residual, problem.inputShape());
            }
            engine.checkUsable("residual", residual);
        }
        if (!problem.hasInput(output)) {
            throw Engine.wrongShape("output", output, problem.inputShape());
        }
        engine.checkUsable("output", output);
        Engine.checkApart("output", output, input);
        Engine.checkApart("output", output, residual);
        engine.enter();
        try {
            lifetime.readLock().lock();
            try {
                if (closed) {
                    throw new IllegalStateException("the prepared layer is closed");
                }
                prepared.forward(problem, input, residual, output);
            } finally {
                lifetime.readLock().unlock();
            }
        } finally {
            engine.leave();
        }
    }

    /**
     * Says how a problem of this layer is computed.
     *
     * @param problem a batch and sizes of this layer, a problem of its adjoint
     * @return the kernel and its constants, in one line
     */
    public String describe(Problem problem) {
        return prepared.describe(problem);
    }

    /**
     * Returns the memory that a call needs beside input, weight and output.
     *
     * @param problem a batch and sizes of this layer, a problem of its adjoint
     * @return bytes on the device
     */
    public long workspaceBytes(Problem problem) {
        return prepared.workspaceBytes(problem);
    }

    private Problem problem(Operand input) {
        engine.checkUsable("input", input);
        Problem known = last;
        if (known != null && known.hasOutput(input)) {
            return known;
        }
        Problem problem = layer.problem(Engine.batch("input", input, layer.adjoint()), Engine.spatial(input));
        if (!problem.hasOutput(input)) {
            throw Engine.wrongShape("input", input, problem.outputShape());
        }
        last = problem;
        return problem;
    }

    /** Waits for running calls and frees the prepared weight. Idempotent, also after the engine's close. */
    @Override
    public void close() {
        lifetime.writeLock().lock();
        try {
            if (!closed) {
                closed = true;
                prepared.close();
            }
        } finally {
            lifetime.writeLock().unlock();
        }
    }
}
