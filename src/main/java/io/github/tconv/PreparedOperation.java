package io.github.tconv;

import io.github.tconv.op.Backend.PreparedLayer;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.jspecify.annotations.Nullable;

/**
 * What {@link Prepared} and {@link PreparedConvolution} are inside: a backend's layer, the checks of its tensors, and its
 * lifetime. A convolution reads what has the shape of its adjoint's output, and writes what has that of its input.
 */
final class PreparedOperation implements AutoCloseable {
    private static final int MOST_RECENT = 8;

    private final Engine engine;
    private final TransposedConvolution layer;
    private final boolean adjoint;
    private final Problems problems;
    private final PreparedLayer prepared;
    private final ReentrantReadWriteLock lifetime = new ReentrantReadWriteLock();
    private boolean closed;
    /** The last problems, the latest first: a layer is usually called with few sizes again and again. Replaced, never written. */
    private volatile Problem[] recent = {};

    /** Finds the problem of which something with these sizes is read. */
    @FunctionalInterface
    interface Problems {
        Problem of(int batch, int... spatial);
    }

    /**
     * Takes over a backend's layer.
     *
     * @param layer the transposed convolution, or the adjoint of the convolution
     * @param adjoint whether this computes the convolution
     */
    PreparedOperation(
            Engine engine, TransposedConvolution layer, boolean adjoint, Problems problems, PreparedLayer prepared) {
        this.engine = engine;
        this.layer = layer;
        this.adjoint = adjoint;
        this.problems = problems;
        this.prepared = prepared;
    }

    private boolean reads(Problem problem, Operand tensor) {
        return adjoint ? problem.hasOutput(tensor) : problem.hasInput(tensor);
    }

    private boolean writes(Problem problem, Operand tensor) {
        return adjoint ? problem.hasInput(tensor) : problem.hasOutput(tensor);
    }

    private int[] written(Problem problem) {
        return adjoint ? problem.inputShape() : problem.outputShape();
    }

    Tensor forward(Tensor input) {
        Tensor output = engine.resultTensor(written(problem(input)));
        forward(input, null, output);
        return output;
    }

    DeviceTensor forward(DeviceTensor input) {
        DeviceTensor output = engine.allocate(written(problem(input)));
        try {
            forward(input, null, output);
            return output;
        } catch (RuntimeException | Error e) {
            output.close();
            throw e;
        }
    }

    void forward(Operand input, @Nullable Operand residual, Operand output) {
        Problem problem = problem(input);
        if (residual != null) {
            checkWritten("residual", residual, problem);
        }
        checkWritten("output", output, problem);
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

    private void checkWritten(String name, Operand tensor, Problem problem) {
        if (!writes(problem, tensor)) {
            throw Engine.wrongShape(name, tensor, written(problem));
        }
        engine.checkUsable(name, tensor);
    }

    String describe(Problem problem) {
        return prepared.describe(problem);
    }

    long workspaceBytes(Problem problem) {
        return prepared.workspaceBytes(problem);
    }

    private Problem problem(Operand input) {
        engine.checkUsable("input", input);
        Problem[] known = recent;
        for (Problem problem : known) {
            if (reads(problem, input)) {
                return problem;
            }
        }
        Problem problem = problems.of(Engine.batch("input", input, layer), Engine.spatial(input));
        if (!reads(problem, input)) {
            throw Engine.wrongShape("input", input, adjoint ? problem.outputShape() : problem.inputShape());
        }
        Problem[] next = new Problem[Math.min(known.length + 1, MOST_RECENT)];
        next[0] = problem;
        System.arraycopy(known, 0, next, 1, next.length - 1);
        recent = next;
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
