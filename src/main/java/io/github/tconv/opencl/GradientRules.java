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
}
