package io.github.tconv;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Backend;
import io.github.tconv.op.Convolution;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.util.Arrays;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.jspecify.annotations.Nullable;

/**
 * Computes on one device, or in plain Java. Opened by {@link Tconv}, and to be closed.
 *
 * <p>Tensors are {@code (n, channels, spatial...)}, weights {@code (inChannels, outChannels / groups, kernel...)}; see
 * {@link TransposedConvolution} and {@link Convolution}. The same arguments give the same bits on every call. Each method
 * comes in a form that returns a new tensor and a form that writes a given one, which must not share memory with an
 * operand.
 *
 * <p>An engine may be used by many threads at once; {@link #close()} waits for their calls. Every method throws
 * {@link IllegalArgumentException} for arguments that break a rule, before anything native happens,
 * {@link IllegalStateException} after {@link #close()}, and {@link io.github.tconv.op.DeviceException} if the device
 * fails: it never falls back to another device midway.
 */
public final class Engine implements AutoCloseable {
    private final Backend backend;
    private final @Nullable String fallbackReason;
    private final ReentrantReadWriteLock lifetime = new ReentrantReadWriteLock();
    private boolean closed;

    Engine(Backend backend, @Nullable String fallbackReason) {
        this.backend = backend;
        this.fallbackReason = fallbackReason;
    }

    /**
     * Makes an engine of a backend, which it then owns. {@link Tconv} opens the library's own.
     *
     * @param backend what computes
     * @return an engine, to be closed
     */
    public static Engine of(Backend backend) {
        return new Engine(backend, null);
    }

    /**
     * Says what this engine runs on and, where it is the fallback, why.
     *
     * @return one line
     */
    public String describe() {
        return fallbackReason == null ? backend.describe() : backend.describe() + ", because " + fallbackReason;
    }

    /**
     * Says why this engine computes in plain Java although a device was wanted.
     *
     * @return the reason, or empty if the engine runs on what was asked for
     */
    public Optional<String> fallbackReason() {
        return Optional.ofNullable(fallbackReason);
    }

    /**
     * Computes a transposed convolution.
     *
     * @param layer the layer
     * @param input the input {@code (n, inChannels, spatial...)}
     * @param weight the layer's weight
     * @param bias one value an output channel, or null for none
     * @return the output {@code (n, outChannels, spatial...)}
     */
    public Tensor forward(TransposedConvolution layer, Tensor input, Tensor weight, @Nullable Tensor bias) {
        Problem problem = layer.problem(batch("input", input, layer), spatial(input));
        Tensor output = Tensor.zeros(problem.outputShape());
        forward(problem, input, weight, bias, output);
        return output;
    }

    /**
     * Computes a transposed convolution into a given tensor.
     *
     * @param problem the layer and its sizes
     * @param input of the problem's input shape
     * @param weight the layer's weight
     * @param bias one value an output channel, or null for none
     * @param output of the problem's output shape, written
     */
    public void forward(Problem problem, Tensor input, Tensor weight, @Nullable Tensor bias, Tensor output) {
        check("input", input, problem.inputShape());
        check("weight", weight, problem.layer().weightShape());
        checkBias(bias, problem.layer().outChannels());
        checkResult("output", output, problem.outputShape(), input, weight, bias);
        whileOpen(() -> backend.forward(problem, input, weight, bias, output));
    }

    /**
     * Computes the gradient of a transposed convolution by its input.
     *
     * @param layer the layer
     * @param outputGradient the gradient by the output, of a size that the layer makes
     * @param weight the layer's weight
     * @return the gradient {@code (n, inChannels, spatial...)}
     */
    public Tensor inputGradient(TransposedConvolution layer, Tensor outputGradient, Tensor weight) {
        Problem problem = layer.problemMaking(batch("output gradient", outputGradient, layer), spatial(outputGradient));
        Tensor inputGradient = Tensor.zeros(problem.inputShape());
        inputGradient(problem, outputGradient, weight, null, inputGradient);
        return inputGradient;
    }

