package io.github.tconv.opencl;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Backend;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Elementwise;
import io.github.tconv.op.Loss;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Optimizer;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/**
 * A backend all of whose operations go through device tensors: what it is given is uploaded, what it returns downloaded.
 * So the contract that holds for tensors of the host's is asked of device tensors too.
 */
public final class OnDevice extends ForwardingBackend {
    private final Backend backend;
    private final boolean copies;

    public OnDevice(Backend backend) {
        this(backend, /* copies= */ false);
    }

    /** The same, but what it is given is copied also to a device that could work on it in place. */
    OnDevice(Backend backend, boolean copies) {
        super(backend);
        this.backend = backend;
        this.copies = copies;
    }

    private DeviceTensor uploaded(Tensor tensor) {
        if (!copies) {
            return new DeviceTensor(backend, backend.lend(tensor), tensor, tensor.shape());
        }
        DeviceTensor copy = new DeviceTensor(backend, backend.allocate(tensor.elements()), null, tensor.shape());
        backend.upload(tensor, copy);
        return copy;
    }

    /** Brings operands to the device, has the result computed there, and brings it back. */
    private void through(
            Operand result,
            BiConsumer<List<@Nullable DeviceTensor>, DeviceTensor> compute,
            @Nullable Operand... operands) {
        List<@Nullable DeviceTensor> uploaded = new ArrayList<>();
        try (DeviceTensor target =
                new DeviceTensor(backend, backend.allocate(result.elements()), null, result.shape())) {
            for (Operand operand : operands) {
                uploaded.add(operand == null ? null : uploaded((Tensor) operand));
            }
            // Not a number, as the caller's result is: an element that is not written shows.
            backend.upload((Tensor) result, target);
            compute.accept(uploaded, target);
            backend.download(target, (Tensor) result);
        } finally {
            for (DeviceTensor tensor : uploaded) {
                if (tensor != null) {
                    tensor.close();
                }
            }
        }
    }

    @Override
    public String describe() {
        return backend.describe();
    }

    @Override
    public void forward(Problem problem, Operand input, Operand weight, @Nullable Operand bias, Operand output) {
        through(
                output,
                (in, out) -> backend.forward(problem, in.get(0), in.get(1), in.get(2), out),
                input,
                weight,
                bias);
    }

    @Override
    public void inputGradient(
            Problem problem, Operand outputGradient, Operand weight, @Nullable Operand bias, Operand inputGradient) {
        through(
                inputGradient,
                (in, out) -> backend.inputGradient(problem, in.get(0), in.get(1), in.get(2), out),
                outputGradient,
                weight,
                bias);
    }

    @Override
    public void weightGradient(Problem problem, Operand input, Operand outputGradient, Operand weightGradient) {
        through(
                weightGradient,
                (in, out) -> backend.weightGradient(problem, in.get(0), in.get(1), out),
                input,
                outputGradient);
    }

    @Override
    public void biasGradient(Operand outputGradient, Operand biasGradient) {
        through(biasGradient, (in, out) -> backend.biasGradient(in.get(0), out), outputGradient);
    }

    @Override
    public PreparedLayer prepare(
            TransposedConvolution layer, Tensor weight, @Nullable Tensor bias, Activation activation) {
        return through(backend.prepare(layer, weight, bias, activation));
    }

    @Override
    public PreparedLayer prepareAdjoint(
            TransposedConvolution layer, Tensor weight, @Nullable Tensor bias, Activation activation) {
        return through(backend.prepareAdjoint(layer, weight, bias, activation));
    }

    private PreparedLayer through(PreparedLayer prepared) {
        return new PreparedLayer() {
            @Override
            public void forward(Problem problem, Operand input, @Nullable Operand residual, Operand output) {
                through(output, (in, out) -> prepared.forward(problem, in.get(0), in.get(1), out), input, residual);
            }

            @Override
            public String describe(Problem problem) {
                return prepared.describe(problem);
            }

            @Override
            public long workspaceBytes(Problem problem) {
                return prepared.workspaceBytes(problem);
            }

            @Override
            public void close() {
                prepared.close();
            }
        };
    }

    @Override
    public Elementwise elementwise() {
        Elementwise elementwise = backend.elementwise();
        return new Elementwise() {
            @Override
            public void activate(Activation activation, Operand input, Operand output) {
                through(
                        output,
                        (in, out) -> elementwise.activate(with(activation, in.get(1)), in.get(0), out),
                        input,
                        activation.slopes());
            }

            private Activation with(Activation activation, @Nullable DeviceTensor slopes) {
                return slopes == null ? activation : Activation.prelu(slopes);
            }

            @Override
            public void activationGradient(
                    Activation activation, Operand input, Operand outputGradient, Operand inputGradient) {
                through(
                        inputGradient,
                        (in, out) ->
                                elementwise.activationGradient(with(activation, in.get(2)), in.get(0), in.get(1), out),
                        input,
                        outputGradient,
                        activation.slopes());
            }

            @Override
            public void slopeGradient(Operand input, Operand outputGradient, Operand slopeGradient) {
                through(
                        slopeGradient,
                        (in, out) -> elementwise.slopeGradient(in.get(0), in.get(1), out),
                        input,
                        outputGradient);
            }

            @Override
            public void loss(Loss loss, Operand output, Operand target, Operand outputGradient, Operand sum) {
                through(
                        sum,
                        (in, total) -> through(
                                outputGradient,
                                (none, gradient) -> elementwise.loss(loss, in.get(0), in.get(1), gradient, total)),
                        output,
                        target);
            }

            @Override
            public void step(
                    Optimizer optimizer,
                    long step,
                    Operand weight,
                    Operand gradient,
                    List<? extends Operand> memory,
                    Operand moved) {
                List<DeviceTensor> parts = new ArrayList<>();
                for (Operand part : memory) {
                    parts.add(new DeviceTensor(backend, backend.allocate(part.elements()), null, part.shape()));
                    backend.upload((Tensor) part, parts.get(parts.size() - 1));
                }
                through(
                        moved,
                        (in, out) -> elementwise.step(optimizer, step, in.get(0), in.get(1), parts, out),
                        weight,
                        gradient);
                for (int i = 0; i < memory.size(); i++) {
                    backend.download(parts.get(i), (Tensor) memory.get(i));
                    parts.get(i).close();
                }
            }

            @Override
            public void finite(List<? extends Operand> tensors, Operand verdicts) {
                through(
                        verdicts,
                        (in, out) -> elementwise.finite(
                                in.stream().map(Objects::requireNonNull).toList(), out),
                        tensors.toArray(new Operand[0]));
            }
        };
    }

    @Override
    public void close() {
        backend.close();
    }
}
