package io.github.tconv.opencl;

/**
 * What picks the variants of the gradients.
 *
 * @param inputGradient for the gradient by the input, which is the adjoint convolution
 * @param weightGradient for the gradient by the weight
 */
record GradientRules(ForwardRule inputGradient, WeightGradientRule weightGradient) {
    /** The rules of the library. */
    static GradientRules standard() {
        return new GradientRules(InputGradientRule.standard(), WeightGradientRule.standard());
    }

    /** The rules that choose on every device as these would on a certain one, so that all give its bits. */
    GradientRules decidedFor(Device one) {
        return new GradientRules(inputGradient.decidedFor(one), (problem, any) -> weightGradient.choose(problem, one));
    }
}
