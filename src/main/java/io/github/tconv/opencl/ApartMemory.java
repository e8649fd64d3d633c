package io.github.tconv.opencl;

import io.github.tconv.op.Tensor;

/** Tensors copied to the device and back ({@link Device.HostMemory#APART}), through buffers that are used again. */
final class ApartMemory implements HostAccess {
    private final Session session;
    private final Staging staging;

    ApartMemory(Session session) {
        this.session = session;
        this.staging = new Staging(session);
    }

    @Override
    public DeviceBuffer operand(Tensor tensor) {
        DeviceBuffer buffer = session.borrow(tensor.elements());
        try {
            write(tensor, buffer);
            return buffer;
        } catch (RuntimeException e) {
            buffer.close();
            throw e;
        }
    }

    @Override
    public DeviceBuffer result(Tensor tensor) {
        return session.borrow(tensor.elements());
    }

    @Override
    public void fetch(DeviceBuffer result, Tensor tensor) {
        read(result, tensor);
    }

    @Override
    public boolean inPlace() {
        return false;
    }

    @Override
    public void write(Tensor source, DeviceBuffer target) {
        staging.write(source, target);
    }

    @Override
    public void read(DeviceBuffer source, Tensor target) {
        staging.read(source, target);
    }

    @Override
    public void close() {
        staging.close();
    }
}
