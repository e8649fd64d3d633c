package io.github.tconv.opencl;

import io.github.tconv.op.Problem;
import java.util.List;

/** {@code forward.cl} or {@code input_gradient.cl}: one work-item an element. Right everywhere, fast nowhere. */
final class PlainVariant implements ForwardVariant, ForwardVariant.Tile {
    private final String name;

    /** The plain forward kernel. */
    PlainVariant() {
        this("forward");
    }

    private PlainVariant(String name) {
        this.name = name;
    }

    /** The plain kernel of the gradient by the input. */
    static PlainVariant ofInputGradient() {
        return new PlainVariant("input_gradient");
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public List<String> sources() {
        return List.of("common", name);
    }

    @Override
    public String constants() {
        return "";
    }

    @Override
    public long packedFloats() {
        return 0;
    }

    @Override
    public Tile tileFor(Problem problem) {
        return this;
    }

    @Override
    public NdRange range(Problem problem) {
        return NdRange.ofImage(name.equals("forward") ? problem.outputShape() : problem.inputShape());
    }
}
