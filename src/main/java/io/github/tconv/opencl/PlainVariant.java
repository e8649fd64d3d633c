package io.github.tconv.opencl;

import io.github.tconv.op.Problem;
import java.util.List;

/** {@code forward.cl}: one work-item an element. Right everywhere, fast nowhere. */
final class PlainVariant implements ForwardVariant, ForwardVariant.Tile {
    @Override
    public String name() {
        return "forward";
    }

    @Override
    public List<String> sources() {
        return List.of("common", "forward");
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
        return NdRange.ofImage(problem.outputShape());
    }
}
