package io.github.tconv.opencl;

import io.github.tconv.op.Tensor;

/**
 * How a device gets at the tensors in the host's memory, for each kind of {@link Device.HostMemory}. Every buffer that is
 * handed out is one share, to be closed once the commands that use it are enqueued; {@link #fetch} comes before.
 */
interface HostAccess extends AutoCloseable {
    /** Brings an operand to the device. */
    DeviceBuffer operand(Tensor tensor);

    /** Makes room on the device for a result; {@link #fetch} brings it to the tensor. */
    DeviceBuffer result(Tensor tensor);

    /** Waits for everything enqueued so far and makes a result visible in its tensor. */
    void fetch(DeviceBuffer result, Tensor tensor);

    /** Tells whether the device reads operands in the tensors' own memory, until it is done. */
    boolean inPlace();

    /** Copies values to the device; the tensor is the caller's again when this returns. */
    void write(Tensor source, DeviceBuffer target);

    /** Waits for everything enqueued so far and copies values from the device. */
    void read(DeviceBuffer source, Tensor target);

    /** Makes a tensor for a result, of whatever values. */
    default Tensor resultTensor(int... shape) {
        return Tensor.zeros(shape);
    }

    /** Lends a tensor of whatever values. */
    default Scratch scratch(int... shape) {
        return new Scratch(Tensor.zeros(shape), () -> {});
    }

    /** Frees everything. */
    @Override
    void close();
}
