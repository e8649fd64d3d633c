package io.github.tconv.reference;

import io.github.tconv.op.Activation;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Elementwise;
import io.github.tconv.op.Loss;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Optimizer;
import io.github.tconv.op.Tensor;
import java.nio.FloatBuffer;
import java.util.List;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;

/**
 * Elementwise work as loops on the common pool, each value computed in double precision. A sum is of one plane, and
 * planes are added in their order, so that the bits do not depend on the threads.
 */
final class ElementwiseLoops implements Elementwise {
    /** Fewer elements than this are quicker done than shared out: some 10 microseconds. */
    private static final int WORTH_SHARING = 1 << 14;

    /** The planes of a tensor {@code (n, channels, spatial...)}: plane {@code p} is of channel {@code p % channels}. */
    private record Planes(int count, int channels, int size) {
        static Planes of(Operand tensor) {
            int count = tensor.size(0) * tensor.size(1);
            return new Planes(count, tensor.size(1), tensor.elements() / count);
        }

        void each(IntConsumer plane) {
            IntStream all = IntStream.range(0, count);
            ((long) count * size < WORTH_SHARING ? all : all.parallel()).forEach(plane);
        }

        int channel(int plane) {
            return plane % channels;
        }

        int first(int plane) {
            return plane * size;
        }

        int end(int plane) {
            return plane * size + size;
        }
    }

    private static FloatBuffer floats(Operand operand) {
        return ReferenceBackend.host(operand).floats();
    }

    @Override
    public void activate(Activation activation, Operand input, Operand output) {
        Activation function = onHost(activation);
        FloatBuffer x = floats(input);
        FloatBuffer y = floats(output);
        Planes planes = Planes.of(input);
        planes.each(plane -> {
            int channel = planes.channel(plane);
            int end = planes.end(plane);
            if (isPiecewiseLinear(function)) {
                float slope = slope(function, channel);
                for (int i = planes.first(plane); i < end; i++) {
                    float value = x.get(i);
                    y.put(i, value > 0 ? value : slope * value);
                }
            } else {
                for (int i = planes.first(plane); i < end; i++) {
                    y.put(i, (float) function.apply(x.get(i), channel));
                }
            }
        });
    }

    private static Activation onHost(Activation activation) {
        return activation.slopes() instanceof DeviceTensor slopes
                ? Activation.prelu(ReferenceBackend.host(slopes))
                : activation;
    }

    private static boolean isPiecewiseLinear(Activation activation) {
        return switch (activation.kind()) {
            case NONE, LEAKY_RELU, PRELU -> true;
            // Not RELU: 0 * infinity is no number.
            default -> false;
        };
    }

    private static float slope(Activation activation, int channel) {
        return switch (activation.kind()) {
            case PRELU -> activation.slopes() instanceof Tensor slopes ? slopes.get(channel) : 1;
            case LEAKY_RELU -> activation.a();
            default -> 1;
        };
    }

    @Override
    public void activationGradient(
            Activation activation, Operand input, Operand outputGradient, Operand inputGradient) {
        Activation function = onHost(activation);
        FloatBuffer x = floats(input);
        FloatBuffer gy = floats(outputGradient);
        FloatBuffer gx = floats(inputGradient);
        Planes planes = Planes.of(input);
        planes.each(plane -> {
            int end = planes.end(plane);
            if (isPiecewiseLinear(function)) {
                float slope = slope(function, planes.channel(plane));
                for (int i = planes.first(plane); i < end; i++) {
                    float value = gy.get(i);
                    gx.put(i, x.get(i) > 0 ? value : slope * value);
                }
            } else {
                for (int i = planes.first(plane); i < end; i++) {
                    gx.put(i, (float) (gy.get(i) * derivative(function, x.get(i))));
                }
            }
        });
    }

    /** By cosh, because 1 - s and 1 - t * t lose all digits where the functions are flat. */
    private static double derivative(Activation activation, double x) {
        return switch (activation.kind()) {
            case NONE -> 1;
            case RELU, LEAKY_RELU, PRELU -> x > 0 ? 1 : activation.a();
            case SIGMOID -> bell(x / 2) / 4;
            case TANH -> bell(x);
            case CLAMP -> x > activation.a() && x <= activation.b() ? 1 : 0;
            case SILU -> {
                double s = 1 / (1 + Math.exp(-x));
                yield s * (1 + x * (1 - s));
            }
        };
    }

