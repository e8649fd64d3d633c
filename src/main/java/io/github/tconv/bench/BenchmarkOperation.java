package io.github.tconv.bench;

import io.github.tconv.op.Problem;
import java.util.Locale;

/** What is measured of a layer. All of them are the same products, summed over different indices. */
public enum BenchmarkOperation {
    /** The transposed convolution, prepared once. */
    FORWARD,
    /** The gradient by the input, from the weight as the layer has it: in training it is another one every time. */
    INPUT_GRADIENT,
    /** The gradient by the weight. */
    WEIGHT_GRADIENT;

    /**
     * Returns the shape of the result.
     *
     * @param problem the layer and its sizes
     * @return the shape of the output, the input or the weight
     */
    public int[] resultShape(Problem problem) {
        return switch (this) {
            case FORWARD -> problem.outputShape();
            case INPUT_GRADIENT -> problem.inputShape();
            case WEIGHT_GRADIENT -> problem.layer().weightShape();
        };
    }

    /**
     * Returns the name as the command line has it.
     *
     * @return for instance {@code input-gradient}
     */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
