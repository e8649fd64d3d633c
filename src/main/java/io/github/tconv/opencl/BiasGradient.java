package io.github.tconv.opencl;

import io.github.tconv.op.Backend;
import io.github.tconv.op.DeviceException;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Tensor;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The gradient by the bias on one device. Where that has no room for a call, the call is made in parts, with the bits of
 * the whole: some channels; then some blocks of the sum over one channel, which follow one another in memory, and at the
 * end the blocks' sums are added up as everywhere.
 */
final class BiasGradient {
    private static final String KERNEL = "bias_gradient";

    private final Session session;

    BiasGradient(Session session) {
        this.session = session;
    }

    /** Computes by the kernels, or has the oracle compute where they are not right. */
    void compute(Operand outputGradient, Operand biasGradient) {
        Program program = sound(ChannelBlocks.of(outputGradient).count());
        if (program != null) {
            byKernel(program, outputGradient, biasGradient);
        } else {
            Backend oracle = session.selfCheck().oracle();
            Tensor gy = Substitute.onHost(session, outputGradient);
            Substitute.intoHost(session, biasGradient, gb -> oracle.biasGradient(gy, gb));
        }
    }

    /** The program that has proved itself; null where the oracle is to take its place. */
    private @Nullable Program sound(int blocks) {
        if (blocks > 1 && !Parted.isSound(session)) {
            return null;
        }
        return session.selfCheck()
                .sound(
                        KERNEL,
                        LayerConstants.ANY,
                        () -> session.programs().get(List.of("common", KERNEL), LayerConstants.ANY),
                        this::difference)
                .orElse(null);
    }

    /** Several images of several blocks each. */
    private Optional<String> difference(Program program, Backend oracle) {
        Tensor gy = Exemplar.whole(2, 3, ChannelBlocks.LENGTH + 3);
        ChannelBlocks blocks = ChannelBlocks.of(gy);
        Tensor parts = Exemplar.unwritten(blocks.count(), blocks.channels());
        try (Call call = session.call()) {
            enqueue(program, call.operand(gy), call.result(parts), blocks);
            call.complete(program);
        }
        Tensor expected = Tensor.zeros(blocks.channels());
        oracle.biasGradient(gy, expected);
        return Exemplar.difference(expected, Parted.sum(parts), "the gradient by the bias of " + gy);
    }

    /** Computes at once if the device has room, in parts if it has not. */
    private void byKernel(Program program, Operand outputGradient, Operand biasGradient) {
        try {
            whole(program, outputGradient, biasGradient);
        } catch (DeviceException e) {
            // Tensors that stay on the device have taken their room already.
            boolean inParts = Shortage.isMemory(e)
                    && outputGradient instanceof Tensor gy
                    && biasGradient instanceof Tensor gb
                    && split(program, gy, gb);
            if (!inParts) {
                throw explained(e, outputGradient, biasGradient);
            }
        }
    }

    /** A shortage in words; any other failure as it is. */
    private DeviceException explained(DeviceException failure, Operand read, Operand written) {
        if (!Shortage.isMemory(failure)) {
            return failure;
        }
        String what = "the gradient by the bias of %s, which has no smaller part".formatted(read);
        long bytes = Float.BYTES * ((long) read.elements() + written.elements());
        return Shortage.explained(failure, session.device(), what, bytes);
    }

    private void whole(Program program, Operand outputGradient, Operand biasGradient) {
        ChannelBlocks blocks = ChannelBlocks.of(outputGradient);
        try (Call call = session.call()) {
            DeviceBuffer gy = call.operand(outputGradient);
            Parted gb = new Parted(session, call, call.result(biasGradient), blocks.count(), blocks.channels());
            enqueue(program, gy, gb.target(), blocks);
            gb.add();
            call.complete(program);
        }
    }

    private void enqueue(Program program, DeviceBuffer gy, DeviceBuffer sums, ChannelBlocks blocks) {
        try (Kernel kernel = program.kernel(KERNEL)) {
            kernel.with(gy).with(sums).with(blocks.arguments()).enqueue(session.queue(), blocks.range());
        }
    }

    /** Computes in parts; false if there are none. */
    private boolean split(Program program, Tensor gy, Tensor gb) {
        int channels = gy.size(1);
        if (channels > 1) {
            int half = channels / 2;
            byKernel(program, Slices.channels(gy, 0, half), Slices.outer(gb, 0, half));
            byKernel(program, Slices.channels(gy, half, channels), Slices.outer(gb, half, channels));
            return true;
        }
        int blocks = ChannelBlocks.of(gy).count();
        if (blocks == 1) {
            return false;
        }
        Tensor sums = Tensor.zeros(blocks);
        sum(program, gy, sums);
        try (Call call = session.call()) {
            Parted.add(session, call.operand(sums), call.result(gb), blocks, 1);
            call.complete();
        } catch (DeviceException e) {
            throw explained(e, sums, gb);
        }
        return true;
    }

    /** Sums each block of one channel. */
    private void sum(Program program, Tensor gy, Tensor sums) {
        ChannelBlocks blocks = ChannelBlocks.of(gy);
        try (Call call = session.call()) {
            enqueue(program, call.operand(gy), call.result(sums), blocks);
            call.complete(program);
        } catch (DeviceException e) {
            if (!Shortage.isMemory(e) || blocks.count() == 1) {
                throw explained(e, gy, sums);
            }
            boolean several = blocks.batch() > blocks.images();
            int size = several ? blocks.batch() : blocks.plane();
            int block = several ? blocks.images() : ChannelBlocks.LENGTH;
            int middle = (int) Grid.tiles(size, block) / 2 * block;
            Tensor first = part(gy, several, 0, middle);
            int before = ChannelBlocks.of(first).count();
            sum(program, first, Slices.outer(sums, 0, before));
            sum(program, part(gy, several, middle, size), Slices.outer(sums, before, blocks.count()));
        }
    }

    /** Some images of one channel or, where they are not several, some positions of the only one. */
    private static Tensor part(Tensor gy, boolean several, int begin, int end) {
        return several
                ? Slices.outer(gy, begin, end)
                : Slices.outer(gy.reshape(gy.elements()), begin, end).reshape(1, 1, end - begin);
    }
}
