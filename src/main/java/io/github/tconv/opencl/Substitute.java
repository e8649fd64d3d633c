package io.github.tconv.opencl;

import io.github.tconv.op.Backend.PreparedLayer;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import org.jspecify.annotations.Nullable;

/** A layer of another backend in place of a device's own: operands that are on the device travel. Thread-safe. */
final class Substitute implements AutoCloseable {
    private final Session session;
    private final PreparedLayer layer;

    Substitute(Session session, PreparedLayer layer) {
        this.session = session;
        this.layer = layer;
    }

    void forward(Problem problem, Operand input, @Nullable Operand residual, Operand output) {
        if (output instanceof Tensor result) {
            layer.forward(problem, host(input), residual == null ? null : host(residual), result);
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

    String describe(Problem problem) {
        return layer.describe(problem);
    }

    @Override
    public void close() {
        layer.close();
    }
}
