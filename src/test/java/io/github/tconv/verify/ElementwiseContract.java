package io.github.tconv.verify;

import io.github.tconv.Engine;
import io.github.tconv.op.Activation;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Elementwise;
import io.github.tconv.op.Loss;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Optimizer;
import io.github.tconv.op.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.function.DoubleSupplier;

/**
 * What every backend owes of elementwise work, compared with the oracle: equality where float32 is exact, on whole
 * numbers and wherever a result is of one rounding; else a bound from the roundings. Each case is computed on the host's
 * tensors and on device tensors, with the same bits.
 */
public final class ElementwiseContract {
    private static final double U = 0x1p-24;
    /** As Verification's: exp 3, tanh 5, a division 2.5 units in the last place, two roundings each. */
    private static final int ACTIVATION_ROUNDINGS = 16;
    /** exp 6, two sums of one with it 7 each, a product 1, a division 5, and the product with the gradient. */
    private static final int DERIVATIVE_ROUNDINGS = 32;
    /** A root of 6, a factor of 4 halved, a sum, a division of 5, the factors and the product. */
    private static final int ADAM_ROUNDINGS = 24;

    /** Ragged against vectors of 16 and work-groups of 64, and against blocks of 4096 along images and positions. */
    private static final List<int[]> SHAPES = List.of(
            new int[] {1, 1, 1},
            new int[] {2, 3, 5},
            new int[] {1, 5, 16},
            new int[] {3, 2, 7, 9},
            new int[] {2, 1, 3, 5, 7},
            new int[] {2, 2, 33, 125},
            new int[] {1, 1, 4096},
            new int[] {2100, 3, 2});

    private ElementwiseContract() {}

    @FunctionalInterface
    private interface Work {
        void compute(Elementwise elementwise, List<Operand> operands, List<Operand> results);
    }

    /** How far an element of a result may be off. */
    @FunctionalInterface
    private interface Bound {
        double of(int result, int element, List<Tensor> expected);
    }

    /** One computation; results begin as given, most of them as not a number. */
    public static final class Case {
        private final String name;
        private final List<Tensor> operands;
        private final List<Tensor> results;
        private final Work work;
        private final Bound bound;

        private Case(String name, List<Tensor> operands, List<Tensor> results, Work work, Bound bound) {
            this.name = name;
            this.operands = operands;
            this.results = results;
            this.work = work;
            this.bound = bound;
        }

        private List<Tensor> onHost(Engine engine) {
            List<Tensor> computed = results.stream().map(Tensor::copy).toList();
            work.compute(engine.elementwise(), List.copyOf(operands), List.copyOf(computed));
            return computed;
        }

        private List<Tensor> onDevice(Engine engine) {
            List<DeviceTensor> in = operands.stream().map(engine::upload).toList();
            List<DeviceTensor> out =
                    results.stream().map(result -> engine.upload(result.copy())).toList();
            work.compute(engine.elementwise(), List.copyOf(in), List.copyOf(out));
            List<Tensor> computed = out.stream().map(engine::download).toList();
            in.forEach(DeviceTensor::close);
            out.forEach(DeviceTensor::close);
            return computed;
        }

        /** Says what differs, or nothing. */
        public Optional<String> difference(Engine engine, Engine oracle) {
            List<Tensor> expected = onHost(oracle);
            List<Tensor> actual = onHost(engine);
            for (int r = 0; r < expected.size(); r++) {
                for (int i = 0; i < expected.get(r).elements(); i++) {
                    float right = expected.get(r).get(i);
                    float got = actual.get(r).get(i);
                    boolean same = Float.compare(right + 0f, got + 0f) == 0;
                    if (!same && !(Math.abs((double) right - got) <= bound.of(r, i, expected))) {
                        return Optional.of("%s, result %d, element %d: expected %s, got %s (allowed %.3g)"
                                .formatted(name, r, i, right, got, bound.of(r, i, expected)));
                    }
                }
            }
            List<Tensor> again = onDevice(engine);
            for (int r = 0; r < expected.size(); r++) {
                if (again.get(r).memory().mismatch(actual.get(r).memory()) >= 0) {
                    return Optional.of(name + ", result " + r + ": other bits on the device");
                }
            }
            return Optional.empty();
        }

        @Override
        public String toString() {
            return name;
        }
    }

