package io.github.tconv.opencl;

import java.util.Queue;
import org.jocl.CLException;
import org.jocl.Pointer;
import org.jocl.Sizeof;
import org.jocl.cl_command_queue;
import org.jocl.cl_kernel;

/** A kernel borrowed for one launch: arguments in order, then {@link #enqueue}. */
final class Kernel implements AutoCloseable {
    private final Program program;
    private final String name;
    private final cl_kernel kernel;
    private final Queue<cl_kernel> home;
    private int arguments;

    Kernel(Program program, String name, cl_kernel kernel, Queue<cl_kernel> home) {
        this.program = program;
        this.name = name;
        this.kernel = kernel;
        this.home = home;
    }

    /** Sets the next argument to a buffer. */
    Kernel with(DeviceBuffer buffer) {
        return set(Sizeof.cl_mem, buffer.asArgument());
    }

    /** Sets the next arguments to integers. */
    Kernel with(int... values) {
        for (int value : values) {
            set(Sizeof.cl_int, Pointer.to(new int[] {value}));
        }
        return this;
    }

    private Kernel set(long size, Pointer value) {
        try {
            Calls.clSetKernelArg(kernel, arguments, size, value);
        } catch (CLException e) {
            throw program.failure("clSetKernelArg(" + arguments + ")", name, e);
        }
        arguments++;
        return this;
    }

    /** Starts the kernel; it runs after everything that was enqueued before. */
    void enqueue(cl_command_queue queue, NdRange range) {
        try {
            Calls.clEnqueueNDRangeKernel(
                    queue, kernel, range.global().length, null, range.global(), range.local(), 0, null, null);
        } catch (CLException e) {
            throw program.failure("clEnqueueNDRangeKernel over " + range, name, e);
        }
    }

    @Override
    public void close() {
        home.add(kernel);
    }
}