    /**
     * Computes the gradient of a transposed convolution by its input, or the adjoint convolution, into a given tensor.
     *
     * @param problem the layer and its sizes
     * @param outputGradient of the problem's output shape
     * @param weight the layer's weight
     * @param bias one value an input channel, the bias of the adjoint convolution, or null for none
     * @param inputGradient of the problem's input shape, written
     */
    public void inputGradient(
            Problem problem, Tensor outputGradient, Tensor weight, @Nullable Tensor bias, Tensor inputGradient) {
        check("output gradient", outputGradient, problem.outputShape());
        check("weight", weight, problem.layer().weightShape());
        checkBias(bias, problem.layer().inChannels());
        checkResult("input gradient", inputGradient, problem.inputShape(), outputGradient, weight, bias);
        whileOpen(() -> backend.inputGradient(problem, outputGradient, weight, bias, inputGradient));
    }

    /**
     * Computes the gradient of a transposed convolution by its weight.
     *
     * @param layer the layer
     * @param input the input {@code (n, inChannels, spatial...)}
     * @param outputGradient the gradient by the output, of the size that the layer makes of the input
     * @return the gradient {@code (inChannels, outChannels / groups, kernel...)}
     */
    public Tensor weightGradient(TransposedConvolution layer, Tensor input, Tensor outputGradient) {
        Problem problem = layer.problem(batch("input", input, layer), spatial(input));
        Tensor weightGradient = Tensor.zeros(layer.weightShape());
        weightGradient(problem, input, outputGradient, weightGradient);
        return weightGradient;
    }

    /**
     * Computes the gradient of a transposed convolution by its weight into a given tensor.
     *
     * @param problem the layer and its sizes
     * @param input of the problem's input shape
     * @param outputGradient of the problem's output shape
     * @param weightGradient of the shape of the layer's weight, written
     */
    public void weightGradient(Problem problem, Tensor input, Tensor outputGradient, Tensor weightGradient) {
        check("input", input, problem.inputShape());
        check("output gradient", outputGradient, problem.outputShape());
        checkResult("weight gradient", weightGradient, problem.layer().weightShape(), input, outputGradient);
        whileOpen(() -> backend.weightGradient(problem, input, outputGradient, weightGradient));
    }

    /**
     * Computes the gradient by the bias, the same for a transposed convolution and a convolution.
     *
     * @param outputGradient the gradient by the output {@code (n, channels, spatial...)}
     * @return the gradient {@code (channels)}
     */
    public Tensor biasGradient(Tensor outputGradient) {
        checkRank("output gradient", outputGradient);
        Tensor biasGradient = Tensor.zeros(outputGradient.size(1));
        biasGradient(outputGradient, biasGradient);
        return biasGradient;
    }

    /**
     * Computes the gradient by the bias into a given tensor.
     *
     * @param outputGradient the gradient by the output {@code (n, channels, spatial...)}
     * @param biasGradient of shape {@code (channels)}, written
     */
    public void biasGradient(Tensor outputGradient, Tensor biasGradient) {
        checkRank("output gradient", outputGradient);
        checkResult("bias gradient", biasGradient, new int[] {outputGradient.size(1)}, outputGradient);
        whileOpen(() -> backend.biasGradient(outputGradient, biasGradient));
    }

    /**
     * Computes a convolution.
     *
     * @param layer the layer
     * @param input the input {@code (n, inChannels, spatial...)}
     * @param weight the layer's weight {@code (outChannels, inChannels / groups, kernel...)}
     * @param bias one value an output channel, or null for none
     * @return the output {@code (n, outChannels, spatial...)}
     */
    public Tensor forward(Convolution layer, Tensor input, Tensor weight, @Nullable Tensor bias) {
        Problem problem = layer.problem(batch("input", input, layer.adjoint()), spatial(input));
        Tensor output = Tensor.zeros(problem.inputShape());
        inputGradient(problem, input, weight, bias, output);
        return output;
    }

    /**
     * Computes the gradient of a convolution by its input, which is the transposed convolution.
     *
     * @param layer the layer
     * @param outputGradient the gradient by the output, of the size that the layer makes of {@code inputSize}
     * @param weight the layer's weight
     * @param inputSize the spatial sizes of the layer's input, of which several can make one output size
     * @return the gradient {@code (n, inChannels, spatial...)}
     */
    public Tensor inputGradient(Convolution layer, Tensor outputGradient, Tensor weight, int... inputSize) {
        Problem problem = layer.problem(batch("output gradient", outputGradient, layer.adjoint()), inputSize);
        Tensor inputGradient = Tensor.zeros(problem.outputShape());
        forward(problem, outputGradient, weight, null, inputGradient);
        return inputGradient;
    }

