package io.github.tconv.opencl;

import java.nio.ByteBuffer;
import org.jocl.BuildProgramFunction;
import org.jocl.CL;
import org.jocl.CLException;
import org.jocl.CreateContextFunction;
import org.jocl.Pointer;
import org.jocl.cl_command_queue;
import org.jocl.cl_context;
import org.jocl.cl_context_properties;
import org.jocl.cl_device_id;
import org.jocl.cl_device_partition_property;
import org.jocl.cl_event;
import org.jocl.cl_kernel;
import org.jocl.cl_mem;
import org.jocl.cl_platform_id;
import org.jocl.cl_program;
import org.jocl.cl_queue_properties;
import org.jspecify.annotations.Nullable;

/**
 * Every call into OpenCL that this library makes: one method for each native call that is used, with its name and
 * arguments. A status other than {@code CL_SUCCESS} is a {@link CLException}, once {@link #enableExceptions} was called;
 * of a release it is a warning.
 *
 * <p>The one place where a test can let a call fail, which no driver does on demand: see {@link #intercept}.
 */
final class Calls {
    private static final System.Logger LOG = System.getLogger(Calls.class.getName());

    /** Comes before every call, and throws where the call is to fail instead. */
    @FunctionalInterface
    interface Interceptor {
        /**
         * Sees a call before it is made.
         *
         * @param call the name of the OpenCL function
         * @param bytes what the call allocates, 0 for all but {@code clCreateBuffer}
         * @throws CLException if the call is to fail with the exception's status
         */
        void before(String call, long bytes);
    }

    private static volatile Interceptor interceptor = (call, bytes) -> {};

    private Calls() {}

    /** Has all later calls of the process seen by an interceptor; returns the one that saw them before. */
    static Interceptor intercept(Interceptor next) {
        Interceptor previous = interceptor;
        interceptor = next;
        return previous;
    }

    private static void before(String call) {
        interceptor.before(call, 0);
    }

    /** Whoever frees something has nothing better to do than to go on freeing the rest: a failure is said, not thrown. */
    private static void release(String call, Runnable release) {
        try {
            before(call);
            release.run();
        } catch (CLException e) {
            LOG.log(System.Logger.Level.WARNING, "{0} failed: {1}", call, e.getMessage());
        }
    }

    /** Loads JOCL's native library and has it throw where a call fails. */
    static void enableExceptions() {
        CL.setExceptionsEnabled(true);
    }

    static void clGetPlatformIDs(int entries, cl_platform_id @Nullable [] platforms, int @Nullable [] count) {
        before("clGetPlatformIDs");
        CL.clGetPlatformIDs(entries, platforms, count);
    }

    static void clGetPlatformInfo(
            cl_platform_id platform, int parameter, long size, @Nullable Pointer value, long @Nullable [] sizeOut) {
        before("clGetPlatformInfo");
        CL.clGetPlatformInfo(platform, parameter, size, value, sizeOut);
    }

    static void clGetDeviceIDs(
            cl_platform_id platform,
            long type,
            int entries,
            cl_device_id @Nullable [] devices,
            int @Nullable [] count) {
        before("clGetDeviceIDs");
        CL.clGetDeviceIDs(platform, type, entries, devices, count);
    }

    static void clGetDeviceInfo(
            cl_device_id device, int parameter, long size, @Nullable Pointer value, long @Nullable [] sizeOut) {
        before("clGetDeviceInfo");
        CL.clGetDeviceInfo(device, parameter, size, value, sizeOut);
    }

    static void clCreateSubDevices(
            cl_device_id device,
            cl_device_partition_property properties,
            int entries,
            cl_device_id[] parts,
            int @Nullable [] count) {
        before("clCreateSubDevices");
        CL.clCreateSubDevices(device, properties, entries, parts, count);
    }

    static void clReleaseDevice(cl_device_id part) {
        release("clReleaseDevice", () -> CL.clReleaseDevice(part));
    }

    static cl_context clCreateContext(
            cl_context_properties properties,
            int devices,
            cl_device_id[] ids,
            @Nullable CreateContextFunction notify,
            @Nullable Object user,
            int @Nullable [] status) {
        before("clCreateContext");
        return CL.clCreateContext(properties, devices, ids, notify, user, status);
    }

    static void clReleaseContext(cl_context context) {
        release("clReleaseContext", () -> CL.clReleaseContext(context));
    }

    /** The call of OpenCL 1.2, deprecated since, is the only one that every device has. */
    @SuppressWarnings("deprecation")
    static cl_command_queue clCreateCommandQueue(
            cl_context context, cl_device_id device, long properties, int @Nullable [] status) {
        before("clCreateCommandQueue");
        return CL.clCreateCommandQueue(context, device, properties, status);
    }

    static cl_command_queue clCreateCommandQueueWithProperties(
            cl_context context, cl_device_id device, cl_queue_properties properties, int @Nullable [] status) {
        before("clCreateCommandQueueWithProperties");
        return CL.clCreateCommandQueueWithProperties(context, device, properties, status);
    }

    static void clReleaseCommandQueue(cl_command_queue queue) {
        release("clReleaseCommandQueue", () -> CL.clReleaseCommandQueue(queue));
    }

    static void clFinish(cl_command_queue queue) {
        before("clFinish");
        CL.clFinish(queue);
    }

