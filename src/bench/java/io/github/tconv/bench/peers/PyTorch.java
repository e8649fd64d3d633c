package io.github.tconv.bench.peers;

import io.github.tconv.bench.Contender;
import io.github.tconv.bench.Entrant;
import io.github.tconv.bench.Operands;
import io.github.tconv.op.Axis;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.util.Arrays;
import java.util.function.ToIntFunction;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/**
 * PyTorch on the CPU, without gradients: {@code torch.conv_transpose1d/2d/3d} from tensors made beforehand to a tensor
 * that is freed at once.
 */
final class PyTorch implements Contender {
    private final Operands operands;
    private final TransposedConvolution layer;
    private final NoGradGuard noGradients = new NoGradGuard();
    private final TensorOptional noBias = new TensorOptional();
    private final org.bytedeco.pytorch.Tensor input;
    private final org.bytedeco.pytorch.Tensor weight;
    private final long[] stride;
    private final long[] padding;
    private final long[] outputPadding;
    private final long[] dilation;

    static Entrant entrant(int threads) {
        torch.set_num_threads(threads);
        return new Entrant("PyTorch", true, PyTorch::of);
    }

    private static PyTorch of(Operands operands) {
        if (operands.problem().layer().axes().stream().anyMatch(axis -> axis.padBegin() != axis.padEnd())) {
            throw new IllegalArgumentException("it has no asymmetric padding");
        }
        return new PyTorch(operands);
    }

    private PyTorch(Operands operands) {
        this.operands = operands;
        layer = operands.problem().layer();
        input = tensor(operands.input());
        weight = tensor(operands.weight());
        stride = values(Axis::stride);
        padding = values(Axis::padBegin);
        outputPadding = values(Axis::outputPadding);
        dilation = values(Axis::dilation);
    }

    private static org.bytedeco.pytorch.Tensor tensor(Tensor tensor) {
        long[] shape = Arrays.stream(tensor.shape()).asLongStream().toArray();
        return torch.from_blob(new FloatPointer(tensor.floats()), shape);
    }

    private long[] values(ToIntFunction<Axis> value) {
        return layer.axes().stream().mapToLong(axis -> value.applyAsInt(axis)).toArray();
    }

    private org.bytedeco.pytorch.Tensor forward() {
        long groups = layer.groups();
        return switch (layer.rank()) {
            case 1 -> torch.conv_transpose1d(input, weight, noBias, stride, padding, outputPadding, groups, dilation);
            case 2 -> torch.conv_transpose2d(input, weight, noBias, stride, padding, outputPadding, groups, dilation);
            default -> torch.conv_transpose3d(input, weight, noBias, stride, padding, outputPadding, groups, dilation);
        };
    }

    @Override
    public void call() {
        forward().close();
    }

    @Override
    public Tensor result() {
        Tensor copy = Tensor.zeros(operands.problem().outputShape());
        try (org.bytedeco.pytorch.Tensor output = forward();
                org.bytedeco.pytorch.Tensor dense = output.contiguous()) {
            FloatPointer values = dense.data_ptr_float().capacity(dense.numel());
            copy.floats().put(values.asBuffer());
        }
        return copy;
    }

    @Override
    public void close() {
        input.close();
        weight.close();
        noBias.close();
        noGradients.close();
    }
}
