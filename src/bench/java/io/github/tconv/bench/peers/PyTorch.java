package io.github.tconv.bench.peers;

import io.github.tconv.bench.BenchmarkOperation;
import io.github.tconv.bench.Contender;
import io.github.tconv.bench.Entrant;
import io.github.tconv.bench.Operands;
import io.github.tconv.op.Axis;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.function.ToIntFunction;
import org.bytedeco.javacpp.BoolPointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.pytorch.LongArrayRefOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.T_TensorTensorTensor_T;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/**
 * PyTorch on the CPU, without recording: {@code torch.conv_transpose1d/2d/3d}, or for a gradient what its automatic
 * differentiation calls, {@code convolution_backward} for that gradient alone. From tensors made beforehand to a tensor
 * that is freed at once.
 */
final class PyTorch implements Contender {
    private final Operands operands;
    private final TransposedConvolution layer;
    private final NoGradGuard noGradients = new NoGradGuard();
    private final TensorOptional noBias = new TensorOptional();
    private final org.bytedeco.pytorch.Tensor input;
    private final org.bytedeco.pytorch.Tensor weight;
    private final org.bytedeco.pytorch.Tensor outputGradient;
    private final LongArrayRefOptional noBiasSizes = new LongArrayRefOptional();
    /** Which gradients are wanted: by the input, the weight, the bias. */
    private final BoolPointer wanted;

    private final long[] stride;
    private final long[] padding;
    private final long[] outputPadding;
    private final long[] dilation;

    static Entrant entrant(int threads) {
        unpack();
        torch.set_num_threads(threads);
        return new Entrant("PyTorch", true, PyTorch::of);
    }

    /**
     * Unpacks all of PyTorch's libraries before the first is loaded: one that is missing where they lie together is taken
     * from the system, if that has a PyTorch of its own, and two of them in one process crash.
     */
    private static void unpack() {
        try {
            Loader.cacheResources(torch.class, Loader.getPlatform() + "/");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
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
        outputGradient = tensor(operands.outputGradient());
        wanted = new BoolPointer(3);
        wanted.put(0, operands.operation() == BenchmarkOperation.INPUT_GRADIENT);
        wanted.put(1, operands.operation() == BenchmarkOperation.WEIGHT_GRADIENT);
        wanted.put(2, false);
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

    private org.bytedeco.pytorch.Tensor gradient() {
        try (T_TensorTensorTensor_T gradients = torch.convolution_backward(
                outputGradient,
                input,
                weight,
                noBiasSizes,
                stride,
                padding,
                dilation,
                true,
                outputPadding,
                layer.groups(),
                wanted)) {
            // The tuple's own is freed with it.
            return new org.bytedeco.pytorch.Tensor(wanted.get(0) ? gradients.get0() : gradients.get1());
        }
    }

    private org.bytedeco.pytorch.Tensor compute() {
        return operands.operation() == BenchmarkOperation.FORWARD ? forward() : gradient();
    }

    @Override
    public void call() {
        compute().close();
    }

    @Override
    public Tensor result() {
        Tensor copy = Tensor.zeros(operands.operation().resultShape(operands.problem()));
        try (org.bytedeco.pytorch.Tensor result = compute();
                org.bytedeco.pytorch.Tensor dense = result.contiguous()) {
            FloatPointer values = dense.data_ptr_float().capacity(dense.numel());
            copy.floats().put(values.asBuffer());
        }
        return copy;
    }

    @Override
    public void close() {
        input.close();
        weight.close();
        outputGradient.close();
        noBiasSizes.close();
        wanted.close();
        noBias.close();
        noGradients.close();
    }
}
