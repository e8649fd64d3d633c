package io.github.tconv.network;

import io.github.tconv.op.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Memory for a chain of tensors of which only two neighbours are needed at once. They take the front of one buffer and
 * its end in turn, so that the buffer is as large as the largest pair of neighbours, and no larger.
 */
final class Arena {
    /** Tensors begin at a multiple of a cache line, as those with memory of their own do. */
    private static final int LINE_FLOATS = 16;

    private final List<Tensor> tensors = new ArrayList<>();

    Arena(List<int[]> shapes) {
        if (shapes.isEmpty()) {
            return;
        }
        long floats = floats(shapes);
        if (floats > Tensor.MAX_ELEMENTS) {
            throw new IllegalArgumentException("two neighbouring tensors of a network must have at most %d elements: %d"
                    .formatted(Tensor.MAX_ELEMENTS, floats));
        }
        ByteBuffer memory = Tensor.zeros((int) floats).memory();
        for (int i = 0; i < shapes.size(); i++) {
            int size = Math.toIntExact(elements(shapes.get(i)));
            int first = i % 2 == 0 ? 0 : Math.toIntExact(floats - lines(size));
            ByteBuffer slice =
                    memory.slice(first * Float.BYTES, size * Float.BYTES).order(ByteOrder.nativeOrder());
            tensors.add(Tensor.wrap(slice, shapes.get(i)));
        }
    }

    /** The size of the largest pair of neighbours. */
    static long floats(List<int[]> shapes) {
        long most = 0;
        for (int i = 0; i < shapes.size(); i++) {
            long pair = lines(elements(shapes.get(i)));
            if (i > 0) {
                pair += lines(elements(shapes.get(i - 1)));
            }
            most = Math.max(most, pair);
        }
        return most;
    }

    private static long lines(long floats) {
        return (floats + LINE_FLOATS - 1) / LINE_FLOATS * LINE_FLOATS;
    }

    private static long elements(int[] shape) {
        return Arrays.stream(shape).asLongStream().reduce(1, Math::multiplyExact);
    }

    Tensor get(int i) {
        return tensors.get(i);
    }
}
