package io.github.tconv.opencl;

import io.github.tconv.op.DeviceException;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Tensor;
import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import org.jocl.CL;
import org.jocl.CLException;
import org.jocl.Pointer;
import org.jocl.cl_command_queue;
import org.jocl.cl_context;
import org.jocl.cl_context_properties;
import org.jocl.cl_device_id;
import org.jocl.cl_event;
import org.jocl.cl_queue_properties;
import org.jspecify.annotations.Nullable;

/**
 * A context and a queue on one device, with the programs compiled there. May be used by many threads at once; the queue
 * runs their work in the order in which it came.
 */
final class Session implements AutoCloseable {
    /** Contexts are made and freed one at a time: a driver is known to abort otherwise. */
    private static final Object CONTEXTS = new Object();
    /** What a session may hold for its next calls, where that is not too much for the device. */
    private static final long MAX_IDLE_BYTES = 1L << 30;

    /** The sessions that are open in this process. */
    private static final Set<Session> OPEN = ConcurrentHashMap.newKeySet();

    private final Device device;
    private final cl_context context;
    private final cl_command_queue queue;
    private final Programs programs;
    private final SelfCheck selfCheck;
    private final HostAccess host;
    private final BufferPool pool;
    /** How many shares of each buffer are kept. */
    private final Map<DeviceBuffer, Integer> kept = new ConcurrentHashMap<>();

    private final Deque<Call> idleCalls = new ArrayDeque<>();
    private final Object closing = new Object();
    private boolean closed;

    /** Opens a device. One that is a part of another is this session's from now on, also if that fails. */
    Session(Device device) {
        this(device, ProgramCache.ofUser(), SelfCheck.OFF);
    }

    Session(Device device, ProgramCache disk) {
        this(device, disk, SelfCheck.OFF);
    }

    Session(Device device, ProgramCache disk, SelfCheck selfCheck) {
        this(device, disk, selfCheck, Rounding.of(/* mayContract= */ true));
    }

