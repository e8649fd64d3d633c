package io.github.tconv.verify;

import io.github.tconv.Engine;
import io.github.tconv.Prepared;
import io.github.tconv.PreparedConvolution;
import io.github.tconv.op.Activation;
import io.github.tconv.op.Convolution;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.util.Arrays;
import java.util.Locale;

/** What is computed and compared for a problem: the four operations, in each form that has a kernel of its own. */
public enum Check {
    /** The transposed convolution. */
    FORWARD {
        @Override
        void compute(Engine engine, Problem problem, Operands operands, Activation unused, Tensor result) {
            engine.forward(problem, operands.input(), operands.weight(), null, result);
        }
    },
    /** The transposed convolution with a bias. */
    BIAS {
        @Override
        void compute(Engine engine, Problem problem, Operands operands, Activation unused, Tensor result) {
            engine.forward(problem, operands.input(), operands.weight(), operands.bias(), result);
        }
    },
    /** The prepared layer with bias, residual and activation; the activation differs from problem to problem. */
    PREPARED {
        @Override
        void compute(Engine engine, Problem problem, Operands operands, Activation activation, Tensor result) {
            try (Prepared layer = engine.prepare(problem.layer(), operands.weight(), operands.bias(), activation)) {
                layer.forward(operands.input(), operands.residual(), result);
            }
        }
    },
    /** The gradient by the input. */
    INPUT_GRADIENT {
        @Override
        void compute(Engine engine, Problem problem, Operands operands, Activation unused, Tensor result) {
            engine.inputGradient(problem, operands.outputGradient(), operands.weight(), null, result);
        }
    },
    /** The adjoint convolution with a bias: the gradient by the input, and the bias added. */
    CONVOLUTION {
        @Override
        void compute(Engine engine, Problem problem, Operands operands, Activation unused, Tensor result) {
            engine.inputGradient(problem, operands.outputGradient(), operands.weight(), operands.adjointBias(), result);
        }
    },
    /** The prepared adjoint convolution with bias, residual and activation, as {@link #PREPARED}. */
    PREPARED_CONVOLUTION {
        @Override
        void compute(Engine engine, Problem problem, Operands operands, Activation activation, Tensor result) {
            Convolution layer = problem.layer().adjoint();
            try (PreparedConvolution prepared =
                    engine.prepare(layer, operands.weight(), operands.adjointBias(), activation)) {
                prepared.forward(operands.outputGradient(), operands.adjointResidual(), result);
            }
        }
    },
    /** The gradient by the weight. */
    WEIGHT_GRADIENT {
        @Override
        void compute(Engine engine, Problem problem, Operands operands, Activation unused, Tensor result) {
            engine.weightGradient(problem, operands.input(), operands.outputGradient(), result);
        }
    },
    /** The gradient by the bias. */
    BIAS_GRADIENT {
        @Override
        void compute(Engine engine, Problem problem, Operands operands, Activation unused, Tensor result) {
            engine.biasGradient(operands.outputGradient(), result);
        }
    };

    /** Computes into {@code result}, which has {@link #shape}. */
    abstract void compute(Engine engine, Problem problem, Operands operands, Activation activation, Tensor result);

    /** What an engine says of its errors in this, beside the usual bound. */
    double errorGrowth(Engine engine, Problem problem) {
        return switch (this) {
            case FORWARD, BIAS, PREPARED -> engine.errorGrowth(problem);
            case INPUT_GRADIENT, CONVOLUTION -> engine.inputGradientErrorGrowth(problem);
            case PREPARED_CONVOLUTION -> engine.inputGradientErrorGrowth(convolved(problem));
            case WEIGHT_GRADIENT -> engine.weightGradientErrorGrowth(problem);
            case BIAS_GRADIENT -> 0;
        };
    }

    /** Whether the result is that of an activation. */
    boolean activated() {
        return this == PREPARED || this == PREPARED_CONVOLUTION;
    }

    /** The shape of what is computed. */
    int[] shape(Problem problem) {
        return switch (this) {
            case FORWARD, BIAS, PREPARED -> problem.outputShape();
            case INPUT_GRADIENT, CONVOLUTION -> problem.inputShape();
            case PREPARED_CONVOLUTION -> convolved(problem).inputShape();
            case WEIGHT_GRADIENT -> problem.layer().weightShape();
            case BIAS_GRADIENT -> new int[] {problem.layer().outChannels()};
        };
    }

    /** The problem of which the adjoint convolution reads the output: of a longer input, where a stride of outputs was padded. */
    static Problem convolved(Problem problem) {
        int[] output = problem.outputShape();
        return problem.layer().adjoint().problem(output[0], Arrays.copyOfRange(output, 2, output.length));
    }

    /** The most terms that are added for one element, bias and residual included. */
    double terms(Problem problem) {
        int[] weight = problem.layer().weightShape();
        double kernel = product(weight) / ((double) weight[0] * weight[1]);
        double image = problem.batch();
        int inPerGroup = problem.layer().inChannels() / problem.layer().groups();
        return switch (this) {
            case FORWARD -> inPerGroup * kernel;
            case BIAS -> inPerGroup * kernel + 1;
            case PREPARED -> inPerGroup * kernel + 2;
            case INPUT_GRADIENT -> weight[1] * kernel;
            case CONVOLUTION -> weight[1] * kernel + 1;
            case PREPARED_CONVOLUTION -> weight[1] * kernel + 2;
            case WEIGHT_GRADIENT ->
                image
                        * product(problem.inputShape())
                        / ((double) problem.batch() * problem.layer().inChannels());
            case BIAS_GRADIENT ->
                product(problem.outputShape()) / (double) problem.layer().outChannels();
        };
    }

    private static double product(int[] sizes) {
        double product = 1;
        for (int size : sizes) {
            product *= size;
        }
        return product;
    }

    /**
     * Returns the name in tables.
     *
     * @return for instance {@code input-gradient}
     */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
