package io.github.tconv.network;

import io.github.tconv.op.Tensor;
import java.nio.FloatBuffer;
import java.util.List;

/** How weights follow their gradients. Immutable; what a rule remembers from step to step belongs to the training. */
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
     * Takes a step.
     *
     * @param weight changed
     * @param gradient of the loss by the weight
     * @param memory what is remembered, in the order of {@link #memory()}, changed
     * @param step 1 for the first step
     */
    void step(Tensor weight, Tensor gradient, List<Tensor> memory, long step);

    /**
     * Adam: steps of about the rate whatever the size of the gradient. D. P. Kingma, J. Ba, "Adam: A Method for Stochastic
     * Optimization", 2015.
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

        @Override
        public Adam withRate(double other) {
            return new Adam(other, beta1, beta2, epsilon);
        }

        @Override
        public List<String> memory() {
            return List.of("m", "v");
        }

        @Override
        public void step(Tensor weight, Tensor gradient, List<Tensor> memory, long step) {
            FloatBuffer w = weight.floats();
            FloatBuffer g = gradient.floats();
            FloatBuffer m = memory.get(0).floats();
            FloatBuffer v = memory.get(1).floats();
            // Strict, so that every machine takes the same step.
            double rate1 = rate / (1 - StrictMath.pow(beta1, (double) step));
            double share2 = 1 / (1 - StrictMath.pow(beta2, (double) step));
            for (int i = 0; i < w.capacity(); i++) {
                float mean = (float) (beta1 * m.get(i) + (1 - beta1) * g.get(i));
                float square = (float) (beta2 * v.get(i) + (1 - beta2) * g.get(i) * g.get(i));
                m.put(i, mean);
                v.put(i, square);
                w.put(i, (float) (w.get(i) - rate1 * mean / (Math.sqrt(share2 * square) + epsilon)));
            }
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

        @Override
        public void step(Tensor weight, Tensor gradient, List<Tensor> memory, long step) {
            FloatBuffer w = weight.floats();
            FloatBuffer g = gradient.floats();
            FloatBuffer velocity = memory.get(0).floats();
            for (int i = 0; i < w.capacity(); i++) {
                float v = (float) (momentum * velocity.get(i) + g.get(i));
                velocity.put(i, v);
                w.put(i, (float) (w.get(i) - rate * v));
            }
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
