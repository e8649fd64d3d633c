package io.github.tconv.opencl;

import java.lang.ref.Cleaner;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jocl.CL;
import org.jspecify.annotations.Nullable;

/**
 * Memory for large results, used again once nobody has it any more: new memory has to be zeroed and touched page by page,
 * which takes as long as a fast layer. Every hand-out is a new view of a block, and all that a program can make of the
 * tensor (slices, shapes, views of views) keeps that view alive. So when the garbage collector has found it, nobody can
 * read the block any more, and it can be handed out again. Thread-safe.
 *
 * <p>Programs that drop their results make so little garbage that nothing is ever collected. Where some blocks are out, a
 * collection is therefore asked for, as the JDK does where its direct memory is used up. Where that would take too much
 * of the time, and more than new memory for all that the last one found, or where it finds nothing, there is another
 * block instead, and in the end ordinary new memory.
 */
final class ResultMemory implements AutoCloseable {
    /** Below, new memory costs less than the two commands that make a view. */
    static final long LEAST_BYTES = 256 << 10;
    /** All blocks together, of one engine. */
    private static final long MOST_BYTES =
            Math.min(1L << 30, Runtime.getRuntime().maxMemory() / 4);
    /** Beyond this much, and so many blocks, a collection is tried before there is another block. */
    private static final long FREE_BYTES = 32 << 20;

    private static final int FREE_BLOCKS = 4;
    /** The same where Java's heap has more than {@link #SMALL_HEAP} in use, so that a collection may be dear. */
    private static final long FREE_BYTES_LARGE_HEAP = 128 << 20;

    private static final long SMALL_HEAP = 256 << 20;
    /** Sizes that differ by less share blocks. */
    private static final long GRAIN_BYTES = 64 << 10;
    /** The share of the time that collections may take that are asked for here: one in so many. */
    private static final int COLLECTION_SHARE = 10;
    /** How much a collection must save to be worth more of the time: twice what it takes. */
    private static final int COLLECTION_GAIN = 2;
    /** Before that, for so many blocks that the last one found there is another block, so that fewer are needed. */
    private static final int FOUND_A_BLOCK = 4;
    /** How long the collector's finds may be on their way here. */
    private static final long DELIVERY_MILLIS = 20;

    private static final Cleaner CLEANER = Cleaner.create();

    private final Session session;
    /** The least recently used first. */
    private final List<Block> idle = new ArrayList<>();

    /** All blocks, idle or out. */
    private final Set<Block> blocks = new HashSet<>();

    private long bytes;

    private long collectionNanos;
    private long collectionEnd = System.nanoTime();
    /** Blocks that came back since the last collection began, and blocks made since. */
    private int found;

    private int made;
    /** What a byte of the last block took to make. */
    private double nanosPerByte;

    private boolean closed;

    /** Memory and the buffer over it. */
    final class Block {
        /** Not the view that is handed out: this is held until the collector has found that. */
        @SuppressWarnings("unused")
        private final ByteBuffer memory;

        private final DeviceBuffer buffer;

        Block(long size) {
            memory = ByteBuffer.allocateDirect((int) size + 64).alignedSlice(64).slice(0, (int) size);
            buffer = session.over(CL.CL_MEM_READ_WRITE, memory);
        }

        /** Hands the block out: it comes back when the view and all made of it are unreachable. */
        private ByteBuffer handOut(long size) {
            ByteBuffer view = session.view(buffer);
            CLEANER.register(view, () -> giveBack(this));
            return view.limit((int) size);
        }
    }

    /** A block's memory for one result. */
    record Lent(ByteBuffer view, DeviceBuffer buffer) {}

    ResultMemory(Session session) {
        this.session = session;
    }

    /** Takes memory for a result, or null where it had better be new. */
    @Nullable
    Lent take(long size) {
        if (size < LEAST_BYTES || size > MOST_BYTES / 2) {
            return null;
        }
        long whole = (size + GRAIN_BYTES - 1) / GRAIN_BYTES * GRAIN_BYTES;
        Block block = find(whole);
        if (block == null && enoughAreOut(whole) && collectionPays(whole)) {
            collect();
            block = await(whole);
        }
        if (block == null) {
            block = grow(whole);
        }
        if (block == null) {
            return null;
        }
        try {
            return new Lent(block.handOut(size), block.buffer);
        } catch (RuntimeException e) {
            giveBack(block);
            throw e;
        }
    }

    private synchronized @Nullable Block find(long whole) {
        for (int i = idle.size() - 1; i >= 0; i--) {
            if (idle.get(i).buffer.bytes() == whole) {
                return idle.remove(i);
            }
        }
        return null;
    }

    private synchronized boolean enoughAreOut(long whole) {
        Runtime java = Runtime.getRuntime();
        boolean small = java.totalMemory() - java.freeMemory() <= SMALL_HEAP;
        return bytes + whole > Math.max(small ? FREE_BYTES : FREE_BYTES_LARGE_HEAP, FREE_BLOCKS * whole);
    }

    /** Makes another block, in place of idle ones of other sizes if need be. */
    private synchronized @Nullable Block grow(long whole) {
        while (bytes + whole > MOST_BYTES && !idle.isEmpty()) {
            drop(idle.remove(0));
        }
        if (closed || bytes + whole > MOST_BYTES) {
            return null;
        }
        long start = System.nanoTime();
        Block block = new Block(whole);
        nanosPerByte = (double) (System.nanoTime() - start) / whole;
        made++;
        blocks.add(block);
        bytes += whole;
        return block;
    }

    private synchronized @Nullable Block await(long whole) {
        long deadline = System.nanoTime() + DELIVERY_MILLIS * 1_000_000;
        Block block = find(whole);
        while (block == null) {
            long left = (deadline - System.nanoTime()) / 1_000_000;
            if (left <= 0) {
                return null;
            }
            try {
                wait(left);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return null;
            }
            block = find(whole);
        }
        return block;
    }

    private synchronized boolean collectionPays(long whole) {
        boolean rare = System.nanoTime() - collectionEnd >= COLLECTION_SHARE * collectionNanos;
        boolean enoughWereMade = bytes + whole > MOST_BYTES || made * FOUND_A_BLOCK >= found;
        boolean cheap = found * nanosPerByte * whole >= (double) COLLECTION_GAIN * collectionNanos;
        return rare || (enoughWereMade && cheap);
    }

    private void collect() {
        long start = System.nanoTime();
        synchronized (this) {
            found = 0;
            made = 0;
        }
        System.gc();
        synchronized (this) {
            collectionEnd = System.nanoTime();
            collectionNanos = collectionEnd - start;
        }
    }

    private synchronized void giveBack(Block block) {
        if (!closed) {
            idle.add(block);
            found++;
            notifyAll();
        }
    }

    private void drop(Block block) {
        blocks.remove(block);
        bytes -= block.buffer.bytes();
        block.buffer.close();
    }

    /** Frees all buffers. The memory of results that somebody has stays as long as they have it. */
    @Override
    public synchronized void close() {
        closed = true;
        idle.clear();
        for (Block block : List.copyOf(blocks)) {
            drop(block);
        }
    }
}
