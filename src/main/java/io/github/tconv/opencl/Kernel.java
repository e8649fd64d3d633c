package io.github.tconv.opencl;

import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import org.jocl.CL;
import org.jocl.CLException;
import org.jocl.Pointer;
import org.jocl.Sizeof;
import org.jocl.cl_command_queue;
import org.jocl.cl_kernel;
import org.jspecify.annotations.Nullable;

/**
 * A kernel borrowed for one launch: arguments in order, then {@link #enqueue}. It remembers its arguments from launch to
 * launch and sets those that changed, of which a call like the one before has none.
 */
final class Kernel implements AutoCloseable {
    private static final int USUAL_ARGUMENTS = 16;

    private final Program program;
    private final String name;
    private final cl_kernel kernel;
    private final Deque<Kernel> home;

    private final int[] integer = new int[1];
    private final Pointer integerPointer = Pointer.to(integer);

    /** What is set: a buffer, this kernel itself for an integer, or null for nothing. */
    private @Nullable Object[] set = new @Nullable Object[USUAL_ARGUMENTS];

    private int[] integers = new int[USUAL_ARGUMENTS];
    private int arguments;

    Kernel(Program program, String name, cl_kernel kernel, Deque<Kernel> home) {
        this.program = program;
        this.name = name;
        this.kernel = kernel;
        this.home = home;
    }

    /** Sets the next argument to a buffer. */
    Kernel with(DeviceBuffer buffer) {
        // Asked for in any case, because it fails where the buffer is closed.
        Pointer pointer = buffer.asArgument();
        makeRoom();
        if (set[arguments] != buffer) {
            set(Sizeof.cl_mem, pointer, buffer);
        }
        arguments++;
        return this;
    }

    /** Sets the next arguments to integers. */
    Kernel with(int... values) {
        for (int value : values) {
            makeRoom();
            if (set[arguments] != this || integers[arguments] != value) {
                integer[0] = value;
                set(Sizeof.cl_int, integerPointer, this);
                integers[arguments] = value;
            }
            arguments++;
        }
        return this;
    }

    /** Sets the next arguments to floats. A kernel sees four bytes, whatever they are called here. */
    Kernel withFloats(float... values) {
        for (float value : values) {
            with(new int[] {Float.floatToRawIntBits(value)});
        }
        return this;
    }

    private void makeRoom() {
        if (arguments == set.length) {
            set = Arrays.copyOf(set, 2 * arguments);
            integers = Arrays.copyOf(integers, 2 * arguments);
        }
    }

    private void set(long size, Pointer value, Object what) {
        set[arguments] = null;
        try {
            Calls.clSetKernelArg(kernel, arguments, size, value);
        } catch (CLException e) {
            throw program.failure("clSetKernelArg(" + arguments + ")", name, e);
        }
        set[arguments] = what;
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

    /** The local memory that a work-group takes on a device, in bytes. */
    long localBytes(Device device) {
        long[] bytes = new long[1];
        try {
            Calls.clGetKernelWorkGroupInfo(
                    kernel, device.id(), CL.CL_KERNEL_LOCAL_MEM_SIZE, Sizeof.cl_ulong, Pointer.to(bytes));
        } catch (CLException e) {
            throw program.failure("clGetKernelWorkGroupInfo", name, e);
        }
        return bytes[0];
    }

    /** Gives the kernel back to its program. */
    @Override
    public void close() {
        arguments = 0;
        synchronized (home) {
            home.push(this);
        }
    }

    /** Frees a kernel that was given back. */
    void free() {
        Calls.clReleaseKernel(kernel);
        Handles.released();
    }

    /** The place of a program's idle kernels of one name: the last one given back is the next one lent. */
    static Deque<Kernel> home() {
        return new ArrayDeque<>();
    }
}