    /** All cases. */
    public static List<Case> all() {
        List<Case> all = new ArrayList<>();
        for (int[] shape : SHAPES) {
            Random random = new Random(Arrays.hashCode(shape));
            DoubleSupplier whole = () -> random.nextInt(9) - 4;
            DoubleSupplier real = () -> 4 * random.nextDouble() - 2;
            for (DoubleSupplier values : List.of(whole, real)) {
                String name = Arrays.toString(shape) + (values == whole ? " whole" : " real");
                Tensor x = filled(values, shape);
                Tensor g = filled(values, shape);
                Tensor slopes =
                        filled(() -> Math.scalb(random.nextBoolean() ? 1.0 : -1.0, -random.nextInt(4)), shape[1]);
                for (Activation activation : activations(slopes)) {
                    addActivation(all, name + " " + activation, activation, x, g);
                }
                addSlopes(all, name, x, g);
                for (Loss loss : Loss.values()) {
                    addLoss(all, name + " " + loss, loss, x, g);
                }
                addSteps(all, name, x, g, values, random);
            }
        }
        addExtremes(all);
        // More blocks than gradient_sum.cl adds in a run.
        Random random = new Random(35);
        int[] many = {1, 1, 34 * 4096 + 7};
        for (Loss loss : Loss.values()) {
            DoubleSupplier whole = () -> random.nextInt(9) - 4;
            addLoss(all, "long whole " + loss, loss, filled(whole, many), filled(whole, many));
        }
        Tensor broken = filled(() -> 1, 1, 1, 21);
        broken.set(3, Float.NaN);
        broken.set(19, Float.NaN);
        for (Loss loss : Loss.values()) {
            addLoss(all, "whole but for two " + loss, loss, broken, filled(() -> 2, 1, 1, 21));
        }
        addFinite(all);
        return all;
    }

    /** Where an exponential overflows in float32 or almost does, and where 1 - tanh is small and still a float. */
    private static void addExtremes(List<Case> all) {
        float[] values = {-1e30f, -200, -100, -88, -42, -30, -20, -12, 12, 20, 30, 42, 88, 100, 200, 1e30f};
        Tensor x = Tensor.zeros(1, 1, values.length);
        for (int i = 0; i < values.length; i++) {
            x.set(i, values[i]);
        }
        for (Activation activation : activations(filled(() -> 0.5, 1))) {
            addActivation(all, "extremes " + activation, activation, x, filled(() -> 1, x.shape()));
        }
    }

    private static List<Activation> activations(Tensor slopes) {
        return List.of(
                Activation.none(),
                Activation.relu(),
                Activation.leakyRelu(0.25f),
                Activation.prelu(slopes),
                Activation.sigmoid(),
                Activation.tanh(),
                Activation.clamp(-0.5f, 2),
                Activation.silu());
    }

    private static void addActivation(List<Case> all, String name, Activation activation, Tensor x, Tensor g) {
        List<Tensor> operands = activation.slopes() instanceof Tensor slopes ? List.of(x, g, slopes) : List.of(x, g);
        all.add(new Case(
                name,
                operands,
                List.of(unwritten(x.shape())),
                (on, in, out) -> on.activate(with(activation, in), in.get(0), out.get(0)),
                (r, i, expected) -> isSmooth(activation)
                        ? ACTIVATION_ROUNDINGS * U * Math.abs(expected.get(0).get(i)) + Float.MIN_NORMAL
                        : 0));
        Bound derivative = (r, i, expected) -> isSmooth(activation)
                ? DERIVATIVE_ROUNDINGS * U * Math.abs(g.get(i) * magnitude(activation, x.get(i))) + Float.MIN_NORMAL
                : 0;
        all.add(new Case(
                name + " gradient",
                operands,
                List.of(unwritten(x.shape())),
                (on, in, out) -> on.activationGradient(with(activation, in), in.get(0), in.get(1), out.get(0)),
                derivative));
        all.add(new Case(
                name + " gradient in place",
                operands,
                List.of(g),
                (on, in, out) -> on.activationGradient(with(activation, in), in.get(0), out.get(0), out.get(0)),
                derivative));
    }

    private static Activation with(Activation activation, List<Operand> operands) {
        return activation.kind() == Activation.Kind.PRELU ? Activation.prelu(operands.get(2)) : activation;
    }

    private static boolean isSmooth(Activation activation) {
        return switch (activation.kind()) {
            case SIGMOID, TANH, SILU -> true;
            default -> false;
        };
    }

    /** The derivative, or the sum of the magnitudes of which it is the difference. */
    private static double magnitude(Activation activation, double x) {
        double s = 1 / (1 + Math.exp(-x));
        return switch (activation.kind()) {
            case SIGMOID -> s / (1 + Math.exp(x));
            case TANH -> Math.pow(Math.cosh(x), -2);
            default -> s * (1 + Math.abs(x) * (1 - s));
        };
    }

    private static double gamma(double k) {
        return k * U / (1 - k * U);
    }

