package io.github.tconv.op;

import java.util.List;

/**
 * How weights follow their gradients. Immutable; what a rule remembers from step to step belongs to the training.
 * {@link Elementwise#step} takes the steps.
 */
public sealed interface Optimizer {
    /**
     * Returns the size of a step.
     *
     * @return the learning rate
     */
    double rate();

    /**
     * Returns the same rule with another size of a step.
     *
     * @param rate the learning rate, above 0
     * @return a rule
     */
    Optimizer withRate(double rate);

    /**
     * Returns the names of what is remembered for each weight, in tensors of its shape that begin as zeros.
     *
     * @return for instance {@code m} and {@code v}
     */
    List<String> memory();

    /**
     * Adam: steps of about the rate whatever the size of the gradient. With {@code m} and {@code v} remembered,
     *
     * <pre>{@code
     * m = beta1 * m + (1 - beta1) * gradient
     * v = beta2 * v + (1 - beta2) * gradient^2
     * weight -= rate * (m / (1 - beta1^step)) / (sqrt(v / (1 - beta2^step)) + epsilon)
     * }</pre>
     *
     * <p>D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", 2015.
     *
     * @param rate the size of a step, above 0
     * @param beta1 how much of the gradient's mean is kept, from 0 to below 1
     * @param beta2 how much of the mean of its squares is kept, from 0 to below 1
     * @param epsilon added to the root of that mean, above 0
     */
    record Adam(double rate, double beta1, double beta2, double epsilon) implements Optimizer {
        /**
         * Checks the numbers.
         *
         * @param rate above 0
         * @param beta1 from 0 to below 1
         * @param beta2 from 0 to below 1
         * @param epsilon above 0
         * @throws IllegalArgumentException if one is out of its range
         */
        public Adam {
            checkRate(rate);
            checkKept("beta1", beta1);
            checkKept("beta2", beta2);
            if (!(epsilon > 0) || Double.isInfinite(epsilon)) {
                throw new IllegalArgumentException("epsilon must be above 0 and finite: " + epsilon);
            }
        }

        /**
         * Takes the paper's numbers.
         *
         * @param rate the size of a step
         */
        public Adam(double rate) {
            this(rate, 0.9, 0.999, 1e-8);
        }

        /**
         * Returns the factor of the mean gradient in a step: the rate, larger in the first steps, whose means began at 0.
         *
         * @param step 1 for the first step
         * @return {@code rate / (1 - beta1^step)}
         */
        public double meanFactor(long step) {
            // Strict, so that every machine takes the same step.
            return rate / (1 - StrictMath.pow(beta1, (double) step));
        }

        /**
         * Returns the factor of the mean square in a step, for the same reason.
         *
         * @param step 1 for the first step
         * @return {@code 1 / (1 - beta2^step)}
         */
        public double squareFactor(long step) {
            return 1 / (1 - StrictMath.pow(beta2, (double) step));
        }

        @Override
        public Adam withRate(double other) {
            return new Adam(other, beta1, beta2, epsilon);
        }

        @Override
        public List<String> memory() {
            return List.of("m", "v");
        }
    }

    /**
     * Stochastic gradient descent with momentum: {@code velocity = momentum * velocity + gradient},
     * {@code weight -= rate * velocity}.
     *
     * @param rate the size of a step, above 0
     * @param momentum how much of the velocity is kept, from 0 to below 1
     */
    record Sgd(double rate, double momentum) implements Optimizer {
        /**
         * Checks the numbers.
         *
         * @param rate above 0
         * @param momentum from 0 to below 1
         * @throws IllegalArgumentException if one is out of its range
         */
        public Sgd {
            checkRate(rate);
            checkKept("momentum", momentum);
        }

        @Override
        public Sgd withRate(double other) {
            return new Sgd(other, momentum);
        }

        @Override
        public List<String> memory() {
            return List.of("velocity");
        }
    }

    private static void checkRate(double rate) {
        if (!(rate > 0) || Double.isInfinite(rate)) {
            throw new IllegalArgumentException("learning rate must be above 0 and finite: " + rate);
        }
    }

    private static void checkKept(String name, double value) {
        if (!(value >= 0 && value < 1)) {
            throw new IllegalArgumentException(name + " must be from 0 to below 1: " + value);
        }
    }
}
