package io.github.tconv.op;

import java.util.Locale;
import org.apache.commons.lang3.Validate;
import org.jspecify.annotations.Nullable;

/**
 * The function that a prepared layer applies to every output element, after bias and residual, while it stores it; or
 * {@link Elementwise#activate} to a tensor. Immutable but for the values of {@code slopes}, which are copied when a layer
 * is prepared.
 *
 * @param kind which function
 * @param a the negative slope of {@link Kind#LEAKY_RELU}, the least value of {@link Kind#CLAMP}; otherwise 0
 * @param b the greatest value of {@link Kind#CLAMP}; otherwise 0
 * @param slopes one negative slope an output channel for {@link Kind#PRELU}; otherwise null
 */
public record Activation(
        Kind kind, float a, float b, @Nullable Operand slopes) {

    /** The functions. */
    public enum Kind {
        /** {@code x}. */
        NONE,
        /** {@code max(x, 0)}. */
        RELU,
        /** {@code x} where positive, otherwise {@code a * x}. */
        LEAKY_RELU,
        /** {@code x} where positive, otherwise {@code slopes[channel] * x}. */
        PRELU,
        /** {@code 1 / (1 + exp(-x))}. */
        SIGMOID,
        /** The hyperbolic tangent. */
        TANH,
        /** {@code min(max(x, a), b)}. */
        CLAMP,
        /** {@code x / (1 + exp(-x))}. */
        SILU
    }

    /**
     * In roundings: OpenCL allows exp 3, tanh 5 and a division 2.5 units in the last place, which are two roundings each;
     * 1 + exp and an oracle round once more.
     */
    private static final double ROUNDINGS = 16 * 0x1p-24;
    /**
     * What may be flushed to zero. The sigmoid vanishes below x = -87.34, and SiLU, x times that, is smaller from there on
     * than 87.34 times the smallest normal number.
     */
    private static final double VANISHING = 88.0 * Float.MIN_NORMAL;

    private static final Activation NONE = new Activation(Kind.NONE, 0, 0, null);

    /**
     * Checks that the parameters fit the kind.
     *
     * @param kind the function
     * @param a finite
     * @param b finite, for a clamp not less than {@code a}
     * @param slopes given for PRELU and for it only
     * @throws IllegalArgumentException if they do not
     */
    public Activation {
        Validate.isTrue(Float.isFinite(a) && Float.isFinite(b), "activation parameters must be finite: %s, %s", a, b);
        Validate.isTrue(
                a <= b || kind != Kind.CLAMP, "clamp's least value must not be above its greatest: %s, %s", a, b);
        Validate.isTrue(slopes != null == (kind == Kind.PRELU), "slopes belong to PRELU and to it only: %s", kind);
    }

    /**
     * Bounds the error with which float32 arithmetic as OpenCL requires it applies any of the functions to an exact sum.
     *
     * @param value the exact result
     * @return how far a device's may be off
     */
    public static double errorBound(double value) {
        return ROUNDINGS * Math.abs(value) + VANISHING;
    }

    /**
     * Leaves the sum as it is.
     *
     * @return the identity
     */
    public static Activation none() {
        return NONE;
    }

    /**
     * Cuts off negative values.
     *
     * @return ReLU
     */
    public static Activation relu() {
        return new Activation(Kind.RELU, 0, 0, null);
    }

    /**
     * Scales negative values by one slope.
     *
     * @param slope the factor
     * @return leaky ReLU
     */
    public static Activation leakyRelu(float slope) {
        return new Activation(Kind.LEAKY_RELU, slope, 0, null);
    }

    /**
     * Scales negative values by a slope for each channel.
     *
     * @param slopes one factor an output channel, of shape {@code (outChannels)}; on a device for elementwise work only
     * @return PReLU
     */
    public static Activation prelu(Operand slopes) {
        return new Activation(Kind.PRELU, 0, 0, slopes);
    }

    /**
     * Maps to (0, 1).
     *
     * @return the logistic function
     */
    public static Activation sigmoid() {
        return new Activation(Kind.SIGMOID, 0, 0, null);
    }

    /**
     * Maps to (-1, 1).
     *
     * @return the hyperbolic tangent
     */
    public static Activation tanh() {
        return new Activation(Kind.TANH, 0, 0, null);
    }

    /**
     * Limits values to a range.
     *
     * @param least the least value
     * @param greatest the greatest value, not below the least
     * @return the clamp
     */
    public static Activation clamp(float least, float greatest) {
        return new Activation(Kind.CLAMP, least, greatest, null);
    }

    /**
     * Multiplies by the logistic function.
     *
     * @return SiLU, also called swish
     */
    public static Activation silu() {
        return new Activation(Kind.SILU, 0, 0, null);
    }

    /**
     * Applies the function to one value.
     *
     * @param x the value
     * @param channel its output channel
     * @return the function's value
     * @throws IllegalStateException if the function has slopes and they are on a device
     */
    public double apply(double x, int channel) {
        return switch (kind) {
            case NONE -> x;
            case RELU -> Math.max(x, 0);
            case LEAKY_RELU -> x > 0 ? x : a * x;
            case PRELU -> x > 0 ? x : slope(channel) * x;
            case SIGMOID -> 1 / (1 + Math.exp(-x));
            case TANH -> Math.tanh(x);
            case CLAMP -> Math.min(Math.max(x, a), b);
            case SILU -> x / (1 + Math.exp(-x));
        };
    }

    private float slope(int channel) {
        if (slopes instanceof Tensor onHost) {
            return onHost.get(channel);
        }
        throw new IllegalStateException("slopes must be in the host's memory to be applied there: " + slopes);
    }

    /**
     * Returns the function's name and its parameters.
     *
     * @return for instance {@code relu} or {@code clamp(0.0, 6.0)}
     */
    @Override
    public String toString() {
        String name = kind.name().toLowerCase(Locale.ROOT);
        return switch (kind) {
            case LEAKY_RELU -> "%s(%s)".formatted(name, a);
            case CLAMP -> "%s(%s, %s)".formatted(name, a, b);
            default -> name;
        };
    }
}
