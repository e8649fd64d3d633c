package io.github.tconv.network;

import io.github.tconv.EnginesPresent;
import io.github.tconv.op.Activation;
import io.github.tconv.op.Convolution;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;

/** Small networks, uneven in every respect, and values for them of which float32 sums are exact. */
final class Networks {
    private Networks() {}

    static Stream<String> engines() {
        return EnginesPresent.names().stream();
    }

    /** Both kinds of convolution, groups, biases and none, slopes, and activations that are piecewise linear. */
    static Architecture piecewiseLinear() {
        return Architecture.builder()
                .add(Convolution.of2d()
                        .channels(2, 4)
                        .groups(2)
                        .kernel(3, 2)
                        .stride(2, 1)
                        .padding(1, 0, 0, 1)
                        .build())
                .addPrelu(4)
                .addWithoutBias(Convolution.of2d().channels(4, 3).build())
                .add(TransposedConvolution.of2d()
                        .channels(3, 2)
                        .kernel(2, 3)
                        .stride(2, 2)
                        .padding(0, 1)
                        .build())
                .add(Activation.leakyRelu(0.5f))
                .build();
    }

    /** Weights of small whole numbers; biases and slopes of halves, so that no sum lies on a corner. */
    static Map<String, Tensor> wholeWeights(Architecture architecture, long seed) {
        Random random = new Random(seed);
        Map<String, Tensor> weights = new LinkedHashMap<>();
        architecture.parameters().forEach((name, shape) -> {
            Tensor tensor = whole(random, shape);
            if (shape.length == 1) {
                for (int i = 0; i < tensor.elements(); i++) {
                    tensor.set(i, tensor.get(i) + (name.endsWith("bias") ? 0.5f : -2.5f));
                }
            }
            weights.put(name, tensor);
        });
        return weights;
    }

    /** Whole numbers from -2 to 2. */
    static Tensor whole(Random random, int... shape) {
        Tensor tensor = Tensor.zeros(shape);
        for (int i = 0; i < tensor.elements(); i++) {
            tensor.set(i, random.nextInt(5) - 2f);
        }
        return tensor;
    }

    static Tensor normal(Random random, int... shape) {
        Tensor tensor = Tensor.zeros(shape);
        for (int i = 0; i < tensor.elements(); i++) {
            tensor.set(i, (float) random.nextGaussian());
        }
        return tensor;
    }
}
