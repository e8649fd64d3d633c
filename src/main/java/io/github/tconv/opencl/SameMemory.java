package io.github.tconv.opencl;

import io.github.tconv.op.Tensor;
import org.jocl.CL;

/** Tensors in place, on a device whose kernels are the host's own code ({@link Device.HostMemory#SAME}). */
final class SameMemory implements HostAccess {
    private final Session session;

    SameMemory(Session session) {
        this.session = session;
    }

    @Override
    public DeviceBuffer operand(Tensor tensor) {
        return session.over(CL.CL_MEM_READ_WRITE, tensor);
    }

    @Override
    public DeviceBuffer result(Tensor tensor) {
        return session.over(CL.CL_MEM_READ_WRITE, tensor);
    }

    @Override
    public void fetch(DeviceBuffer result, Tensor tensor) {
        session.finish();
    }

    @Override
    public boolean inPlace() {
        return true;
    }

    @Override
    public void write(Tensor source, DeviceBuffer target) {
        session.write(source, target);
    }

    @Override
    public void read(DeviceBuffer source, Tensor target) {
        session.read(source, target);
    }

    @Override
    public void close() {
        // Holds nothing.
    }
}