    /**
     * Computes the gradient of a convolution by its weight.
     *
     * @param layer the layer
     * @param input the input {@code (n, inChannels, spatial...)}
     * @param outputGradient the gradient by the output, of the size that the layer makes of the input
     * @return the gradient {@code (outChannels, inChannels / groups, kernel...)}
     */
    public Tensor weightGradient(Convolution layer, Tensor input, Tensor outputGradient) {
        Problem problem = layer.problem(batch("input", input, layer.adjoint()), spatial(input));
        Tensor weightGradient = Tensor.zeros(layer.weightShape());
        // The adjoint reads what the convolution writes.
        weightGradient(problem, /* input= */ outputGradient, /* outputGradient= */ input, weightGradient);
        return weightGradient;
    }

    /**
     * Readies a layer and its weight for many calls: the weight is brought to the device and the kernels are compiled
     * once, for every batch and size.
     *
     * @param layer the layer
     * @param weight the layer's weight, which is copied
     * @param bias one value an output channel, copied too, or null for none
     * @return the prepared layer, to be closed; closing the engine closes it too
     */
    public Prepared prepare(TransposedConvolution layer, Tensor weight, @Nullable Tensor bias) {
        return prepare(layer, weight, bias, Activation.none());
    }

    /**
     * Readies a layer as {@link #prepare(TransposedConvolution, Tensor, Tensor)} does, with a function that is applied
     * to every output element while it is stored.
     *
     * @param layer the layer
     * @param weight the layer's weight, which is copied
     * @param bias one value an output channel, copied too, or null for none
     * @param activation the function; its slopes are copied too
     * @return the prepared layer, to be closed; closing the engine closes it too
     */
    public Prepared prepare(TransposedConvolution layer, Tensor weight, @Nullable Tensor bias, Activation activation) {
        check("weight", weight, layer.weightShape());
        checkBias(bias, layer.outChannels());
        Tensor slopes = activation.slopes();
        if (slopes != null) {
            check("slopes", slopes, new int[] {layer.outChannels()});
        }
        lifetime.readLock().lock();
        try {
            checkOpen();
            return new Prepared(this, layer, backend.prepare(layer, weight, bias, activation));
        } finally {
            lifetime.readLock().unlock();
        }
    }

    /** Waits for running calls and frees the device. Prepared layers of this engine are freed with it. Idempotent. */
    @Override
    public void close() {
        lifetime.writeLock().lock();
        try {
            if (!closed) {
                closed = true;
                backend.close();
            }
        } finally {
            lifetime.writeLock().unlock();
        }
    }

    void whileOpen(Runnable call) {
        lifetime.readLock().lock();
        try {
            checkOpen();
            call.run();
        } finally {
            lifetime.readLock().unlock();
        }
    }

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException("the engine is closed");
        }
    }

    static int batch(String name, Tensor tensor, TransposedConvolution layer) {
        if (tensor.rank() != layer.rank() + 2) {
            throw new IllegalArgumentException("%s must have %d axes (n, channels and %d spatial) for layer %s: %s"
                    .formatted(name, layer.rank() + 2, layer.rank(), layer, tensor));
        }
        return tensor.size(0);
    }

    static int[] spatial(Tensor tensor) {
        return Arrays.copyOfRange(tensor.shape(), 2, tensor.rank());
    }

    private static void checkRank(String name, Tensor tensor) {
        if (tensor.rank() < 3 || tensor.rank() > 5) {
            throw new IllegalArgumentException(
                    "%s must have 3 to 5 axes (n, channels and 1 to 3 spatial): %s".formatted(name, tensor));
        }
    }

    static void check(String name, Tensor tensor, int[] shape) {
        if (!tensor.hasShape(shape)) {
            throw new IllegalArgumentException(
                    "%s must have shape %s: %s".formatted(name, Arrays.toString(shape), tensor));
        }
    }

    private static void checkBias(@Nullable Tensor bias, int channels) {
        if (bias != null && !bias.hasShape(channels)) {
            throw new IllegalArgumentException(
                    "bias must have one value for each of the %d channels: %s".formatted(channels, bias));
        }
    }

    static void checkResult(String name, Tensor result, int[] shape, @Nullable Tensor... operands) {
        check(name, result, shape);
        for (Tensor operand : operands) {
            if (operand != null && operand.sharesMemoryWith(result)) {
                throw new IllegalArgumentException(
                        "%s must not share memory with an operand: %s".formatted(name, result));
            }
        }
    }
}
