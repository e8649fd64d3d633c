package io.github.tconv.opencl;

import io.github.tconv.op.Backend;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Elementwise;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;

/** A backend with the bounds, the memory and the elementwise work of another, which computes in a way of its own. */
abstract class ForwardingBackend implements Backend {
    private final Backend other;

    ForwardingBackend(Backend other) {
        this.other = other;
    }

    @Override
    public double errorGrowth(Problem problem) {
        return other.errorGrowth(problem);
    }

    @Override
    public double inputGradientErrorGrowth(Problem problem) {
        return other.inputGradientErrorGrowth(problem);
    }

    @Override
    public double weightGradientErrorGrowth(Problem problem) {
        return other.weightGradientErrorGrowth(problem);
    }

    @Override
    public Elementwise elementwise() {
        return other.elementwise();
    }

    @Override
    public Tensor resultTensor(int... shape) {
        return other.resultTensor(shape);
    }

    @Override
    public Memory allocate(int elements) {
        return other.allocate(elements);
    }

    @Override
    public Memory lend(Tensor tensor) {
        return other.lend(tensor);
    }

    @Override
    public void upload(Tensor source, DeviceTensor target) {
        other.upload(source, target);
    }

    @Override
    public void download(DeviceTensor source, Tensor target) {
        other.download(source, target);
    }
}
