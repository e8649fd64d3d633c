package io.github.tconv.opencl;

import io.github.tconv.op.Backend.PreparedLayer;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * What another backend computes in place of a device's own layer: operands that are on the device travel. Thread-safe.
 */
final class Substitute implements AutoCloseable {
    private final Session session;
    private final String description;
    private final PreparedLayer layer;

    /**
     * Takes a layer over.
     *
     * @param session whose operands travel
     * @param description of the other backend
     * @param layer which the other backend computes
     */
    Substitute(Session session, String description, PreparedLayer layer) {
        this.session = session;
        this.description = description;
        this.layer = layer;
    }

    void forward(Problem problem, Operand input, @Nullable Operand residual, Operand output) {
        Tensor added = residual == null ? null : onHost(session, residual);
        Tensor read = onHost(session, input);
        intoHost(session, output, result -> layer.forward(problem, read, added, result));
    }

    /** Returns an operand's values in the host's memory. */
    static Tensor onHost(Session session, Operand operand) {
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

    /** Has a result written in the host's memory, and brings it to where it belongs. */
    static void intoHost(Session session, Operand result, Consumer<Tensor> write) {
        if (result instanceof Tensor tensor) {
            write.accept(tensor);
            return;
        }
        Tensor tensor = Tensor.zeros(result.shape());
        write.accept(tensor);
        try (Call call = session.call()) {
            session.host().write(tensor, call.result(result));
            call.complete();
        }
    }

    String describe() {
        return description;
    }

    @Override
    public void close() {
        layer.close();
    }
}
