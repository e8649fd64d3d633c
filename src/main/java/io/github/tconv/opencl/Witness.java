package io.github.tconv.opencl;

import io.github.tconv.op.Activation;
import io.github.tconv.op.DeviceException;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.util.Optional;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * What a device makes of a small problem of a layer, to the bit, for a device of another kind to make the same. Unlike those
 * of an {@link Exemplar} the operands are such that every rounding shows, and where there are several images the last one's
 * values are so small that many results are subnormal, or zeros on a device that knows none.
 */
final class Witness {
    /** Takes values from [-0.5, 0.5] to where most products with others are subnormal. */
    private static final float TINY = 0x1p-125f;

    private final Subject subject;
    private final Problem problem;
    private final Tensor read;
    private final Tensor weight;
    private final @Nullable Tensor bias;
    private final @Nullable Tensor residual;
    private final Activation activation;
    private final Tensor expected;
    /** What a work-group takes on the model. */
    private final long localBytes;

    /**
     * What the programs of a layer have in common.
     *
     * @param direction whether they compute the layer or its adjoint convolution
     * @param layer which, of any rank
     * @param hasBias whether they add one
     * @param activation what they apply
     */
    record Subject(Parts direction, TransposedConvolution layer, boolean hasBias, Activation activation) {}

    private Witness(Subject subject, boolean hasResidual, OpenClBackend model, ForwardVariant variant) {
        this.subject = subject;
        problem = LayerTrial.problem(subject.layer().asRank3());
        SplittableRandom random = new SplittableRandom(1);
        int[] shape = subject.direction().writtenShape(problem);
        read = images(random, subject.direction().readShape(problem));
        weight = reals(random, problem.layer().weightShape());
        bias = subject.hasBias() ? halfZeros(random, shape[1]) : null;
        residual = hasResidual ? images(random, shape) : null;
        activation = subject.activation().slopes() == null
                ? subject.activation()
                : Activation.prelu(reals(random, shape[1]));
        expected = Exemplar.unwritten(shape);
        localBytes = compute(model, variant, expected);
    }

    /**
     * Has a device say what is right.
     *
     * @param subject of which programs
     * @param hasResidual whether they add a residual
     * @param model the device
     * @param variant by which it computes
     * @throws DeviceException if it fails
     */
    static Witness of(Subject subject, boolean hasResidual, OpenClBackend model, ForwardVariant variant) {
        return new Witness(subject, hasResidual, model, variant);
    }

    private static Tensor reals(SplittableRandom random, int... shape) {
        Tensor tensor = Tensor.zeros(shape);
        for (int i = 0; i < tensor.elements(); i++) {
            tensor.set(i, (float) (random.nextDouble() - 0.5));
        }
        return tensor;
    }

    /** Images of which the last one's values are tiny, if there are several. */
    private static Tensor images(SplittableRandom random, int... shape) {
        Tensor tensor = reals(random, shape);
        int image = tensor.elements() / shape[0];
        for (int i = image * Math.max(1, shape[0] - 1); i < tensor.elements(); i++) {
            tensor.set(i, tensor.get(i) * TINY);
        }
        return tensor;
    }

    /** Every second channel has none, so that what is tiny stays so. */
    private static Tensor halfZeros(SplittableRandom random, int channels) {
        Tensor tensor = reals(random, channels);
        for (int c = 1; c < channels; c += 2) {
            tensor.set(c, 0);
        }
        return tensor;
    }

    /** Returns the local memory of a work-group. */
    private long compute(OpenClBackend backend, ForwardVariant variant, Tensor written) {
        try (PreparedForward layer = backend.prepare(subject.direction(), problem.layer(), weight, bias, activation)) {
            layer.follow(variant);
            layer.forward(problem, read, residual, written);
            return layer.localBytes();
        }
    }

    /**
     * Has another device compute the same.
     *
     * @return the first bits that differ, or why it cannot; empty if all are the same
     */
    Optional<String> difference(OpenClBackend backend, ForwardVariant variant) {
        // Known before its compiler, which may take minutes, finds out.
        long local = backend.device().info().localMemoryBytes();
        if (localBytes > local) {
            return Optional.of(
                    "a work-group takes %d bytes of local memory, of which it has %d".formatted(localBytes, local));
        }
        Tensor found = Exemplar.unwritten(expected.shape());
        try {
            long unused = compute(backend, variant, found);
        } catch (DeviceException e) {
            return Optional.of("it fails: " + e.getMessage());
        }
        for (int i = 0; i < found.elements(); i++) {
            float e = expected.get(i);
            float f = found.get(i);
            if (Float.floatToIntBits(e) != Float.floatToIntBits(f)) {
                return Optional.of("expected %s (bits %08x), found %s (bits %08x) at %s of %s"
                        .formatted(
                                e,
                                Float.floatToIntBits(e),
                                f,
                                Float.floatToIntBits(f),
                                Exemplar.place(i, found.shape()),
                                problem));
            }
        }
        return Optional.empty();
    }
}
