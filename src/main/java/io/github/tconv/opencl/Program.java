package io.github.tconv.opencl;

import io.github.tconv.op.DeviceException;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.jocl.CL;
import org.jocl.CLException;
import org.jocl.cl_kernel;
import org.jocl.cl_program;

/**
 * A compiled kernel file. Kernel objects carry their arguments and so cannot be shared between threads: each call
 * borrows one and gives it back.
 */
final class Program implements AutoCloseable {
    private final String file;
    private final String options;
    private final Device device;
    private final cl_program program;
    private final Map<String, Queue<cl_kernel>> idle = new ConcurrentHashMap<>();

    Program(String file, String options, Device device, cl_program program) {
        this.file = file;
        this.options = options;
        this.device = device;
        this.program = program;
        Handles.acquired();
    }

    /** Borrows a kernel; closing it gives it back. */
    Kernel kernel(String name) {
        Queue<cl_kernel> kernels = idle.computeIfAbsent(name, any -> new ConcurrentLinkedQueue<>());
        cl_kernel kernel = kernels.poll();
        if (kernel == null) {
            try {
                kernel = CL.clCreateKernel(program, name, null);
                Handles.acquired();
            } catch (CLException e) {
                throw failure("clCreateKernel", name, e);
            }
        }
        return new Kernel(this, name, kernel, kernels);
    }

    DeviceException failure(String call, String kernel, CLException e) {
        return new DeviceException(
                "%s failed: %s (kernel %s of %s.cl, options '%s', device %s)"
                        .formatted(call, e.getMessage(), kernel, file, options, device),
                e);
    }

    /** Frees the program and the kernels that were given back; borrowed ones must have been. */
    @Override
    public void close() {
        for (Queue<cl_kernel> kernels : idle.values()) {
            for (cl_kernel kernel = kernels.poll(); kernel != null; kernel = kernels.poll()) {
                CL.clReleaseKernel(kernel);
                Handles.released();
            }
        }
        CL.clReleaseProgram(program);
        Handles.released();
    }
}
