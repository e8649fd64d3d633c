package io.github.tconv.opencl;

import io.github.tconv.op.Tensor;
import org.jocl.CL;

/**
 * Tensors in place, as the standard has it ({@link Device.HostMemory#MAPPED}): a buffer takes a tensor's values when it
 * is made, and so is made for every call, and the host sees a result once the buffer is mapped.
 */
final class MappedMemory implements HostAccess {
    private final Session session;

    MappedMemory(Session session) {
        this.session = session;
    }

    @Override
    public DeviceBuffer operand(Tensor tensor) {
        // Whoever lends a tensor may write to it later.
        return session.over(CL.CL_MEM_READ_WRITE, tensor);
    }

    @Override
    public DeviceBuffer result(Tensor tensor) {
        return session.over(CL.CL_MEM_READ_WRITE, tensor);
    }

    /** One at a time: of mappings that several threads make at once, Mesa's rusticl (22.3) knows some no longer. */
    @Override
    public synchronized void fetch(DeviceBuffer result, Tensor tensor) {
        session.unmap(result, session.map(result, /* wait= */ true, CL.CL_MAP_READ));
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
