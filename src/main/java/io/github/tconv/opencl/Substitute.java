package io.github.tconv.opencl;

import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import org.jspecify.annotations.Nullable;

/** What another backend computes in place of a device's own: operands that are on the device travel. Thread-safe. */
final class Substitute implements AutoCloseable {
    /** Computes with operands of the host's. */
    @FunctionalInterface
    interface Computation {
        void compute(Problem problem, Tensor input, @Nullable Tensor residual, Tensor output);
    }

    private final Session session;
    private final String description;
    private final Computation computation;
    private final Runnable whenClosed;

    Substitute(Session session, String description, Computation computation, Runnable whenClosed) {
        this.session = session;
        this.description = description;
        this.computation = computation;
        this.whenClosed = whenClosed;
    }

    void forward(Problem problem, Operand input, @Nullable Operand residual, Operand output) {
        if (output instanceof Tensor result) {
            computation.compute(problem, host(input), residual == null ? null : host(residual), result);
            return;
        }
        Tensor result = Tensor.zeros(output.shape());
        forward(problem, input, residual, result);
        try (Call call = session.call()) {
            session.host().write(result, call.result(output));
            call.complete();
        }
    }

    private Tensor host(Operand operand) {
        if (operand instanceof DeviceTensor) {
            Tensor tensor = Tensor.zeros(operand.shape());
            try (Call call = session.call()) {
                session.host().read(call.operand(operand), tensor);
                call.complete();
            }
            return tensor;
        }
        return (Tensor) operand;
    }

    String describe() {
        return description;
    }

    @Override
    public void close() {
        whenClosed.run();
    }
}
