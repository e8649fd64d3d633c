package io.github.tconv.opencl;

import io.github.tconv.op.Problem;

/** Picks the variant for a layer. */
@FunctionalInterface
interface ForwardRule {
    /**
     * Picks a variant. What decides the order of additions must follow from the layer and the device alone, so that the
     * bits of a result do not depend on which sizes were computed before; the packed weight may suit this problem.
     *
     * @param problem the first problem of its layer, of rank 3
     * @param device where it is to run
     * @return the variant, ready for the problem's layer
     */
    ForwardVariant choose(Problem problem, Device device);

    /** The rule of the library. */
    static ForwardRule standard() {
        return (problem, device) -> new PlainVariant();
    }
}
