package io.github.tconv.opencl;

import java.util.List;

/** A result whose long sums are cut into blocks: where there are several, each writes a part of its own first. */
final class Parted {
    /** Elements of a work-item, as in {@code gradient_sum.cl}. */
    private static final int WIDTH = 16;

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
        Program program = session.programs().get(List.of("common", "gradient_sum"), LayerConstants.ANY);
        try (Kernel kernel = program.kernel("gradient_sum")) {
            kernel.with(parts)
                    .with(result)
                    .with(blocks, elements)
                    .enqueue(session.queue(), NdRange.of(Grid.tiles(elements, WIDTH)));
        }
    }
}
