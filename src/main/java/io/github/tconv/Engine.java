package io.github.tconv;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Backend;
import io.github.tconv.op.Convolution;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Elementwise;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.util.Arrays;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Computes on one device, on several that share the images of a batch, or in plain Java. Opened by {@link Tconv}, and to be closed.
 *
 * <p>Tensors are {@code (n, channels, spatial...)}, weights {@code (inChannels, outChannels / groups, kernel...)}; see
 * {@link TransposedConvolution} and {@link Convolution}. The same arguments give the same bits on every call. Each method
 * comes in a form that returns a new tensor and a form that writes a given one, which must not share memory with an
 * operand.
 *
 * <p>A {@link DeviceTensor} stays on the device between layers. A call with device tensors alone returns before it is
 * done, calls are computed in the order in which they were made, and only what the host reads is waited for: a
 * {@link #download}, and every call with a {@link Tensor} among its operands or results. Both kinds may be mixed, so the
 * first layer of a chain can read the host's tensor itself and the last write one.
 *
 * <p>An engine may be used by many threads at once; {@link #close()} waits for their calls. Every method throws
 * {@link IllegalArgumentException} for arguments that break a rule, before anything native happens,
 * {@link IllegalStateException} after {@link #close()}, and {@link io.github.tconv.op.DeviceException} if the device
 * fails: it never falls back to another device midway, but where several were opened as one. Of those, one that fails is
 * left out with a warning, and the others compute its share, with the same bits; device tensors lie on the first, and
 * calls with them run there alone. After a {@code DeviceException} the values of a given result are
 * not defined, but nothing writes there any more, and the engine may be used again. Where the device has no room for all
 * of a forward pass or a gradient, it is computed in parts, with the same bits.
 */
public final class Engine implements AutoCloseable {
    private final Backend backend;
    private final Elementwise elementwise;
    private final @Nullable String fallbackReason;
    private final ReentrantReadWriteLock lifetime = new ReentrantReadWriteLock();
    private boolean closed;

    Engine(Backend backend, @Nullable String fallbackReason) {
        this.backend = backend;
        this.elementwise = new CheckedElementwise(this, backend.elementwise());
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
     * Bounds the rounding errors of a forward pass, bias and activation aside. With {@code k} input channels of a group
     * times taps of the kernel, {@code u = 2^-24} and {@code gamma(k) = k * u / (1 - k * u)}, an element is off by at
     * most
     *
     * <ul>
     *   <li>{@code gamma(k)} times the sum of its terms' magnitudes where this returns 0: the terms are added in some
     *       order, and nothing else happens;
     *   <li>{@code gamma(k + 12) * g * k * max |input| * max |weight|} where this returns {@code g > 0}: the device's
     *       kernel multiplies less, and an element's error goes with its neighbours' inputs too. Measured errors are far
     *       below either, and about the same.
     * </ul>
     *
     * @param problem the layer and its sizes
     * @return 0 or {@code g}
     */
    public double errorGrowth(Problem problem) {
        double[] growth = new double[1];
        whileOpen(() -> growth[0] = backend.errorGrowth(problem));
        return growth[0];
    }

    /**
     * Bounds the rounding errors of a gradient by the input, which is the adjoint convolution, as {@link #errorGrowth} does
     * those of a forward pass, with {@code k} output channels of a group times taps of the kernel, and the output gradient
     * in place of the input.
     *
     * @param problem the layer and its sizes
     * @return 0 or {@code g}
     */
    public double inputGradientErrorGrowth(Problem problem) {
        double[] growth = new double[1];
        whileOpen(() -> growth[0] = backend.inputGradientErrorGrowth(problem));
        return growth[0];
    }

    /**
     * Bounds the rounding errors of a gradient by the weight as {@link #errorGrowth} does those of a forward pass, with
     * {@code k} positions of the input in all images, and the output gradient in place of the weight.
     *
     * @param problem the layer and its sizes
     * @return 0 or {@code g}
     */
    public double weightGradientErrorGrowth(Problem problem) {
        double[] growth = new double[1];
        whileOpen(() -> growth[0] = backend.weightGradientErrorGrowth(problem));
        return growth[0];
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
        Tensor output = resultTensor(problem.outputShape());
        forward(problem, input, weight, bias, output);
        return output;
    }

    /**
     * Computes a transposed convolution on the device: returns before it is done.
     *
     * @param layer the layer
     * @param input the input {@code (n, inChannels, spatial...)}
     * @param weight the layer's weight
     * @param bias one value an output channel, or null for none
     * @return the output {@code (n, outChannels, spatial...)}, to be closed
     */
    public DeviceTensor forward(
            TransposedConvolution layer, DeviceTensor input, DeviceTensor weight, @Nullable DeviceTensor bias) {
        Problem problem = layer.problem(batch("input", input, layer), spatial(input));
        return onDevice(problem.outputShape(), output -> forward(problem, input, weight, bias, output));
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
    public void forward(Problem problem, Operand input, Operand weight, @Nullable Operand bias, Operand output) {
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
        Tensor inputGradient = resultTensor(problem.inputShape());
        inputGradient(problem, outputGradient, weight, null, inputGradient);
        return inputGradient;
    }

    /**
     * Computes the gradient of a transposed convolution by its input on the device: returns before it is done.
     *
     * @param layer the layer
     * @param outputGradient the gradient by the output, of a size that the layer makes
     * @param weight the layer's weight
     * @return the gradient {@code (n, inChannels, spatial...)}, to be closed
     */
    public DeviceTensor inputGradient(TransposedConvolution layer, DeviceTensor outputGradient, DeviceTensor weight) {
        Problem problem = layer.problemMaking(batch("output gradient", outputGradient, layer), spatial(outputGradient));
        return onDevice(
                problem.inputShape(),
                inputGradient -> inputGradient(problem, outputGradient, weight, null, inputGradient));
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
            Problem problem, Operand outputGradient, Operand weight, @Nullable Operand bias, Operand inputGradient) {
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
        Tensor weightGradient = resultTensor(layer.weightShape());
        weightGradient(problem, input, outputGradient, weightGradient);
        return weightGradient;
    }

    /**
     * Computes the gradient of a transposed convolution by its weight on the device: returns before it is done.
     *
     * @param layer the layer
     * @param input the input {@code (n, inChannels, spatial...)}
     * @param outputGradient the gradient by the output, of the size that the layer makes of the input
     * @return the gradient {@code (inChannels, outChannels / groups, kernel...)}, to be closed
     */
    public DeviceTensor weightGradient(TransposedConvolution layer, DeviceTensor input, DeviceTensor outputGradient) {
        Problem problem = layer.problem(batch("input", input, layer), spatial(input));
        return onDevice(
                layer.weightShape(), weightGradient -> weightGradient(problem, input, outputGradient, weightGradient));
    }

    /**
     * Computes the gradient of a transposed convolution by its weight into a given tensor.
     *
     * @param problem the layer and its sizes
     * @param input of the problem's input shape
     * @param outputGradient of the problem's output shape
     * @param weightGradient of the shape of the layer's weight, written
     */
    public void weightGradient(Problem problem, Operand input, Operand outputGradient, Operand weightGradient) {
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
        Tensor biasGradient = resultTensor(outputGradient.size(1));
        biasGradient(outputGradient, biasGradient);
        return biasGradient;
    }

    /**
     * Computes the gradient by the bias on the device: returns before it is done.
     *
     * @param outputGradient the gradient by the output {@code (n, channels, spatial...)}
     * @return the gradient {@code (channels)}, to be closed
     */
    public DeviceTensor biasGradient(DeviceTensor outputGradient) {
        checkRank("output gradient", outputGradient);
        return onDevice(new int[] {outputGradient.size(1)}, biasGradient -> biasGradient(outputGradient, biasGradient));
    }

    /**
     * Computes the gradient by the bias into a given tensor.
     *
     * @param outputGradient the gradient by the output {@code (n, channels, spatial...)}
     * @param biasGradient of shape {@code (channels)}, written
     */
    public void biasGradient(Operand outputGradient, Operand biasGradient) {
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
        Tensor output = resultTensor(problem.inputShape());
        inputGradient(problem, input, weight, bias, output);
        return output;
    }

    /**
     * Computes a convolution on the device: returns before it is done.
     *
     * @param layer the layer
     * @param input the input {@code (n, inChannels, spatial...)}
     * @param weight the layer's weight {@code (outChannels, inChannels / groups, kernel...)}
     * @param bias one value an output channel, or null for none
     * @return the output {@code (n, outChannels, spatial...)}, to be closed
     */
    public DeviceTensor forward(
            Convolution layer, DeviceTensor input, DeviceTensor weight, @Nullable DeviceTensor bias) {
        Problem problem = layer.problem(batch("input", input, layer.adjoint()), spatial(input));
        return onDevice(problem.inputShape(), output -> inputGradient(problem, input, weight, bias, output));
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
        Tensor inputGradient = resultTensor(problem.outputShape());
        forward(problem, outputGradient, weight, null, inputGradient);
        return inputGradient;
    }

    /**
     * Computes the gradient of a convolution by its input on the device: returns before it is done.
     *
     * @param layer the layer
     * @param outputGradient the gradient by the output, of the size that the layer makes of {@code inputSize}
     * @param weight the layer's weight
     * @param inputSize the spatial sizes of the layer's input, of which several can make one output size
     * @return the gradient {@code (n, inChannels, spatial...)}, to be closed
     */
    public DeviceTensor inputGradient(
            Convolution layer, DeviceTensor outputGradient, DeviceTensor weight, int... inputSize) {
        Problem problem = layer.problem(batch("output gradient", outputGradient, layer.adjoint()), inputSize);
        return onDevice(
                problem.outputShape(), inputGradient -> forward(problem, outputGradient, weight, null, inputGradient));
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
        Tensor weightGradient = resultTensor(layer.weightShape());
        // The adjoint reads what the convolution writes.
        weightGradient(problem, /* input= */ outputGradient, /* outputGradient= */ input, weightGradient);
        return weightGradient;
    }

    /**
     * Computes the gradient of a convolution by its weight on the device: returns before it is done.
     *
     * @param layer the layer
     * @param input the input {@code (n, inChannels, spatial...)}
     * @param outputGradient the gradient by the output, of the size that the layer makes of the input
     * @return the gradient {@code (outChannels, inChannels / groups, kernel...)}, to be closed
     */
    public DeviceTensor weightGradient(Convolution layer, DeviceTensor input, DeviceTensor outputGradient) {
        Problem problem = layer.problem(batch("input", input, layer.adjoint()), spatial(input));
        return onDevice(
                layer.weightShape(),
                weightGradient -> weightGradient(
                        problem, /* input= */ outputGradient, /* outputGradient= */ input, weightGradient));
    }

    /**
     * Returns what a training does beside convolutions: activations and their derivatives, losses, and optimizers' steps.
     *
     * @return operations of this engine, usable until its close
     */
    public Elementwise elementwise() {
        return elementwise;
    }

    /**
     * Makes a tensor on the device, of whatever values.
     *
     * @param shape the sizes, outermost first, each at least 1
     * @return the tensor, to be closed; closing the engine closes it too
     */
    public DeviceTensor allocate(int... shape) {
        return whileOpen(() -> new DeviceTensor(backend, backend.allocate(Tensor.elementsOf(shape)), null, shape));
    }

    /**
     * Brings a tensor to the device. The tensor is lent: until the device tensor is closed, it must not be written,
     * because a device that works in the host's memory uses it in place, without a copy.
     *
     * @param tensor the values
     * @return a tensor of the same shape and values, to be closed; closing the engine closes it too
     */
    public DeviceTensor upload(Tensor tensor) {
        return whileOpen(() -> new DeviceTensor(backend, backend.lend(tensor), tensor, tensor.shape()));
    }

    /**
     * Copies a tensor's values into a tensor on the device.
     *
     * @param source the values, the caller's again when this returns
     * @param target of the same shape, written
     */
    public void upload(Tensor source, DeviceTensor target) {
        checkResult("target", target, source.shape(), source);
        whileOpen(() -> backend.upload(source, target));
    }

    /**
     * Copies a device tensor's values to the host, once the calls before are done.
     *
     * @param source the values
     * @return a new tensor of the same shape
     */
    public Tensor download(DeviceTensor source) {
        Tensor target = resultTensor(source.shape());
        download(source, target);
        return target;
    }

    /**
     * Copies a device tensor's values into a tensor, once the calls before are done.
     *
     * @param source the values
     * @param target of the same shape, written
     */
    public void download(DeviceTensor source, Tensor target) {
        check("source", source, source.shape());
        checkResult("target", target, source.shape(), source);
        whileOpen(() -> backend.download(source, target));
    }

    /** Makes a result on the device, which nobody needs if computing it fails. */
    private DeviceTensor onDevice(int[] shape, Consumer<DeviceTensor> compute) {
        DeviceTensor result = allocate(shape);
        try {
            compute.accept(result);
            return result;
        } catch (RuntimeException | Error e) {
            result.close();
            throw e;
        }
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
        checkSlopes(activation, layer.outChannels());
        return whileOpen(() -> new Prepared(this, layer, backend.prepare(layer, weight, bias, activation)));
    }

    /**
     * Readies a convolution and its weight for many calls: the weight is brought to the device and the kernels are
     * compiled once, for every batch and size.
     *
     * @param layer the convolution
     * @param weight the layer's weight {@code (outChannels, inChannels / groups, kernel...)}, which is copied
     * @param bias one value an output channel, copied too, or null for none
     * @param activation the function applied to every output element while it is stored; its slopes are copied too
     * @return the prepared convolution, to be closed; closing the engine closes it too
     */
    public PreparedConvolution prepare(Convolution layer, Tensor weight, @Nullable Tensor bias, Activation activation) {
        check("weight", weight, layer.weightShape());
        checkBias(bias, layer.outChannels());
        checkSlopes(activation, layer.outChannels());
        return whileOpen(() -> new PreparedConvolution(
                this, layer, backend.prepareAdjoint(layer.adjoint(), weight, bias, activation)));
    }

    /**
     * Readies a convolution as {@link #prepare(Convolution, Tensor, Tensor, Activation)} does, without an activation.
     *
     * @param layer the convolution
     * @param weight the layer's weight {@code (outChannels, inChannels / groups, kernel...)}, which is copied
     * @param bias one value an output channel, copied too, or null for none
     * @return the prepared convolution, to be closed; closing the engine closes it too
     */
    public PreparedConvolution prepare(Convolution layer, Tensor weight, @Nullable Tensor bias) {
        return prepare(layer, weight, bias, Activation.none());
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

    /** Begins a call, which {@link #leave} ends: {@link #close} waits for it. */
    void enter() {
        lifetime.readLock().lock();
        if (closed) {
            lifetime.readLock().unlock();
            throw new IllegalStateException("the engine is closed");
        }
    }

    void leave() {
        lifetime.readLock().unlock();
    }

    void whileOpen(Runnable call) {
        enter();
        try {
            call.run();
        } finally {
            leave();
        }
    }

    private <T> T whileOpen(Supplier<T> call) {
        enter();
        try {
            return call.get();
        } finally {
            leave();
        }
    }

    static int batch(String name, Operand tensor, TransposedConvolution layer) {
        if (tensor.rank() != layer.rank() + 2) {
            throw new IllegalArgumentException("%s must have %d axes (n, channels and %d spatial) for layer %s: %s"
                    .formatted(name, layer.rank() + 2, layer.rank(), layer, tensor));
        }
        return tensor.size(0);
    }

    static int[] spatial(Operand tensor) {
        return Arrays.copyOfRange(tensor.shape(), 2, tensor.rank());
    }

    void checkRank(String name, Operand tensor) {
        if (tensor.rank() < 3 || tensor.rank() > 5) {
            throw new IllegalArgumentException(
                    "%s must have 3 to 5 axes (n, channels and 1 to 3 spatial): %s".formatted(name, tensor));
        }
        checkUsable(name, tensor);
    }

    /** Checks a tensor's shape and, on a device, whose it is and that it is open. */
    void check(String name, Operand tensor, int... shape) {
        if (!tensor.hasShape(shape)) {
            throw wrongShape(name, tensor, shape);
        }
        checkUsable(name, tensor);
    }

    static IllegalArgumentException wrongShape(String name, Operand tensor, int[] shape) {
        return new IllegalArgumentException(
                "%s must have shape %s: %s".formatted(name, Arrays.toString(shape), tensor));
    }

    /** Checks of a tensor on a device whose it is and that it is open. */
    void checkUsable(String name, Operand tensor) {
        if (tensor instanceof DeviceTensor onDevice) {
            if (!onDevice.isOn(backend)) {
                throw new IllegalArgumentException(
                        "%s must be a device tensor of this engine: %s of another".formatted(name, onDevice));
            }
            onDevice.checkOpen();
        }
    }

    private void checkSlopes(Activation activation, int channels) {
        Operand slopes = activation.slopes();
        if (slopes != null) {
            check("slopes", slopes, channels);
            if (slopes instanceof DeviceTensor) {
                throw new IllegalArgumentException(
                        "slopes must be in the host's memory, from where they are copied: " + slopes);
            }
        }
    }

    private void checkBias(@Nullable Operand bias, int channels) {
        if (bias != null) {
            if (!bias.hasShape(channels)) {
                throw new IllegalArgumentException(
                        "bias must have one value for each of the %d channels: %s".formatted(channels, bias));
            }
            checkUsable("bias", bias);
        }
    }

    void checkResult(String name, Operand result, int[] shape, @Nullable Operand... operands) {
        check(name, result, shape);
        for (Operand operand : operands) {
            checkApart(name, result, operand);
        }
    }

    static void checkApart(String name, Operand result, @Nullable Operand operand) {
        if (operand != null && operand.sharesMemoryWith(result)) {
            throw new IllegalArgumentException("%s must not share memory with an operand: %s".formatted(name, result));
        }
    }

    /** Makes a tensor for a result, of whatever values. */
    Tensor resultTensor(int... shape) {
        return whileOpen(() -> backend.resultTensor(shape));
    }
}
