package io.github.tconv.opencl;

import io.github.tconv.op.Axis;
import io.github.tconv.op.DeviceException;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Computes a problem in parts where the device has no room for the whole: first the images of a batch, then the rows of
 * one image. The bits are those of the whole, for every part is a problem of the same layer: a slab of rows reads all
 * rows that its results need, begins where the whole has a tile's border, and what its cut edges spoil is dropped.
 *
 * <p>In the formulas, as everywhere: input {@code i} and tap {@code k} meet at output
 * {@code o = i * stride - padBegin + k * dilation}. A slab that begins at input {@code i0} has the same padding if its
 * output begins at {@code i0 * stride}.
 */
enum Parts {
    /** Reads the input, writes the output. */
    FORWARD {
        @Override
        Slab first(Axis axis, int inputs, int outputs, int middle) {
            long lastInput = Math.floorDiv(middle * (long) axis.stride() - 1 + axis.padBegin(), axis.stride());
            long size = smallestMaking(axis, Math.min(outputs, (middle + GRAIN) * (long) axis.stride()));
            int end = (int) Math.min(inputs, Math.max(size, lastInput + 1 + GRAIN));
            return new Slab(0, end, 0, Math.min(outputs, middle * axis.stride()));
        }

        @Override
        Slab second(Axis axis, int inputs, int outputs, int middle) {
            long firstInput = middle - Math.floorDiv(axis.extent() - 1 - axis.padBegin(), axis.stride());
            return new Slab(
                    begin(Math.min(firstInput, Math.min(middle, inputs - 1))), inputs, middle * axis.stride(), outputs);
        }
    },
    /** Reads the output's gradient, writes the input's. */
    INPUT_GRADIENT {
        @Override
        Slab first(Axis axis, int inputs, int outputs, int middle) {
            long lastOutput = (middle - 1L + GRAIN) * axis.stride() - axis.padBegin() + axis.extent() - 1;
            long size = smallestMaking(axis, Math.min(outputs, lastOutput + 1));
            return new Slab(0, (int) Math.min(inputs, Math.max(size, middle + GRAIN)), 0, middle);
        }

        @Override
        Slab second(Axis axis, int inputs, int outputs, int middle) {
            long firstInput = middle + Math.floorDiv(-(long) axis.padBegin(), axis.stride());
            return new Slab(begin(Math.min(middle, firstInput)), inputs, middle, inputs);
        }
    };

    /**
     * Rows to a side, in points of the phase grid, within which a kernel's tile may lie: a slab begins at a multiple of
     * it and has as much to spare at its cut edges. Tiles whose place decides the order of additions are those of
     * Winograd's kernels, 2, 4 or 6 rows high.
     */
    private static final int GRAIN = 12;

    /** Computes a problem of the same layer at once. */
    @FunctionalInterface
    interface Whole {
        /**
         * Computes.
         *
         * @param problem the problem
         * @param read the input, or the output's gradient
         * @param residual of the output's shape, if there is one
         * @param written the output, or the input's gradient
         * @throws DeviceException if the device fails
         */
        void compute(Problem problem, Operand read, @Nullable Operand residual, Operand written);
    }

    /**
     * A part of one axis.
     *
     * @param inputBegin the first input of the part
     * @param inputEnd after the last
     * @param keepBegin the first result that is kept
     * @param keepEnd after the last
     */
    record Slab(int inputBegin, int inputEnd, int keepBegin, int keepEnd) {}

    /** The shape of what is read beside the weight. */
    int[] readShape(Problem problem) {
        return this == FORWARD ? problem.inputShape() : problem.outputShape();
    }

    /** The shape of the result, and of a residual. */
    int[] writtenShape(Problem problem) {
        return this == FORWARD ? problem.outputShape() : problem.inputShape();
    }

    /** The part of the results before a point of the phase grid; all of the input if there is no smaller one. */
    abstract Slab first(Axis axis, int inputs, int outputs, int middle);

    /** The part from that point on. */
    abstract Slab second(Axis axis, int inputs, int outputs, int middle);

    private static int begin(long firstInput) {
        return (int) (Math.max(0, Math.floorDiv(firstInput, GRAIN) - 1) * GRAIN);
    }

    private static long smallestMaking(Axis axis, long outputs) {
        long longest = axis.inputSize(outputs);
        return axis.outputSize(longest) < outputs ? longest + 1 : longest;
    }

    /** Computes at once if the device has room, in parts if it has not. */
    void compute(
            Device device, Problem problem, Operand read, @Nullable Operand residual, Operand written, Whole whole) {
        try {
            whole.compute(problem, read, residual, written);
        } catch (DeviceException e) {
            if (!Shortage.isMemory(e)) {
                throw e;
            }
            if (!split(device, problem, read, residual, written, whole)) {
                String what = "%s of %s, which has no smaller part".formatted(this, problem);
                long bytes = Float.BYTES * ((long) read.elements() + written.elements());
                throw Shortage.explained(e, device, what, bytes);
            }
        }
    }

