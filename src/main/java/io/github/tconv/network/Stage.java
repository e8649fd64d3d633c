package io.github.tconv.network;

import io.github.tconv.Engine;
import io.github.tconv.Prepared;
import io.github.tconv.PreparedConvolution;
import io.github.tconv.op.Activation;
import io.github.tconv.op.Convolution;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Layers that are computed in one go: a convolution of either kind with what follows it, or an activation by itself. */
interface Stage extends AutoCloseable {

    /** Computes the stage into a tensor of the right shape; with device tensors alone, returns before it is done. */
    void forward(Operand input, Operand output);

    /** The memory that a call needs beside its tensors. */
    long workspaceBytes(int... inputShape);

    @Override
    void close();

    /** How many layers each stage takes: normalisations and one activation go with the convolution before them. */
    static List<Integer> lengths(List<Layer> layers) {
        List<Integer> lengths = new ArrayList<>();
        for (int i = 0; i < layers.size(); ) {
            int first = i++;
            if (!isActivation(layers.get(first))) {
                while (i < layers.size() && layers.get(i) instanceof Layer.Normalised) {
                    i++;
                }
                if (i < layers.size() && isActivation(layers.get(i))) {
                    i++;
                }
            }
            lengths.add(i - first);
        }
        return lengths;
    }

    private static boolean isActivation(Layer layer) {
        return layer instanceof Layer.Activated || layer instanceof Layer.Prelu;
    }

    /** Readies a stage; what it needs of the weights is copied. */
    static Stage of(Engine engine, List<Layer> layers, Map<String, Tensor> weights) {
        Layer first = layers.get(0);
        Activation activation = activation(layers.get(layers.size() - 1), weights);
        if (isActivation(first)) {
            return new Activating(
                    engine,
                    activation.slopes() instanceof Tensor slopes
                            ? Activation.prelu(engine.upload(slopes))
                            : activation);
        }
        Map<String, Tensor> own = new LinkedHashMap<>();
        first.parameters()
                .forEach((name, shape) -> own.put(name, named(weights, name).copy()));
        Tensor weight = named(own, first.parameter("weight"));
        Tensor bias = own.get(first.parameter("bias"));
        for (Layer layer : layers) {
            if (layer instanceof Layer.Normalised normalised) {
                bias = fold(normalised, weights, first, weight, bias);
            }
        }
        if (first instanceof Layer.Transposed t) {
            return new Transposing(t.layer(), engine.prepare(t.layer(), weight, bias, activation));
        }
        Convolution convolution = ((Layer.Convolved) first).layer();
        return new Convolving(convolution, engine.prepare(convolution, weight, bias, activation));
    }

    private static Activation activation(Layer last, Map<String, Tensor> weights) {
        if (last instanceof Layer.Prelu) {
            return Activation.prelu(named(weights, last.parameter("weight")).copy());
        }
        return last instanceof Layer.Activated a ? a.activation() : Activation.none();
    }

    private static Tensor named(Map<String, Tensor> weights, String name) {
        Tensor tensor = weights.get(name);
        if (tensor == null) {
            throw new IllegalArgumentException("weights must have a tensor of this name: " + name);
        }
        return tensor;
    }

    /**
     * Multiplies a normalisation into the weight before it, in place: {@code scale * (W x + b - mean) + shift} is
     * {@code (scale W) x + (scale (b - mean) + shift)}.
     *
     * @return the new bias
     */
    private static Tensor fold(
            Layer.Normalised layer, Map<String, Tensor> weights, Layer before, Tensor weight, @Nullable Tensor bias) {
        int channels = layer.channels();
        Tensor shifted = Tensor.zeros(channels);
        double[] scale = new double[channels];
        for (int c = 0; c < channels; c++) {
            double variance = named(weights, layer.parameter("running_var")).get(c);
            scale[c] = named(weights, layer.parameter("weight")).get(c) / Math.sqrt(variance + layer.epsilon());
            double mean = named(weights, layer.parameter("running_mean")).get(c);
            double shift = named(weights, layer.parameter("bias")).get(c);
            shifted.set(c, (float) (((bias == null ? 0 : bias.get(c)) - mean) * scale[c] + shift));
        }
        int taps = weight.elements() / (weight.size(0) * weight.size(1));
        for (int i = 0; i < weight.elements(); i++) {
            int first = i / taps / weight.size(1);
            int second = i / taps % weight.size(1);
            int channel = first;
            if (before instanceof Layer.Transposed t) {
                int group = first / (t.layer().inChannels() / t.layer().groups());
                channel = group * weight.size(1) + second;
            }
            weight.set(i, (float) (weight.get(i) * scale[channel]));
        }
        return shifted;
    }

    /** An activation that follows no convolution; its slopes are on the device. */
    record Activating(Engine engine, Activation activation) implements Stage {
        @Override
        public void forward(Operand input, Operand output) {
            engine.elementwise().activate(activation, input, output);
        }

        @Override
        public long workspaceBytes(int... inputShape) {
            return 0;
        }

        @Override
        public void close() {
            if (activation.slopes() instanceof DeviceTensor slopes) {
                slopes.close();
            }
        }
    }

    /** A transposed convolution, prepared. */
    record Transposing(TransposedConvolution layer, Prepared prepared) implements Stage {
        @Override
        public void forward(Operand input, Operand output) {
            prepared.forward(input, output);
        }

        @Override
        public long workspaceBytes(int... inputShape) {
            return prepared.workspaceBytes(
                    layer.problem(inputShape[0], java.util.Arrays.copyOfRange(inputShape, 2, inputShape.length)));
        }

        @Override
        public void close() {
            prepared.close();
        }
    }

    /** A convolution, prepared. */
    record Convolving(Convolution layer, PreparedConvolution prepared) implements Stage {
        @Override
        public void forward(Operand input, Operand output) {
            prepared.forward(input, output);
        }

        @Override
        public long workspaceBytes(int... inputShape) {
            return prepared.workspaceBytes(
                    layer.problem(inputShape[0], java.util.Arrays.copyOfRange(inputShape, 2, inputShape.length)));
        }

        @Override
        public void close() {
            prepared.close();
        }
    }
}