    Session(Device device, ProgramCache disk, SelfCheck selfCheck, Rounding rounding) {
        this.device = device;
        this.selfCheck = selfCheck;
        host = switch (device.hostMemory()) {
            case SAME -> new SameMemory(this);
            case MAPPED -> new MappedMemory(this);
            case APART -> new ApartMemory(this);
        };
        pool = new BufferPool(
                this,
                CL.CL_MEM_READ_WRITE,
                Math.min(MAX_IDLE_BYTES, device.info().memoryBytes() / 8));
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
                programs = new Programs(device, context, disk, rounding);
                OPEN.add(this);
            } catch (CLException e) {
                if (created != null) {
                    Calls.clReleaseContext(created);
                    Handles.released();
                }
                releasePart();
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

    /** Returns the check that programs pass before they compute for a caller. */
    SelfCheck selfCheck() {
        return selfCheck;
    }

    /** Begins an operation. */
    Call call() {
        programs.noteCall();
        Call call;
        synchronized (idleCalls) {
            call = idleCalls.poll();
        }
        return (call == null ? new Call(this) : call).begin();
    }

    void giveBack(Call call) {
        synchronized (idleCalls) {
            idleCalls.push(call);
        }
    }

    /** How this session's device gets at tensors of the host's. */
    HostAccess host() {
        return host;
    }

    /** Makes buffers over new tensors for nothing: the first call with one finds Java's code compiled. */
    void rehearse(int times) {
        if (host instanceof SameMemory) {
            for (int i = 0; i < times; i++) {
                // On its own, lest the buffers of the caller's tensors make room.
                try (HostAccess apart = new SameMemory(this)) {
                    apart.operand(Tensor.zeros(1)).close();
                }
            }
        }
    }

    /**
     * Brings an operand to the device, to stay there until it is released or the session is closed.
     *
     * @param copy whether it is copied in any case, or used in place where the device can
     */
    DeviceBuffer keep(Operand operand, boolean copy) {
        if (operand instanceof Tensor tensor) {
            return keep(copy ? copy(tensor) : host.operand(tensor));
        }
        return keep(((DeviceMemory) ((DeviceTensor) operand).memory()).share());
    }

    /**
     * Makes room on the device, of whatever content, to stay there until it is released or the session is closed. If the
     * pool has a buffer of that size it is this: a layer's packed weight goes where that of its trial was, whose pages are
     * there.
     */
    DeviceBuffer keep(long floats) {
        DeviceBuffer idle = pool.takeForGood(floats * Float.BYTES);
        return keep(idle == null ? make(floats) : idle);
    }

    /** Keeps a share of a buffer until it is released or the session is closed. */
    DeviceBuffer keep(DeviceBuffer share) {
        kept.merge(share, 1, Integer::sum);
        return share;
    }

    /** Whether a share is still kept: neither released nor given back by the session's close. */
    boolean keeps(DeviceBuffer share) {
        return kept.containsKey(share);
    }

    /** Gives a kept share back now; does nothing where the session's close has. */
    void release(DeviceBuffer share) {
        boolean[] had = new boolean[1];
        kept.computeIfPresent(share, (buffer, shares) -> {
            had[0] = true;
            return shares == 1 ? null : shares - 1;
        });
        if (had[0]) {
            share.close();
        }
    }

    /** Makes device memory of whatever content that no earlier command knows. */
    DeviceBuffer make(long floats) {
        return create(CL.CL_MEM_READ_WRITE, floats * Float.BYTES, null, DeviceBuffer::free);
    }

    /** Runs kernels beside everything else, on a queue of their own, and waits for them. */
    void beside(Consumer<cl_command_queue> enqueue) {
        Programs.KERNELS_RUN.lock();
        cl_command_queue side = null;
        try {
            side = createQueue(context);
            Handles.acquired();
            try {
                enqueue.accept(side);
            } finally {
                Calls.clFinish(side);
            }
        } catch (CLException e) {
            throw failure("running beside", "", e);
        } finally {
            if (side != null) {
                Calls.clReleaseCommandQueue(side);
                Handles.released();
            }
            Programs.KERNELS_RUN.unlock();
        }
    }

    /** Borrows device memory of whatever content; closing it gives it back. */
    DeviceBuffer borrow(long floats) {
        return pool.take(floats * Float.BYTES);
    }

    private DeviceBuffer copy(Tensor tensor) {
        DeviceBuffer buffer = create(CL.CL_MEM_READ_WRITE, bytes(tensor), null, DeviceBuffer::free);
        try {
            host.write(tensor, buffer);
            return buffer;
        } catch (RuntimeException e) {
            buffer.close();
            throw e;
        }
    }

    /** Makes a buffer over a tensor's own memory, which must outlive it. */
    DeviceBuffer over(long flags, Tensor tensor) {
        return over(flags, tensor.memory());
    }

    /** Makes a buffer over memory of the host's, which must outlive it. */
    DeviceBuffer over(long flags, ByteBuffer memory) {
        Pointer pointer = Pointer.toBuffer(memory);
        return create(flags | CL.CL_MEM_USE_HOST_PTR, memory.remaining(), pointer, DeviceBuffer::free);
    }

    /** Makes a buffer. */
    DeviceBuffer create(long flags, long bytes, @Nullable Pointer from, Consumer<DeviceBuffer> whenUnused) {
        try {
            return tryToCreate(flags, bytes, from, whenUnused);
        } catch (CLException e) {
            // What waits for its next use makes room for this one.
            if (Shortage.isMemory(e.getStatus()) && pool.freeIdle()) {
                try {
                    return tryToCreate(flags, bytes, from, whenUnused);
                } catch (CLException again) {
                    e.addSuppressed(again);
                }
            }
            String sizes = "%d bytes of at most %d a buffer and %d on the device, "
                    .formatted(bytes, device.maxAllocationBytes(), device.info().memoryBytes());
            throw failure("clCreateBuffer", sizes, e);
        }
    }

    private DeviceBuffer tryToCreate(
            long flags, long bytes, @Nullable Pointer from, Consumer<DeviceBuffer> whenUnused) {
        return new DeviceBuffer(Calls.clCreateBuffer(context, flags, bytes, from, null), bytes, whenUnused);
    }

    private static long bytes(Tensor tensor) {
        return (long) tensor.elements() * Float.BYTES;
    }

    /**
     * Makes a view of a buffer's memory, on a device that works in the host's own: the standard's way to an address. The
     * view holds nothing; whoever made the memory sees to it that it stays while there are views.
     */
    ByteBuffer view(DeviceBuffer buffer) {
        ByteBuffer mapped = map(buffer, /* wait= */ false, CL.CL_MAP_WRITE);
        unmap(buffer, mapped);
        return mapped.order(ByteOrder.nativeOrder());
    }

    /** Copies values to the device and waits for it. */
    void write(Tensor source, DeviceBuffer target) {
        try {
            Pointer from = Pointer.toBuffer(source.memory());
            Calls.clEnqueueWriteBuffer(queue, target.memory(), true, 0, bytes(source), from, 0, null, null);
        } catch (CLException e) {
            throw failure("clEnqueueWriteBuffer", bytes(source) + " bytes, ", e);
        } finally {
            Reference.reachabilityFence(source);
        }
    }

    /** Waits for everything enqueued so far and copies values from the device. */
    void read(DeviceBuffer source, Tensor target) {
        try {
            Pointer to = Pointer.toBuffer(target.memory());
            Calls.clEnqueueReadBuffer(queue, source.memory(), true, 0, bytes(target), to, 0, null, null);
        } catch (CLException e) {
            throw failure("clEnqueueReadBuffer", bytes(target) + " bytes, ", e);
        } finally {
            Reference.reachabilityFence(target);
        }
    }

    /**
     * Whether the driver bears one thread only, as a simulator does. JOCL waits for an unmapping, and for a copy that does
     * not block, on a thread of its own.
     */
    boolean bearsOneThread() {
        return device.info().isSimulator();
    }

    /** Begins to copy values to the device; whoever calls releases the event by {@link #await}. */
    void write(Pointer source, DeviceBuffer target, long offset, long bytes, cl_event done) {
        try {
            Calls.clEnqueueWriteBuffer(queue, target.memory(), bearsOneThread(), offset, bytes, source, 0, null, done);
            Handles.acquired();
        } catch (CLException e) {
            throw failure("clEnqueueWriteBuffer", bytes + " bytes at " + offset + ", ", e);
        }
    }

    /** Begins to copy values from the device; whoever calls releases the event by {@link #await}. */
    void read(DeviceBuffer source, long offset, long bytes, Pointer target, cl_event done) {
        try {
            Calls.clEnqueueReadBuffer(queue, source.memory(), bearsOneThread(), offset, bytes, target, 0, null, done);
            Handles.acquired();
        } catch (CLException e) {
            throw failure("clEnqueueReadBuffer", bytes + " bytes at " + offset + ", ", e);
        }
    }

    /** Waits for an event and releases it. */
    void await(cl_event[] event) {
        try {
            Calls.clWaitForEvents(1, event);
        } catch (CLException e) {
            throw failure("clWaitForEvents", "", e);
        } finally {
            Calls.clReleaseEvent(event[0]);
            Handles.released();
        }
    }

    /** Maps a whole buffer, after everything enqueued so far. */
    ByteBuffer map(DeviceBuffer buffer, boolean wait, long flags) {
        try {
            return Calls.clEnqueueMapBuffer(
                    queue, buffer.memory(), wait, flags, 0, buffer.bytes(), 0, null, null, null);
        } catch (CLException e) {
            throw failure("clEnqueueMapBuffer", buffer.bytes() + " bytes, ", e);
        }
    }

    void unmap(DeviceBuffer buffer, ByteBuffer mapped) {
        try {
            Calls.clEnqueueUnmapMemObject(queue, buffer.memory(), mapped, 0, null, null);
        } catch (CLException e) {
            throw failure("clEnqueueUnmapMemObject", "", e);
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

    /** Has the device begin with what is enqueued, without waiting for it. */
    void flush() {
        try {
            Calls.clFlush(queue);
        } catch (CLException e) {
            throw failure("clFlush", "", e);
        }
    }

    boolean isOpen() {
        synchronized (closing) {
            return !closed;
        }
    }

    /** Waits for everything enqueued so far, where the session is not closed, which has waited. */
    void drainIfOpen() {
        synchronized (closing) {
            if (!closed) {
                drain();
            }
        }
    }

    /** Waits until the device uses no memory of the caller's any more, after a failure that is being reported. */
    void drain() {
        try {
            Calls.clFinish(queue);
        } catch (CLException e) {
            // The first failure is the one to report.
        }
    }

    /** Waits until no kernel of this process runs; whoever asks sees to it that none is enqueued meanwhile. */
    static void drainAll() {
        OPEN.forEach(Session::drainIfOpen);
    }

    /** Frees everything. No call may be running. Idempotent. */
    @Override
    public void close() {
        synchronized (CONTEXTS) {
            synchronized (closing) {
                if (closed) {
                    return;
                }
                drain();
                closed = true;
            }
            OPEN.remove(this);
            for (DeviceBuffer buffer : kept.keySet()) {
                while (kept.containsKey(buffer)) {
                    release(buffer);
                }
            }
            host.close();
            pool.close();
            programs.close();
            selfCheck.save();
            Calls.clReleaseCommandQueue(queue);
            Handles.released();
            Calls.clReleaseContext(context);
            Handles.released();
            releasePart();
        }
    }

    private void releasePart() {
        if (device.part()) {
            DeviceParts.release(device);
        }
    }
}