    /** Computes in two parts; false if there are none. Tensors that stay on the device have taken their room already. */
    private boolean split(
            Device device, Problem problem, Operand read, @Nullable Operand residual, Operand written, Whole whole) {
        if (!(read instanceof Tensor from) || !(written instanceof Tensor to) || residual instanceof DeviceTensor) {
            return false;
        }
        Tensor added = (Tensor) residual;
        if (problem.batch() == 1) {
            return rows(device, problem, from, added, to, whole);
        }
        int half = problem.batch() / 2;
        images(device, problem, from, added, to, whole, 0, half);
        images(device, problem, from, added, to, whole, half, problem.batch());
        return true;
    }

    private void images(
            Device device,
            Problem problem,
            Tensor read,
            @Nullable Tensor residual,
            Tensor written,
            Whole whole,
            int begin,
            int end) {
        Problem part = problem.layer().problem(end - begin, sizes(problem));
        compute(
                device,
                part,
                Slices.outer(read, begin, end),
                residual == null ? null : Slices.outer(residual, begin, end),
                Slices.outer(written, begin, end),
                whole);
    }

    /** The spatial sizes of a problem's input. */
    static int[] sizes(Problem problem) {
        return Arrays.copyOfRange(problem.inputShape(), 2, problem.layer().rank() + 2);
    }

    /** Splits the longest axis that can be; false if none can. */
    private boolean rows(
            Device device, Problem problem, Tensor read, @Nullable Tensor residual, Tensor written, Whole whole) {
        int best = -1;
        for (int a = 0; a < problem.layer().rank(); a++) {
            if (middle(problem, a) > 0 && (best < 0 || problem.outputSize(a) > problem.outputSize(best))) {
                best = a;
            }
        }
        if (best < 0) {
            return false;
        }
        Axis axis = problem.layer().axes().get(best);
        int inputs = problem.inputSize(best);
        int outputs = problem.outputSize(best);
        int middle = middle(problem, best);
        for (Slab slab : new Slab[] {first(axis, inputs, outputs, middle), second(axis, inputs, outputs, middle)}) {
            rows(device, problem, read, residual, written, whole, best, slab);
        }
        return true;
    }

    /** The point of the phase grid at which to cut an axis, or 0 if neither side would be smaller. */
    private int middle(Problem problem, int a) {
        Axis axis = problem.layer().axes().get(a);
        int inputs = problem.inputSize(a);
        int outputs = problem.outputSize(a);
        int points = this == FORWARD ? (outputs + axis.stride() - 1) / axis.stride() : inputs;
        int middle = points / 2 / GRAIN * GRAIN;
        if (middle == 0) {
            return 0;
        }
        int end = first(axis, inputs, outputs, middle).inputEnd;
        int begin = second(axis, inputs, outputs, middle).inputBegin;
        boolean smaller = end < inputs && begin > 0;
        boolean bothWrite = axis.outputSize(end) > 0 && outputs - begin * (long) axis.stride() > 0;
        return smaller && bothWrite ? middle : 0;
    }

    private void rows(
            Device device,
            Problem problem,
            Tensor read,
            @Nullable Tensor residual,
            Tensor written,
            Whole whole,
            int a,
            Slab slab) {
        int[] sizes = sizes(problem);
        sizes[a] = slab.inputEnd - slab.inputBegin;
        Problem part = problem.layer().problem(1, sizes);
        int stride = problem.layer().axes().get(a).stride();
        int readBegin = this == FORWARD ? slab.inputBegin : slab.inputBegin * stride;
        int writtenBegin = this == FORWARD ? slab.inputBegin * stride : slab.inputBegin;
        Tensor partRead = Tensor.zeros(readShape(part));
        Tensor partWritten = Tensor.zeros(writtenShape(part));
        Slices.copy(a + 2, read, readBegin, partRead, 0, partRead.size(a + 2));
        Tensor partResidual = null;
        if (residual != null) {
            partResidual = Tensor.zeros(partWritten.shape());
            Slices.copy(a + 2, residual, writtenBegin, partResidual, 0, partResidual.size(a + 2));
        }
        compute(device, part, partRead, partResidual, partWritten, whole);
        int kept = slab.keepEnd - slab.keepBegin;
        Slices.copy(a + 2, partWritten, slab.keepBegin - writtenBegin, written, slab.keepBegin, kept);
    }

    @Override
    public String toString() {
        return this == FORWARD ? "the forward pass" : "the gradient by the input";
    }
}
