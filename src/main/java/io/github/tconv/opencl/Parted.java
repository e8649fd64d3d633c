package io.github.tconv.opencl;

import io.github.tconv.op.Backend;
import io.github.tconv.op.Tensor;
import java.util.List;
import java.util.Optional;

/** A result whose long sums are cut into blocks: where there are several, each writes a part of its own first. */
final class Parted {
    /** Elements of a work-item, as in {@code gradient_sum.cl}. */
    private static final int WIDTH = 16;
    /** Parts that are added up on their own there. */
    private static final int RUN = 32;

    private static final String KERNEL = "gradient_sum";

    private final Session session;
    private final DeviceBuffer result;
    private final DeviceBuffer target;
    private final int blocks;
    private final int elements;

    Parted(Session session, Call call, DeviceBuffer result, int blocks, int elements) {
        this.session = session;
        this.result = result;
        this.blocks = blocks;
        this.elements = elements;
        target = blocks == 1 ? result : call.workspace((long) blocks * elements);
    }

    /** Where the blocks write: {@code (blocks, elements)}. */
    DeviceBuffer target() {
        return target;
    }

    /** Adds the parts up, in their order. */
    void add() {
        if (blocks > 1) {
            add(session, target, result, blocks, elements);
        }
    }

    /** Adds up parts {@code (blocks, elements)}, in their order. */
    static void add(Session session, DeviceBuffer parts, DeviceBuffer result, int blocks, int elements) {
        add(session, program(session), parts, result, blocks, elements);
    }

    private static Program program(Session session) {
        return session.programs().get(List.of("common", KERNEL), LayerConstants.ANY);
    }

    private static void add(
            Session session, Program program, DeviceBuffer parts, DeviceBuffer result, int blocks, int elements) {
        try (Kernel kernel = program.kernel(KERNEL)) {
            kernel.with(parts)
                    .with(result)
                    .with(blocks, elements)
                    .enqueue(session.queue(), NdRange.of(Grid.tiles(elements, WIDTH)));
        }
    }

    /** Adds up parts {@code (blocks, elements)} on the host, where that is exact. */
    static Tensor sum(Tensor parts) {
        Tensor sum = Tensor.zeros(parts.size(1));
        for (int i = 0; i < parts.elements(); i++) {
            sum.set(i % sum.elements(), sum.get(i % sum.elements()) + parts.get(i));
        }
        return sum;
    }

    /** Tells whether parts are added up right on a device, trying it if nobody has. */
    static boolean isSound(Session session) {
        return session.selfCheck()
                .sound(
                        KERNEL,
                        LayerConstants.ANY,
                        () -> program(session),
                        (program, oracle) -> difference(session, program, oracle))
                .isPresent();
    }

    private static Optional<String> difference(Session session, Program program, Backend oracle) {
        // The elements of several work-items, the last of which has few, and several runs.
        Tensor parts = Exemplar.whole(2 * RUN + 1, 2 * WIDTH + 3);
        Tensor found = Exemplar.unwritten(parts.size(1));
        try (Call call = session.call()) {
            add(session, program, call.operand(parts), call.result(found), parts.size(0), parts.size(1));
            call.complete(program);
        }
        Tensor expected = Tensor.zeros(found.shape());
        oracle.biasGradient(parts.reshape(parts.size(0), parts.size(1), 1), expected);
        return Exemplar.difference(expected, found, "a sum of %d parts".formatted(parts.size(0)));
    }
}
