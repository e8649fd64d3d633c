package io.github.tconv.network;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Tensor;
import java.nio.FloatBuffer;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * What a network does to each element for itself, in the tensors' own memory and on the common pool. A sum is of one
 * channel, added in one order, so that the bits do not depend on the threads.
 */
final class Elementwise {
    /** Fewer elements than this are quicker done than shared out: some 10 microseconds. */
    private static final int WORTH_SHARING = 1 << 14;

    private Elementwise() {}

    /** The planes of a tensor {@code (n, channels, spatial...)}: plane {@code p} is of channel {@code p % channels}. */
    private static void planes(Tensor tensor, IntConsumer plane) {
        int count = tensor.size(0) * tensor.size(1);
        IntStream all = IntStream.range(0, count);
        (tensor.elements() < WORTH_SHARING ? all : all.parallel()).forEach(plane);
    }

    private static int planeSize(Tensor tensor) {
        return tensor.elements() / (tensor.size(0) * tensor.size(1));
    }

    /** Computes {@code output = activation(input)}; both may be the same tensor. */
    static void activate(Activation activation, Tensor input, Tensor output) {
        if (activation.kind() == Activation.Kind.NONE && input == output) {
            return;
        }
        FloatBuffer x = input.floats();
        FloatBuffer y = output.floats();
        int channels = input.size(1);
        int size = planeSize(input);
        planes(input, plane -> {
            int channel = plane % channels;
            int end = (plane + 1) * size;
            if (isPiecewiseLinear(activation)) {
                float slope = slope(activation, channel);
                for (int i = plane * size; i < end; i++) {
                    float value = x.get(i);
                    y.put(i, value > 0 ? value : slope * value);
                }
            } else {
                for (int i = plane * size; i < end; i++) {
                    y.put(i, (float) activation.apply(x.get(i), channel));
                }
            }
        });
    }

    private static boolean isPiecewiseLinear(Activation activation) {
        return switch (activation.kind()) {
            case NONE, LEAKY_RELU, PRELU -> true;
            // Not RELU: 0 * infinity is no number.
            default -> false;
        };
    }

    private static float slope(Activation activation, int channel) {
        Tensor slopes = activation.slopes();
        return switch (activation.kind()) {
            case PRELU -> slopes == null ? 1 : slopes.get(channel);
            case LEAKY_RELU -> activation.a();
            default -> 1;
        };
    }

    /**
     * Turns the gradient by an activation's output into that by its input, in place:
     * {@code gradient *= activation'(input)}. Where the function has a corner, the slope is that of its left.
     */
    static void activationGradient(Activation activation, Tensor input, Tensor gradient) {
        FloatBuffer x = input.floats();
        FloatBuffer g = gradient.floats();
        int channels = input.size(1);
        int size = planeSize(input);
        planes(input, plane -> {
            int end = (plane + 1) * size;
            if (isPiecewiseLinear(activation)) {
                float slope = slope(activation, plane % channels);
                for (int i = plane * size; i < end; i++) {
                    float value = g.get(i);
                    g.put(i, x.get(i) > 0 ? value : slope * value);
                }
            } else {
                for (int i = plane * size; i < end; i++) {
                    g.put(i, (float) (g.get(i) * derivative(activation, x.get(i))));
                }
            }
        });
    }

    private static double derivative(Activation activation, double x) {
        return switch (activation.kind()) {
            case NONE -> 1;
            case RELU, LEAKY_RELU, PRELU -> x > 0 ? 1 : activation.a();
            case SIGMOID -> {
                double s = 1 / (1 + Math.exp(-x));
                yield s * (1 - s);
            }
            case TANH -> {
                double t = Math.tanh(x);
                yield 1 - t * t;
            }
            case CLAMP -> x > activation.a() && x <= activation.b() ? 1 : 0;
            case SILU -> {
                double s = 1 / (1 + Math.exp(-x));
                yield s * (1 + x * (1 - s));
            }
        };
    }

    /** The gradient of PReLU by its slopes: of each channel, the sum of {@code outputGradient * min(input, 0)}. */
    static void slopeGradient(Tensor input, Tensor outputGradient, Tensor slopeGradient) {
        FloatBuffer x = input.floats();
        FloatBuffer g = outputGradient.floats();
        int channels = input.size(1);
        int size = planeSize(input);
        double[] sums = new double[input.size(0) * channels];
        planes(input, plane -> {
            double sum = 0;
            for (int i = plane * size; i < (plane + 1) * size; i++) {
                sum += (double) g.get(i) * Math.min(x.get(i), 0);
            }
            sums[plane] = sum;
        });
        for (int c = 0; c < channels; c++) {
            double sum = 0;
            for (int plane = c; plane < sums.length; plane += channels) {
                sum += sums[plane];
            }
            slopeGradient.set(c, (float) sum);
        }
    }

    /**
     * Computes a loss and its gradient.
     *
     * @return the mean over all elements
     */
    static double loss(Loss loss, Tensor output, Tensor target, Tensor outputGradient) {
        FloatBuffer y = output.floats();
        FloatBuffer t = target.floats();
        FloatBuffer g = outputGradient.floats();
        int size = planeSize(output);
        double[] sums = new double[output.size(0) * output.size(1)];
        float share = 1f / output.elements();
        planes(output, plane -> {
            double sum = 0;
            for (int i = plane * size; i < (plane + 1) * size; i++) {
                float difference = y.get(i) - t.get(i);
                if (loss == Loss.L1) {
                    sum += Math.abs(difference);
                    g.put(i, difference > 0 ? share : difference < 0 ? -share : difference * 0);
                } else {
                    sum += (double) difference * difference;
                    g.put(i, 2 * share * difference);
                }
            }
            sums[plane] = sum;
        });
        double sum = 0;
        for (double part : sums) {
            sum += part;
        }
        return sum / output.elements();
    }

    /** Tells whether a tensor holds neither infinities nor values that are no number. */
    static boolean isFinite(@Nullable Tensor tensor) {
        if (tensor == null) {
            return true;
        }
        FloatBuffer x = tensor.floats();
        float zero = 0;
        for (int i = 0; i < x.capacity(); i++) {
            zero += x.get(i) * 0;
        }
        return zero == 0;
    }
}
