package io.github.tconv.opencl;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Backend.PreparedLayer;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.lang.ref.Reference;
import org.jspecify.annotations.Nullable;

/** A layer whose weight, bias and slopes are on the device, for the life of this object or of the session. */
final class PreparedForward implements PreparedLayer {
    private final Session session;
    private final TransposedConvolution layer;
    private final Activation activation;
    private final DeviceBuffer weight;
    private final @Nullable DeviceBuffer bias;
    private final @Nullable DeviceBuffer slopes;

    PreparedForward(
            Session session, TransposedConvolution layer, Tensor weight, @Nullable Tensor bias, Activation activation) {
        this.session = session;
        this.layer = layer;
        this.activation = activation;
        this.weight = session.keep(weight);
        this.bias = bias == null ? null : session.keep(bias);
        this.slopes = activation.slopes() == null ? null : session.keep(activation.slopes());
    }

    @Override
    public void forward(Problem problem, Tensor input, @Nullable Tensor residual, Tensor output) {
        Problem rank3 = problem.asRank3();
        String options = LayerConstants.withEpilogue(
                LayerConstants.of(rank3.layer()), bias != null, residual != null, activation);
        Program program = session.programs().get("forward", options);
        try (DeviceBuffer x = session.operand(input);
                DeviceBuffer r = residual == null ? null : session.operand(residual);
                DeviceBuffer y = session.result(output)) {
            try (Kernel kernel = program.kernel("forward")) {
                kernel.with(x)
                        .with(weight)
                        .with(bias == null ? weight : bias)
                        .with(slopes == null ? weight : slopes)
                        .with(r == null ? weight : r)
                        .with(y)
                        .with(LayerConstants.sizes(rank3))
                        .enqueue(session.queue(), NdRange.ofImage(rank3.outputShape()));
            }
            session.fetch(y, output, program);
        } finally {
            Reference.reachabilityFence(input);
            Reference.reachabilityFence(residual);
        }
    }

    @Override
    public void close() {
        session.release(weight);
        if (bias != null) {
            session.release(bias);
        }
        if (slopes != null) {
            session.release(slopes);
        }
    }

    @Override
    public String toString() {
        return layer + " " + activation;
    }
}
