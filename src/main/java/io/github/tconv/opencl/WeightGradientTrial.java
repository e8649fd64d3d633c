package io.github.tconv.opencl;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Backend;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.util.Optional;

/**
 * A variant for the gradient by the weight computes a small problem of its layer with the program that it is for. Of a
 * large weight the first rows are computed and compared, one an input channel.
 *
 * @param session where
 * @param layer of rank 3
 * @param variant what is tried
 * @param program the variant's
 */
record WeightGradientTrial(Session session, TransposedConvolution layer, WeightGradientVariant variant, Program program)
        implements SelfCheck.Trial {
    /** So that more than one work-item of packed panels has some, which takes 32 or 48 as a rule. */
    private static final int LEAST_ROWS = 64;

    @Override
    public Optional<String> difference(Backend oracle) {
        Problem small = LayerTrial.problem(layer);
        Problem part = firstRows(small);
        if (LayerTrial.isLarge(part)) {
            return Optional.empty();
        }
        Exemplar exemplar = new Exemplar(part, Activation.none());
        Exemplar.WeightGradientOperands operands = exemplar.ofWeightGradient();
        WeightGradientVariant tried = variant.tried(small);
        int[] shape = part.layer().weightShape();
        int elements = Tensor.elementsOf(shape);
        try (Scratch blocks = session.host().scratch(tried.blocks(), Tensor.elementsOf(layer.weightShape()))) {
            Exemplar.erase(blocks.tensor(), elements);
            try (Call call = session.call()) {
                Tensor input = Slices.resized(operands.input(), 1, layer.inChannels());
                DeviceBuffer x = call.operand(input);
                DeviceBuffer gy = call.operand(operands.outputGradient());
                DeviceBuffer gw = call.result(blocks.tensor());
                // The work-items are those of a layer that ends with these rows, and all else is the whole's.
                new WeightGradientLaunch(session, small, tried, program)
                        .enqueue(call, x, gy, gw, variant.of(part).tried(part).steps());
                call.complete(program);
            }
            Tensor sum = tried.blocks() == 1
                    ? Slices.outer(blocks.tensor().reshape(blocks.tensor().elements()), 0, elements)
                    : Parted.sum(Slices.resized(blocks.tensor(), 1, elements));
            return exemplar.difference(oracle, operands, sum.reshape(shape));
        }
    }

    /** The problem with the first input channels of a layer of one group, where all would take long. */
    private Problem firstRows(Problem small) {
        int row = Tensor.elementsOf(layer.weightShape()) / layer.inChannels();
        int rows = Math.max(LEAST_ROWS, LayerTrial.MOST_WEIGHTS / row);
        return layer.groups() > 1 || rows >= layer.inChannels()
                ? small
                : LayerTrial.resized(
                        new TransposedConvolution(rows, layer.outChannels(), 1, layer.axes()), small, small.batch());
    }
}
