package io.github.tconv.opencl;

import io.github.tconv.op.DeviceException;
import io.github.tconv.op.Tensor;
import java.nio.ByteBuffer;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jocl.CL;
import org.jocl.CLException;
import org.jocl.Pointer;
import org.jocl.cl_command_queue;
import org.jocl.cl_context;
import org.jocl.cl_context_properties;
import org.jocl.cl_device_id;
import org.jocl.cl_queue_properties;
import org.jspecify.annotations.Nullable;

/**
 * A context and a queue on one device, with the programs compiled there. May be used by many threads at once; the queue
 * runs their work in the order in which it came.
 */
final class Session implements AutoCloseable {
    /** Contexts are made and freed one at a time: a driver is known to abort otherwise. */
    private static final Object CONTEXTS = new Object();

    private final Device device;
    private final cl_context context;
    private final cl_command_queue queue;
    private final Programs programs;
    private final WorkspacePool workspaces = new WorkspacePool(bytes -> allocate(CL.CL_MEM_READ_WRITE, bytes, null));
    private final Set<DeviceBuffer> kept = ConcurrentHashMap.newKeySet();

    Session(Device device) {
        this(device, new ProgramCache(CacheFolder.find()));
    }

    Session(Device device, ProgramCache disk) {
        this.device = device;
        String call = "clCreateContext";
        synchronized (CONTEXTS) {
            cl_context created = null;
            try {
                cl_context_properties properties = new cl_context_properties();
                properties.addProperty(CL.CL_CONTEXT_PLATFORM, device.platform());
                created = Calls.clCreateContext(properties, 1, new cl_device_id[] {device.id()}, null, null, null);
                Handles.acquired();
                call = "clCreateCommandQueue";
                queue = createQueue(created);
                Handles.acquired();
                context = created;
                programs = new Programs(device, context, disk);
            } catch (CLException e) {
                if (created != null) {
                    Calls.clReleaseContext(created);
                    Handles.released();
                }
                throw failure(call, "", e);
            }
        }
    }

    private cl_command_queue createQueue(cl_context created) {
        if (device.info().version().startsWith("OpenCL 1.")) {
            return Calls.clCreateCommandQueue(created, device.id(), 0, null);
        }
        return Calls.clCreateCommandQueueWithProperties(created, device.id(), new cl_queue_properties(), null);
    }

    Device device() {
        return device;
    }

    cl_command_queue queue() {
        return queue;
    }

    private DeviceException failure(String call, String detail, CLException e) {
        return new DeviceException("%s failed: %s (%sdevice %s)".formatted(call, e.getMessage(), detail, device), e);
    }

    /** Returns the programs compiled for this session's device. */
    Programs programs() {
        return programs;
    }

    private boolean inPlace() {
        return device.hostMemory() != Device.HostMemory.APART;
    }

    /** Brings an operand to the device for one call: in place where the device shares the host's memory. */
    DeviceBuffer operand(Tensor tensor) {
        return buffer(tensor, CL.CL_MEM_READ_ONLY | (inPlace() ? CL.CL_MEM_USE_HOST_PTR : CL.CL_MEM_COPY_HOST_PTR));
    }

    /** Makes room on the device for a result; {@link #fetch} brings it to the tensor. */
    DeviceBuffer result(Tensor tensor) {
        return buffer(tensor, inPlace() ? CL.CL_MEM_USE_HOST_PTR : CL.CL_MEM_READ_WRITE);
    }

    /**
     * Brings an operand to the device, to stay there until it is released or the session is closed.
     *
     * @param copy whether it is copied in any case, or used in place as {@link #operand} does
     */
    DeviceBuffer keep(Tensor tensor, boolean copy) {
        DeviceBuffer buffer = copy ? buffer(tensor, CL.CL_MEM_READ_ONLY | CL.CL_MEM_COPY_HOST_PTR) : operand(tensor);
        kept.add(buffer);
        return buffer;
    }

    /** Makes a buffer on the device, to stay there until it is released or the session is closed. */
    DeviceBuffer keep(long floats) {
        DeviceBuffer buffer = allocate(CL.CL_MEM_READ_WRITE, floats * Float.BYTES, null);
        kept.add(buffer);
        return buffer;
    }

    /** Borrows device memory for one call; whoever borrows it waits for the device before giving it back. */
    Workspace workspace(long floats) {
        return workspaces.take(floats * Float.BYTES);
    }

    /** Frees a kept buffer now. */
    void release(DeviceBuffer buffer) {
        if (kept.remove(buffer)) {
            buffer.close();
        }
    }

    private DeviceBuffer buffer(Tensor tensor, long flags) {
        boolean fromHost = (flags & (CL.CL_MEM_USE_HOST_PTR | CL.CL_MEM_COPY_HOST_PTR)) != 0;
        Pointer host = fromHost ? Pointer.toBuffer(tensor.memory()) : null;
        return allocate(flags, (long) tensor.elements() * Float.BYTES, host);
    }

    private DeviceBuffer allocate(long flags, long bytes, @Nullable Pointer host) {
        try {
            return new DeviceBuffer(Calls.clCreateBuffer(context, flags, bytes, host, null), bytes);
        } catch (CLException e) {
            String sizes = "%d bytes of at most %d, ".formatted(bytes, device.maxAllocationBytes());
            throw failure("clCreateBuffer", sizes, e);
        }
    }

    /** Waits for everything enqueued so far. */
    void finish() {
        try {
            Calls.clFinish(queue);
        } catch (CLException e) {
            throw failure("clFinish", "", e);
        }
    }

    /**
     * Waits for everything enqueued so far and makes a result visible in its tensor.
     *
     * @param result the buffer
     * @param tensor the tensor it was made for
     * @param program what has run by then, to be remembered on the disk
     */
    void fetch(DeviceBuffer result, Tensor tensor, Program program) {
        String call = "clFinish";
        try {
            switch (device.hostMemory()) {
                case SAME -> Calls.clFinish(queue);
                case MAPPED -> {
                    call = "clEnqueueMapBuffer";
                    ByteBuffer mapped = Calls.clEnqueueMapBuffer(
                            queue, result.memory(), true, CL.CL_MAP_READ, 0, result.bytes(), 0, null, null, null);
                    call = "clEnqueueUnmapMemObject";
                    Calls.clEnqueueUnmapMemObject(queue, result.memory(), mapped, 0, null, null);
                    call = "clFinish";
                    Calls.clFinish(queue);
                }
                case APART -> {
                    call = "clEnqueueReadBuffer";
                    Pointer target = Pointer.toBuffer(tensor.memory());
                    Calls.clEnqueueReadBuffer(queue, result.memory(), true, 0, result.bytes(), target, 0, null, null);
                }
            }
        } catch (CLException e) {
            throw failure(call, "", e);
        }
        programs.remember(program);
    }

    /** Waits until the device uses no memory of the caller's any more, after a failure that is being reported. */
    void drain() {
        try {
            Calls.clFinish(queue);
        } catch (CLException e) {
            // The first failure is the one to report.
        }
    }

    /** Frees everything. No call may be running. */
    @Override
    public void close() {
        synchronized (CONTEXTS) {
            drain();
            for (DeviceBuffer buffer : kept) {
                release(buffer);
            }
            workspaces.close();
            programs.close();
            Calls.clReleaseCommandQueue(queue);
            Handles.released();
            Calls.clReleaseContext(context);
            Handles.released();
        }
    }
}