    /** Tanh's derivative. */
    private static double bell(double x) {
        double c = Math.cosh(x);
        return 1 / (c * c);
    }

    @Override
    public void slopeGradient(Operand input, Operand outputGradient, Operand slopeGradient) {
        FloatBuffer x = floats(input);
        FloatBuffer g = floats(outputGradient);
        FloatBuffer result = floats(slopeGradient);
        Planes planes = Planes.of(input);
        double[] sums = new double[planes.count];
        planes.each(plane -> {
            double sum = 0;
            for (int i = planes.first(plane); i < planes.end(plane); i++) {
                sum += (double) g.get(i) * Math.min(x.get(i), 0);
            }
            sums[plane] = sum;
        });
        for (int c = 0; c < planes.channels; c++) {
            double sum = 0;
            for (int plane = c; plane < sums.length; plane += planes.channels) {
                sum += sums[plane];
            }
            result.put(c, (float) sum);
        }
    }

    @Override
    public void loss(Loss loss, Operand output, Operand target, Operand outputGradient, Operand sum) {
        FloatBuffer y = floats(output);
        FloatBuffer t = floats(target);
        FloatBuffer g = floats(outputGradient);
        Planes planes = output.rank() < 2 ? new Planes(1, 1, output.elements()) : Planes.of(output);
        double[] sums = new double[planes.count];
        float share = 1f / output.elements();
        planes.each(plane -> {
            double planeSum = 0;
            for (int i = planes.first(plane); i < planes.end(plane); i++) {
                float difference = y.get(i) - t.get(i);
                if (loss == Loss.L1) {
                    planeSum += Math.abs(difference);
                    g.put(i, difference > 0 ? share : difference < 0 ? -share : difference * 0);
                } else {
                    planeSum += (double) difference * difference;
                    g.put(i, 2 * share * difference);
                }
            }
            sums[plane] = planeSum;
        });
        double total = 0;
        for (double part : sums) {
            total += part;
        }
        floats(sum).put(0, (float) total);
    }

    @Override
    public void step(
            Optimizer optimizer,
            long step,
            Operand weight,
            Operand gradient,
            List<? extends Operand> memory,
            Operand moved) {
        FloatBuffer w = floats(weight);
        FloatBuffer g = floats(gradient);
        FloatBuffer next = floats(moved);
        if (optimizer instanceof Optimizer.Adam adam) {
            adam(adam, step, w, g, floats(memory.get(0)), floats(memory.get(1)), next);
        } else if (optimizer instanceof Optimizer.Sgd sgd) {
            FloatBuffer velocity = floats(memory.get(0));
            for (int i = 0; i < w.capacity(); i++) {
                float v = (float) (sgd.momentum() * velocity.get(i) + g.get(i));
                velocity.put(i, v);
                next.put(i, (float) (w.get(i) - sgd.rate() * v));
            }
        }
    }

    private static void adam(
            Optimizer.Adam adam,
            long step,
            FloatBuffer w,
            FloatBuffer g,
            FloatBuffer m,
            FloatBuffer v,
            FloatBuffer next) {
        double meanFactor = adam.meanFactor(step);
        double squareFactor = adam.squareFactor(step);
        for (int i = 0; i < w.capacity(); i++) {
            float mean = (float) (adam.beta1() * m.get(i) + (1 - adam.beta1()) * g.get(i));
            float square = (float) (adam.beta2() * v.get(i) + (1 - adam.beta2()) * g.get(i) * g.get(i));
            m.put(i, mean);
            v.put(i, square);
            next.put(i, (float) (w.get(i) - meanFactor * mean / (Math.sqrt(squareFactor * square) + adam.epsilon())));
        }
    }

    @Override
    public void finite(List<? extends Operand> tensors, Operand verdicts) {
        FloatBuffer result = floats(verdicts);
        for (int t = 0; t < tensors.size(); t++) {
            FloatBuffer x = floats(tensors.get(t));
            float zero = 0;
            for (int i = 0; i < x.capacity(); i++) {
                zero += x.get(i) * 0;
            }
            result.put(t, zero);
        }
    }
}