    static void clWaitForEvents(int count, cl_event[] events) {
        before("clWaitForEvents");
        CL.clWaitForEvents(count, events);
    }

    static void clReleaseEvent(cl_event event) {
        before("clReleaseEvent");
        CL.clReleaseEvent(event);
    }

    static void clFlush(cl_command_queue queue) {
        before("clFlush");
        CL.clFlush(queue);
    }

    static cl_mem clCreateBuffer(
            cl_context context, long flags, long bytes, @Nullable Pointer host, int @Nullable [] status) {
        interceptor.before("clCreateBuffer", bytes);
        return CL.clCreateBuffer(context, flags, bytes, host, status);
    }

    static void clReleaseMemObject(cl_mem memory) {
        release("clReleaseMemObject", () -> CL.clReleaseMemObject(memory));
    }

    static ByteBuffer clEnqueueMapBuffer(
            cl_command_queue queue,
            cl_mem memory,
            boolean blocking,
            long flags,
            long offset,
            long bytes,
            int waits,
            cl_event @Nullable [] waitFor,
            @Nullable cl_event event,
            int @Nullable [] status) {
        before("clEnqueueMapBuffer");
        return CL.clEnqueueMapBuffer(queue, memory, blocking, flags, offset, bytes, waits, waitFor, event, status);
    }

    static void clEnqueueUnmapMemObject(
            cl_command_queue queue,
            cl_mem memory,
            ByteBuffer mapped,
            int waits,
            cl_event @Nullable [] waitFor,
            @Nullable cl_event event) {
        before("clEnqueueUnmapMemObject");
        CL.clEnqueueUnmapMemObject(queue, memory, mapped, waits, waitFor, event);
    }

    static void clEnqueueWriteBuffer(
            cl_command_queue queue,
            cl_mem memory,
            boolean blocking,
            long offset,
            long bytes,
            Pointer source,
            int waits,
            cl_event @Nullable [] waitFor,
            @Nullable cl_event event) {
        before("clEnqueueWriteBuffer");
        CL.clEnqueueWriteBuffer(queue, memory, blocking, offset, bytes, source, waits, waitFor, event);
    }

    static void clEnqueueReadBuffer(
            cl_command_queue queue,
            cl_mem memory,
            boolean blocking,
            long offset,
            long bytes,
            Pointer target,
            int waits,
            cl_event @Nullable [] waitFor,
            @Nullable cl_event event) {
        before("clEnqueueReadBuffer");
        CL.clEnqueueReadBuffer(queue, memory, blocking, offset, bytes, target, waits, waitFor, event);
    }

    static cl_program clCreateProgramWithSource(
            cl_context context, int count, String[] sources, long @Nullable [] lengths, int @Nullable [] status) {
        before("clCreateProgramWithSource");
        return CL.clCreateProgramWithSource(context, count, sources, lengths, status);
    }

    static cl_program clCreateProgramWithBinary(
            cl_context context,
            int devices,
            cl_device_id[] ids,
            long[] lengths,
            byte[][] binaries,
            int[] binaryStatus,
            int @Nullable [] status) {
        before("clCreateProgramWithBinary");
        return CL.clCreateProgramWithBinary(context, devices, ids, lengths, binaries, binaryStatus, status);
    }

    static void clBuildProgram(
            cl_program program,
            int devices,
            cl_device_id[] ids,
            String options,
            @Nullable BuildProgramFunction notify,
            @Nullable Object user) {
        before("clBuildProgram");
        CL.clBuildProgram(program, devices, ids, options, notify, user);
    }

    static void clGetProgramInfo(
            cl_program program, int parameter, long size, @Nullable Pointer value, long @Nullable [] sizeOut) {
        before("clGetProgramInfo");
        CL.clGetProgramInfo(program, parameter, size, value, sizeOut);
    }

    static void clReleaseProgram(cl_program program) {
        release("clReleaseProgram", () -> CL.clReleaseProgram(program));
    }

    static cl_kernel clCreateKernel(cl_program program, String name, int @Nullable [] status) {
        before("clCreateKernel");
        return CL.clCreateKernel(program, name, status);
    }

    static void clGetKernelWorkGroupInfo(
            cl_kernel kernel, cl_device_id device, int parameter, long size, Pointer value) {
        before("clGetKernelWorkGroupInfo");
        CL.clGetKernelWorkGroupInfo(kernel, device, parameter, size, value, null);
    }

    static void clSetKernelArg(cl_kernel kernel, int index, long size, @Nullable Pointer value) {
        before("clSetKernelArg");
        CL.clSetKernelArg(kernel, index, size, value);
    }

    static void clEnqueueNDRangeKernel(
            cl_command_queue queue,
            cl_kernel kernel,
            int axes,
            long @Nullable [] offset,
            long[] global,
            long[] local,
            int waits,
            cl_event @Nullable [] waitFor,
            @Nullable cl_event event) {
        before("clEnqueueNDRangeKernel");
        CL.clEnqueueNDRangeKernel(queue, kernel, axes, offset, global, local, waits, waitFor, event);
    }

    static void clReleaseKernel(cl_kernel kernel) {
        release("clReleaseKernel", () -> CL.clReleaseKernel(kernel));
    }
}
