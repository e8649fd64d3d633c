package io.github.tconv.opencl;

import io.github.tconv.op.Tensor;
import java.lang.ref.Cleaner;
import java.lang.ref.WeakReference;
import java.nio.ByteBuffer;
import java.util.function.Predicate;
import org.jocl.CL;
import org.jspecify.annotations.Nullable;

/**
 * Tensors in place, on a device whose kernels are the host's own code ({@link Device.HostMemory#SAME}).
 *
 * <p>The buffers of the tensors that were used last are kept, so that calls with the same tensors make none. A buffer
 * holds its tensor's memory, so that it never outlives it, but not the tensor: once the garbage collector has found that,
 * a {@link Cleaner} frees the buffer and lets go of the memory. Few bytes are held so, since memory that is found in two
 * steps is free two collections after its last use.
 */
final class SameMemory implements HostAccess {
    private static final Cleaner CLEANER = Cleaner.create();
    private static final int MOST_TENSORS = 64;
    private static final long MOST_BYTES =
            Math.min(64L << 20, Runtime.getRuntime().maxMemory() / 16);

    private final Session session;
    private final ResultMemory results;
    /** The most recently used first. */
    private final Known[] recent = new Known[MOST_TENSORS];

    private int count;
    private long bytes;
    private boolean closed;

    /** A tensor and its buffer. */
    private static final class Known {
        final WeakReference<Tensor> tensor;
        final DeviceBuffer buffer;
        /** Held for the buffer; null where somebody else holds it longer. */
        @SuppressWarnings("unused")
        final @Nullable ByteBuffer memory;

        final long heldBytes;
        private Cleaner.@Nullable Cleanable forgotten;

        Known(Tensor tensor, DeviceBuffer buffer, @Nullable ByteBuffer memory) {
            this.tensor = new WeakReference<>(tensor);
            this.buffer = buffer;
            this.memory = memory;
            this.heldBytes = memory == null ? 0 : buffer.bytes();
        }
    }

    SameMemory(Session session) {
        this.session = session;
        this.results = new ResultMemory(session);
    }

    @Override
    public DeviceBuffer operand(Tensor tensor) {
        synchronized (recent) {
            for (int i = 0; i < count; i++) {
                Known known = recent[i];
                if (known.tensor.refersTo(tensor)) {
                    System.arraycopy(recent, 0, recent, 1, i);
                    recent[0] = known;
                    return known.buffer.share();
                }
            }
        }
        ByteBuffer memory = tensor.memory();
        DeviceBuffer buffer = session.over(CL.CL_MEM_READ_WRITE, memory);
        if (buffer.bytes() <= MOST_BYTES) {
            remember(tensor, buffer.share(), memory);
        }
        return buffer;
    }

    @Override
    public DeviceBuffer result(Tensor tensor) {
        return operand(tensor);
    }

    /** Remembers a tensor's buffer, of which the share becomes this object's. */
    private void remember(Tensor tensor, DeviceBuffer share, @Nullable ByteBuffer memory) {
        Known known = new Known(tensor, share, memory);
        // The action knows the entry, and the entry the tensor weakly.
        known.forgotten = CLEANER.register(tensor, () -> forget(known));
        synchronized (recent) {
            if (closed) {
                share.close();
                return;
            }
            while (count == MOST_TENSORS || bytes + known.heldBytes > MOST_BYTES) {
                remove(count - 1);
            }
            System.arraycopy(recent, 0, recent, 1, count);
            recent[0] = known;
            count++;
            bytes += known.heldBytes;
        }
    }

    private void forget(Known known) {
        forget(any -> any == known);
    }

    private void forget(Predicate<Known> which) {
        synchronized (recent) {
            for (int i = 0; i < count; i++) {
                if (which.test(recent[i])) {
                    remove(i);
                    return;
                }
            }
        }
    }

    private void remove(int place) {
        Known known = recent[place];
        count--;
        System.arraycopy(recent, place + 1, recent, place, count - place);
        recent[count] = null;
        bytes -= known.heldBytes;
        known.buffer.close();
        if (known.forgotten != null) {
            // It finds nothing any more; this takes it off the cleaner's list.
            known.forgotten.clean();
        }
    }

    /** A tensor whose memory is used again once nobody has it any more; the buffer over it is there already. */
    @Override
    public Tensor resultTensor(int... shape) {
        ResultMemory.Lent lent = results.take(Tensor.elementsOf(shape) * (long) Float.BYTES);
        if (lent == null) {
            return Tensor.zeros(shape);
        }
        Tensor tensor = Tensor.wrap(lent.view(), shape);
        remember(tensor, lent.buffer().share(), null);
        return tensor;
    }

    @Override
    public Scratch scratch(int... shape) {
        int size = Tensor.elementsOf(shape) * Float.BYTES;
        if (size < ResultMemory.LEAST_BYTES) {
            return HostAccess.super.scratch(shape);
        }
        DeviceBuffer buffer = session.borrow(Tensor.elementsOf(shape));
        try {
            // Whoever had the buffer before may still have commands to run.
            session.finish();
            ByteBuffer memory = session.view(buffer).limit(size);
            Tensor tensor = Tensor.wrap(memory, shape);
            remember(tensor, buffer.share(), null);
            return new Scratch(tensor, () -> {
                forget(known -> known.tensor.refersTo(tensor));
                buffer.close();
            });
        } catch (RuntimeException e) {
            buffer.close();
            throw e;
        }
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
        synchronized (recent) {
            closed = true;
            while (count > 0) {
                remove(count - 1);
            }
        }
        results.close();
    }
}
