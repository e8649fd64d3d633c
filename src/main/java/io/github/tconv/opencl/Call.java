package io.github.tconv.opencl;

import io.github.tconv.op.DeviceException;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Tensor;
import java.lang.ref.Reference;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * One operation on its way through a session: it holds what the operation uses until its commands are enqueued and,
 * where the host takes part, done. Programs are to be had before it begins. Not thread-safe; once closed, a session
 * uses the object for a later operation.
 *
 * <pre>{@code
 * try (Call call = session.call()) {
 *     DeviceBuffer x = call.operand(input);
 *     DeviceBuffer y = call.result(output);
 *     try (Kernel kernel = program.kernel("name")) {
 *         kernel.with(x).with(y).enqueue(session.queue(), range);
 *     }
 *     call.complete(program);
 * }
 * }</pre>
 */
final class Call implements AutoCloseable {
    private static final int USUAL = 8;

    private final Session session;
    private @Nullable DeviceBuffer[] buffers = new @Nullable DeviceBuffer[USUAL];
    /** What each buffer stands for: an operand or a result, or null for a workspace. Keeps tensors from the collector. */
    private @Nullable Operand[] operands = new @Nullable Operand[USUAL];
    /** A bit for each buffer of a result in the host's memory. */
    private long results;

    private int count;
    private boolean hostReads;
    private boolean complete;

    Call(Session session) {
        this.session = session;
    }

    Call begin() {
        Programs.KERNELS_RUN.lock();
        return this;
    }

    /** Brings an operand to the device. */
    DeviceBuffer operand(Operand operand) {
        if (operand instanceof Tensor tensor) {
            hostReads |= session.host().inPlace();
            return hold(session.host().operand(tensor), tensor);
        }
        return hold(onDevice(operand), operand);
    }

    /** Brings an operand to the device, where there is one. */
    @Nullable
    DeviceBuffer optional(@Nullable Operand operand) {
        return operand == null ? null : operand(operand);
    }

    /** Makes room for a result, or takes the room that it has. */
    DeviceBuffer result(Operand result) {
        if (result instanceof Tensor tensor) {
            DeviceBuffer buffer = hold(session.host().result(tensor), tensor);
            results |= 1L << (count - 1);
            return buffer;
        }
        return hold(onDevice(result), result);
    }

    /** Brings an operand to the device that is a result as well. */
    DeviceBuffer updated(Operand result) {
        DeviceBuffer buffer = operand(result);
        if (result instanceof Tensor) {
            results |= 1L << (count - 1);
        }
        return buffer;
    }

    /** Borrows device memory of whatever content. */
    DeviceBuffer workspace(long floats) {
        return hold(session.borrow(floats), null);
    }

    private static DeviceBuffer onDevice(Operand operand) {
        return ((DeviceMemory) ((DeviceTensor) operand).memory()).share();
    }

    private DeviceBuffer hold(DeviceBuffer buffer, @Nullable Operand operand) {
        if (count == buffers.length) {
            buffers = Arrays.copyOf(buffers, 2 * count);
            operands = Arrays.copyOf(operands, 2 * count);
        }
        buffers[count] = buffer;
        operands[count] = operand;
        count++;
        return buffer;
    }

    /**
     * Ends the operation, whose commands are enqueued: waits for them if the host reads a result or owns an operand, and
     * otherwise leaves them to the device.
     *
     * @param program what has run by then, to be remembered on the disk
     */
    void complete(Program program) {
        try {
            complete();
        } catch (DeviceException e) {
            throw program.named(e);
        }
        session.programs().remember(program);
    }

    /** Ends an operation of several programs, or of none; whoever calls has the session remember them. */
    void complete() {
        if (results != 0) {
            for (int i = 0; i < count; i++) {
                if ((results & 1L << i) != 0 && operands[i] instanceof Tensor tensor) {
                    session.host().fetch(buffers[i], tensor);
                }
            }
        } else if (hostReads) {
            session.finish();
        } else {
            session.flush();
        }
        complete = true;
    }

    /** Gives back what the operation held. After a failure, which is being reported, it waits for the device first. */
    @Override
    public void close() {
        try {
            if (!complete) {
                session.drain();
            }
            for (int i = 0; i < count; i++) {
                buffers[i].close();
            }
        } finally {
            Programs.KERNELS_RUN.unlock();
            Reference.reachabilityFence(operands);
            Arrays.fill(buffers, 0, count, null);
            Arrays.fill(operands, 0, count, null);
            count = 0;
            results = 0;
            hostReads = false;
            complete = false;
            session.giveBack(this);
        }
    }
}
