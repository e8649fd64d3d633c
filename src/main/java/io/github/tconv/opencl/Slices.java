package io.github.tconv.opencl;

import io.github.tconv.op.Tensor;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;

/** Ranges of one axis of a tensor in the host's memory, for calls and trials that are made in parts. */
final class Slices {
    private Slices() {}

    /** A range of the outermost axis: the same memory, and so nothing to copy. */
    static Tensor outer(Tensor tensor, int begin, int end) {
        int bytes = tensor.elements() / tensor.size(0) * Float.BYTES;
        int[] shape = tensor.shape();
        shape[0] = end - begin;
        return Tensor.wrap(
                tensor.memory().slice(begin * bytes, (end - begin) * bytes).order(ByteOrder.nativeOrder()), shape);
    }

    /** A range of the channels of {@code (n, channels, spatial...)}: a copy, unless it is all of them. */
    static Tensor channels(Tensor tensor, int begin, int end) {
        int[] shape = tensor.shape();
        if (end - begin == shape[1]) {
            return tensor;
        }
        shape[1] = end - begin;
        Tensor some = Tensor.zeros(shape);
        copy(1, tensor, begin, some, 0, end - begin);
        return some;
    }

    /** As much of an axis as is asked for, from its beginning, and zeros beyond its end: a copy, unless it is just all. */
    static Tensor resized(Tensor tensor, int axis, int size) {
        int[] shape = tensor.shape();
        if (size == shape[axis]) {
            return tensor;
        }
        shape[axis] = size;
        Tensor other = Tensor.zeros(shape);
        copy(axis, tensor, 0, other, 0, Math.min(size, tensor.size(axis)));
        return other;
    }

    /** Copies a range of an axis from one tensor to another that differs in that axis alone. */
    static void copy(int axis, Tensor from, int fromBegin, Tensor to, int toBegin, int count) {
        int inner = 1;
        for (int a = axis + 1; a < from.rank(); a++) {
            inner *= from.size(a);
        }
        int fromStep = from.size(axis) * inner;
        int toStep = to.size(axis) * inner;
        FloatBuffer source = from.floats();
        FloatBuffer target = to.floats();
        for (int outer = 0; outer < from.elements() / fromStep; outer++) {
            target.put(outer * toStep + toBegin * inner, source, outer * fromStep + fromBegin * inner, count * inner);
        }
    }
}
