package io.github.tconv.opencl;

import io.github.tconv.op.Tensor;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Deque;
import org.jocl.CL;
import org.jocl.Pointer;
import org.jocl.cl_event;
import org.jspecify.annotations.Nullable;

/**
 * Pinned memory of the host's, through which values go to a device that is apart, and back: a driver reads and writes it
 * without a copy of its own and without the host. Large tensors go in pieces, so that the host copies one while the
 * device takes or gives another. The pieces are kept for later transfers. Thread-safe.
 */
final class Staging implements AutoCloseable {
    /** Long enough that the bus is busy, short enough that the first piece is soon on its way. */
    static final int PIECE_BYTES = 4 << 20;
    /** One that the host copies, one that the device transfers. */
    private static final int PIECES_OF_A_TRANSFER = 2;
    /** Two transfers at once; what more threads need is freed again. */
    private static final int MOST_IDLE = 2 * PIECES_OF_A_TRANSFER;

    private final Session session;
    private final int pieceBytes;
    private final Deque<Piece> idle = new ArrayDeque<>();
    private boolean closed;

    /** A piece of pinned memory, always mapped, and the transfer that may still use it. */
    private final class Piece {
        /** Null where it is ordinary memory. */
        final @Nullable DeviceBuffer pinned;

        final ByteBuffer memory;
        final Pointer pointer;
        /** An event of its own each time: JOCL does not fill one that was released. */
        final cl_event[] transfer = new cl_event[1];

        boolean busy;

        Piece() {
            if (session.bearsOneThread()) {
                pinned = null;
                memory = ByteBuffer.allocateDirect(pieceBytes);
            } else {
                pinned = session.create(
                        CL.CL_MEM_READ_WRITE | CL.CL_MEM_ALLOC_HOST_PTR, pieceBytes, null, DeviceBuffer::free);
                try {
                    memory = session.map(pinned, /* wait= */ true, CL.CL_MAP_READ | CL.CL_MAP_WRITE);
                } catch (RuntimeException e) {
                    pinned.close();
                    throw e;
                }
            }
            pointer = Pointer.toBuffer(memory);
        }

        /** Waits until the device no longer uses the memory. */
        void await() {
            if (busy) {
                busy = false;
                session.await(transfer);
            }
        }

        void write(DeviceBuffer target, long offset, int bytes) {
            transfer[0] = new cl_event();
            session.write(pointer, target, offset, bytes, transfer[0]);
            busy = true;
        }

        void read(DeviceBuffer source, long offset, int bytes) {
            transfer[0] = new cl_event();
            session.read(source, offset, bytes, pointer, transfer[0]);
            busy = true;
        }

        void free() {
            try {
                await();
                if (pinned != null) {
                    session.unmap(pinned, memory);
                }
            } finally {
                if (pinned != null) {
                    pinned.close();
                }
            }
        }
    }

    Staging(Session session) {
        this(session, PIECE_BYTES);
    }

    Staging(Session session, int pieceBytes) {
        this.session = session;
        this.pieceBytes = pieceBytes;
    }

    /** Copies values to the device. They are on their way when this returns, and the tensor is the caller's again. */
    void write(Tensor source, DeviceBuffer target) {
        ByteBuffer values = source.memory();
        Piece[] pieces = take(values.capacity());
        try {
            int bytes;
            for (int offset = 0, i = 0; offset < values.capacity(); offset += bytes, i++) {
                bytes = Math.min(pieceBytes, values.capacity() - offset);
                Piece piece = pieces[i % pieces.length];
                piece.await();
                piece.memory.put(0, values, offset, bytes);
                piece.write(target, offset, bytes);
            }
        } finally {
            giveBack(pieces);
        }
    }

    /** Waits for everything enqueued so far and copies values from the device. */
    void read(DeviceBuffer source, Tensor target) {
        ByteBuffer values = target.memory();
        Piece[] pieces = take(values.capacity());
        try {
            int asked = 0;
            int next = 0;
            int bytes;
            for (int offset = 0, i = 0; offset < values.capacity(); offset += bytes, i++) {
                for (; next < values.capacity() && asked < i + pieces.length; asked++) {
                    Piece ahead = pieces[asked % pieces.length];
                    ahead.await();
                    int length = Math.min(pieceBytes, values.capacity() - next);
                    ahead.read(source, next, length);
                    next += length;
                }
                bytes = Math.min(pieceBytes, values.capacity() - offset);
                Piece piece = pieces[i % pieces.length];
                piece.await();
                values.put(offset, piece.memory, 0, bytes);
            }
        } finally {
            giveBack(pieces);
        }
    }

    private Piece[] take(int bytes) {
        Piece[] pieces = new Piece[bytes <= pieceBytes ? 1 : PIECES_OF_A_TRANSFER];
        int got = 0;
        try {
            for (; got < pieces.length; got++) {
                synchronized (idle) {
                    pieces[got] = idle.poll();
                }
                if (pieces[got] == null) {
                    pieces[got] = new Piece();
                }
            }
            return pieces;
        } catch (RuntimeException e) {
            for (int i = 0; i < got; i++) {
                giveBack(pieces[i]);
            }
            throw e;
        }
    }

    private void giveBack(Piece... pieces) {
        for (Piece piece : pieces) {
            boolean kept;
            synchronized (idle) {
                kept = !closed && idle.size() < MOST_IDLE;
                if (kept) {
                    // The one that has rested longest comes first, whose transfer is done.
                    idle.add(piece);
                }
            }
            if (!kept) {
                piece.free();
            }
        }
    }

    @Override
    public void close() {
        synchronized (idle) {
            closed = true;
            idle.forEach(Piece::free);
            idle.clear();
        }
    }
}