    private static void addSlopes(List<Case> all, String name, Tensor x, Tensor g) {
        int channels = x.size(1);
        int plane = x.elements() / (x.size(0) * channels);
        double[] magnitudes = new double[channels];
        for (int i = 0; i < x.elements(); i++) {
            magnitudes[i / plane % channels] += Math.abs((double) g.get(i) * Math.min(x.get(i), 0));
        }
        boolean whole = name.endsWith("whole");
        all.add(new Case(
                name + " slope gradient",
                List.of(x, g),
                List.of(unwritten(channels)),
                (on, in, out) -> on.slopeGradient(in.get(0), in.get(1), out.get(0)),
                (r, c, expected) -> whole ? 0 : gamma(x.elements() / (double) channels + 2) * magnitudes[c]));
    }

    private static void addLoss(List<Case> all, String name, Loss loss, Tensor output, Tensor target) {
        boolean whole = name.contains("whole");
        all.add(new Case(
                name,
                List.of(output, target),
                List.of(unwritten(output.shape()), unwritten(1)),
                (on, in, out) -> on.loss(loss, in.get(0), in.get(1), out.get(0), out.get(1)),
                // A difference is rounded, a square twice more.
                (r, i, expected) -> r == 0 || whole
                        ? 0
                        : gamma(output.elements() + 5) * expected.get(1).get(0)));
    }

    private static void addSteps(
            List<Case> all, String name, Tensor weight, Tensor gradient, DoubleSupplier values, Random random) {
        Tensor first = filled(values, weight.shape());
        Tensor square = filled(() -> Math.abs(values.getAsDouble()), weight.shape());
        // Powers of two, so that all is exact on whole numbers.
        Optimizer.Sgd sgd = new Optimizer.Sgd(0.125, 0.5);
        for (boolean inPlace : new boolean[] {false, true}) {
            all.add(new Case(
                    name + " sgd" + (inPlace ? " in place" : ""),
                    List.of(weight, gradient),
                    List.of(first, inPlace ? weight : unwritten(weight.shape())),
                    (on, in, out) -> on.step(
                            sgd, 1, inPlace ? out.get(1) : in.get(0), in.get(1), List.of(out.get(0)), out.get(1)),
                    (r, i, expected) -> name.endsWith("whole")
                            ? 0
                            : gamma(4)
                                    * (Math.abs(weight.get(i)) + Math.abs(gradient.get(i)) + Math.abs(first.get(i)))));
            Optimizer.Adam adam = new Optimizer.Adam(0.01, 0.9, 0.99, 1e-3);
            int step = 1 + random.nextInt(5);
            all.add(new Case(
                    name + " adam" + (inPlace ? " in place" : ""),
                    List.of(weight, gradient),
                    List.of(first, square, inPlace ? weight : unwritten(weight.shape())),
                    (on, in, out) -> on.step(
                            adam,
                            step,
                            inPlace ? out.get(2) : in.get(0),
                            in.get(1),
                            List.of(out.get(0), out.get(1)),
                            out.get(2)),
                    (r, i, expected) ->
                            adamBound(adam, step, r, i, expected, weight.get(i), gradient.get(i), first.get(i))));
        }
    }

    private static double adamBound(
            Optimizer.Adam adam, int step, int r, int i, List<Tensor> expected, float w, float g, float first) {
        double mean = gamma(4) * (adam.beta1() * Math.abs(first) + (1 - adam.beta1()) * Math.abs(g));
        if (r == 0) {
            return mean;
        }
        double square = expected.get(1).get(i);
        if (r == 1) {
            return gamma(5) * square;
        }
        double factor = adam.meanFactor(step) / (Math.sqrt(adam.squareFactor(step) * square) + adam.epsilon());
        return factor * (mean + ADAM_ROUNDINGS * U * Math.abs(expected.get(0).get(i)))
                + 2 * U * (Math.abs(w) + Math.abs(expected.get(2).get(i)));
    }

    private static void addFinite(List<Case> all) {
        List<Tensor> tensors = new ArrayList<>();
        for (int size : new int[] {1, 15, 17, 4096, 4097, 70_000}) {
            Tensor good = filled(() -> -3e38, size);
            tensors.add(good);
            for (int at : new int[] {0, size / 2, size - 1}) {
                Tensor broken = good.copy();
                broken.set(at, at % 2 == 0 ? Float.NaN : Float.NEGATIVE_INFINITY);
                tensors.add(broken);
            }
        }
        all.add(new Case(
                "finite",
                tensors,
                List.of(unwritten(tensors.size())),
                (on, in, out) -> on.finite(in, out.get(0)),
                (r, i, expected) -> 0));
    }

    private static Tensor filled(DoubleSupplier values, int... shape) {
        Tensor tensor = Tensor.zeros(shape);
        for (int i = 0; i < tensor.elements(); i++) {
            tensor.set(i, (float) values.getAsDouble());
        }
        return tensor;
    }

    private static Tensor unwritten(int... shape) {
        return filled(() -> Float.NaN, shape);
    }
}
