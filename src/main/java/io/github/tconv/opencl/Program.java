package io.github.tconv.opencl;

import io.github.tconv.op.DeviceException;
import java.util.Deque;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jocl.CL;
import org.jocl.CLException;
import org.jocl.Pointer;
import org.jocl.Sizeof;
import org.jocl.cl_kernel;
import org.jocl.cl_program;

/**
 * A compiled kernel file. Kernel objects carry their arguments and so cannot be shared between threads: each call
 * borrows one and gives it back.
 */
final class Program implements AutoCloseable {
    private static final System.Logger LOG = System.getLogger(Program.class.getName());

    private final String file;
    private final String options;
    private final Device device;
    private final cl_program program;
    private final String cacheKey;
    private final boolean stored;
    private volatile boolean ran;
    private final Map<String, Deque<Kernel>> idle = new ConcurrentHashMap<>();

    Program(String file, String options, Device device, cl_program program, boolean stored, String cacheKey) {
        this.file = file;
        this.options = options;
        this.device = device;
        this.program = program;
        this.stored = stored;
        this.cacheKey = cacheKey;
        Handles.acquired();
    }

    /** Borrows a kernel; closing it gives it back. */
    Kernel kernel(String name) {
        Deque<Kernel> kernels = idle.computeIfAbsent(name, any -> Kernel.home());
        synchronized (kernels) {
            if (!kernels.isEmpty()) {
                return kernels.pop();
            }
        }
        try {
            cl_kernel kernel = Calls.clCreateKernel(program, name, null);
            Handles.acquired();
            return new Kernel(this, name, kernel, kernels);
        } catch (CLException e) {
            throw failure("clCreateKernel", name, e);
        }
    }

    /** Names this program by all that its binary depends on: device, driver, source and options. */
    String cacheKey() {
        return cacheKey;
    }

    /** Says what this program is, for messages. */
    String describe() {
        return "file %s.cl, options '%s'".formatted(file, options);
    }

    /** Notes that a kernel of this program has run, so that the driver has compiled all of it. */
    void hasRun() {
        ran = true;
    }

    boolean ran() {
        return ran;
    }

    /** Tells whether the disk has this program. */
    boolean stored() {
        return stored;
    }

    /** Stores the binary; a driver that gives none costs nothing but the next compilation. */
    void storeIn(ProgramCache disk) {
        try {
            long[] size = new long[1];
            Calls.clGetProgramInfo(program, CL.CL_PROGRAM_BINARY_SIZES, Sizeof.size_t, Pointer.to(size), null);
            if (size[0] > 0) {
                byte[] binary = new byte[Math.toIntExact(size[0])];
                Pointer target = Pointer.to(new Pointer[] {Pointer.to(binary)});
                Calls.clGetProgramInfo(program, CL.CL_PROGRAM_BINARIES, Sizeof.POINTER, target, null);
                disk.store(cacheKey, binary);
            }
        } catch (CLException e) {
            LOG.log(System.Logger.Level.DEBUG, "the driver gives no binary of " + file, e);
        }
    }

    DeviceException failure(String call, String kernel, CLException e) {
        return new DeviceException(
                "%s failed: %s (kernel %s of %s.cl, options '%s', device %s)"
                        .formatted(call, e.getMessage(), kernel, file, options, device),
                e);
    }

    /** Says of a failure that was noticed later what was running. */
    DeviceException named(DeviceException failure) {
        Throwable cause = failure.getCause() == null ? failure : failure.getCause();
        return new DeviceException(
                "%s after a kernel of %s.cl, options '%s'".formatted(failure.getMessage(), file, options), cause);
    }

    /** Frees the program and the kernels that were given back; borrowed ones must have been. */
    @Override
    public void close() {
        for (Deque<Kernel> kernels : idle.values()) {
            synchronized (kernels) {
                kernels.forEach(Kernel::free);
                kernels.clear();
            }
        }
        Calls.clReleaseProgram(program);
        Handles.released();
    }
}
