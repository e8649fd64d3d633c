package io.github.tconv.bench.peers;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import io.github.tconv.Engine;
import io.github.tconv.Tconv;
import io.github.tconv.network.Architecture;
import io.github.tconv.network.Layer;
import io.github.tconv.network.Network;
import io.github.tconv.op.Activation;
import io.github.tconv.op.Axis;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import java.util.function.ToIntFunction;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * The generator of DCGAN with random weights, as a {@link Network} and in both peers: compared, then measured call by call
 * in turn. A. Radford et al., "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
 * Networks", 2016: 100 values become 1024 channels of 4 x 4, then 512, 256, 128 and 3, of 64 x 64.
 *
 * <p>The comparison is with PyTorch's {@code batch_norm}, so that the folding is compared too. The times are of folded
 * weights for all three, which for the peers is the faster way.
 */
final class NetworkBench {
    private static final int[] CHANNELS = {100, 1024, 512, 256, 128, 3};
    private static final double WARM_UP_SHARE = 0.2;
    private static final int LEAST_ROUNDS = 7;
    private static final long PAUSE_NANOS = 8_000_000;
    private static final double EPSILON = Layer.Normalised.EPSILON;

    private final Architecture architecture;
    private final Map<String, Tensor> weights;
    private final int threads;

    NetworkBench(int threads) {
        this.threads = threads;
        Architecture.Builder layers = Architecture.builder().prefix("main.");
        for (int i = 0; i + 1 < CHANNELS.length; i++) {
            layers.addWithoutBias(TransposedConvolution.of2d()
                    .channels(CHANNELS[i], CHANNELS[i + 1])
                    .kernel(4)
                    .stride(i == 0 ? 1 : 2)
                    .padding(i == 0 ? 0 : 1)
                    .build());
            if (i + 2 < CHANNELS.length) {
                layers.addBatchNormalisation(CHANNELS[i + 1]).add(Activation.relu());
            }
        }
        architecture = layers.add(Activation.tanh()).build();
        weights = architecture.randomWeights(1);
        Random random = new Random(2);
        weights.forEach((name, tensor) -> {
            if (tensor.rank() == 1) {
                boolean positive = name.endsWith("running_var") || name.endsWith("weight");
                for (int c = 0; c < tensor.elements(); c++) {
                    tensor.set(c, positive ? 0.5f + random.nextFloat() : random.nextFloat() - 0.5f);
                }
            }
        });
    }

    /** Who takes part: an output, and a call whose output is dropped. */
    private interface Player extends AutoCloseable {
        String name();

        Tensor result();

        void call();

        @Override
        void close();
    }

    void run(@Nullable String device, List<Integer> batches, double seconds, PrintWriter out) {
        try (Engine engine = device == null ? Tconv.open() : Tconv.open(device);
                Network network = Network.of(engine, architecture, weights)) {
            out.println("DCGAN's generator on " + engine.describe());
            for (int batch : batches) {
                Tensor input = Tensor.zeros(batch, CHANNELS[0], 1, 1);
                Random random = new Random(3);
                for (int i = 0; i < input.elements(); i++) {
                    input.set(i, (float) random.nextGaussian());
                }
                out.println(
                        "batch %d, workspace %d KiB".formatted(batch, network.workspaceBytes(input.shape()) / 1024));
                try (Player ours = ours(network, input);
                        Player normalised = new Torch(input, /* folded= */ false);
                        Player folded = new Torch(input, /* folded= */ true);
                        Player onnx = new Onnx(input)) {
                    Tensor expected = normalised.result();
                    for (Player player : List.of(ours, folded, onnx)) {
                        out.println(String.format(
                                Locale.ROOT,
                                "  %-14s largest difference from PyTorch's batch_norm: %.2g of a largest value of %.2g",
                                player.name(),
                                difference(player.result(), expected),
                                largest(expected)));
                    }
                    measure(List.of(ours, folded, onnx), seconds, out);
                }
            }
        }
    }

    private static double largest(Tensor tensor) {
        double most = 0;
        for (int i = 0; i < tensor.elements(); i++) {
            most = Math.max(most, Math.abs(tensor.get(i)));
        }
        return most;
    }

    private static double difference(Tensor left, Tensor right) {
        double most = 0;
        for (int i = 0; i < left.elements(); i++) {
            most = Math.max(most, Math.abs((double) left.get(i) - right.get(i)));
        }
        return most;
    }

    private static void measure(List<Player> players, double seconds, PrintWriter out) {
        List<List<Double>> times = new ArrayList<>();
        players.forEach(player -> times.add(new ArrayList<>()));
        long start = System.nanoTime();
        for (int round = 0; ; round++) {
            double passed = (System.nanoTime() - start) / 1e9;
            if (passed > seconds && times.get(0).size() >= LEAST_ROUNDS) {
                break;
            }
            for (int k = 0; k < players.size(); k++) {
                int i = (k + round) % players.size();
                // Until the threads of the one before have stopped spinning.
                LockSupport.parkNanos(PAUSE_NANOS);
                // Its own threads wake up and its data come near, as for a call among its like.
                players.get(i).call();
                long before = System.nanoTime();
                players.get(i).call();
                double milliseconds = (System.nanoTime() - before) / 1e6;
                if (passed > seconds * WARM_UP_SHARE && round > 1) {
                    times.get(i).add(milliseconds);
                }
            }
        }
        for (int i = 0; i < players.size(); i++) {
            List<Double> ratios = new ArrayList<>();
            for (int round = 0; round < times.get(i).size(); round++) {
                ratios.add(times.get(i).get(round) / times.get(0).get(round));
            }
            out.println(String.format(
                    Locale.ROOT,
                    "  %-14s %8.2f ms, %.2f times ours (quartiles %.2f-%.2f) in %d rounds",
                    players.get(i).name(),
                    quantile(times.get(i), 0.5),
                    quantile(ratios, 0.5),
                    quantile(ratios, 0.25),
                    quantile(ratios, 0.75),
                    ratios.size()));
        }
        out.flush();
    }

    private static double quantile(List<Double> samples, double share) {
        List<Double> sorted = new ArrayList<>(samples);
        Collections.sort(sorted);
        return sorted.get((int) (share * (sorted.size() - 1)));
    }

    private static Player ours(Network network, Tensor input) {
        return new Player() {
            private final Tensor output = network.forward(input);

            @Override
            public String name() {
                return "tconv";
            }

            @Override
            public Tensor result() {
                return network.forward(input);
            }

            @Override
            public void call() {
                network.forward(input, output);
            }

            @Override
            public void close() {
                // The network is the caller's.
            }
        };
    }

    private Tensor named(String layer, String part) {
        return Objects.requireNonNull(weights.get(layer + "." + part));
    }

    /** A transposed convolution with what follows it. */
    private record Step(TransposedConvolution layer, Tensor weight, Tensor bias, boolean last, String name) {}

    /** The convolutions with the normalisation in their weights. */
    private List<Step> folded() {
        List<Step> steps = new ArrayList<>();
        List<Layer> layers = architecture.layers();
        for (int i = 0; i < layers.size(); i++) {
            if (!(layers.get(i) instanceof Layer.Transposed t)) {
                continue;
            }
            Tensor weight = named(t.name(), "weight").copy();
            Tensor bias = Tensor.zeros(t.layer().outChannels());
            boolean normalised = layers.get(i + 1) instanceof Layer.Normalised;
            for (int c = 0; normalised && c < bias.elements(); c++) {
                String name = layers.get(i + 1).name();
                double scale = named(name, "weight").get(c)
                        / Math.sqrt(named(name, "running_var").get(c) + EPSILON);
                bias.set(c, (float) (named(name, "bias").get(c)
                        - named(name, "running_mean").get(c) * scale));
                int taps = weight.size(2) * weight.size(3);
                for (int ic = 0; ic < weight.size(0); ic++) {
                    for (int k = 0; k < taps; k++) {
                        int place = (ic * weight.size(1) + c) * taps + k;
                        weight.set(place, (float) (weight.get(place) * scale));
                    }
                }
            }
            steps.add(new Step(t.layer(), weight, bias, !normalised, t.name()));
        }
        return steps;
    }

    private static org.bytedeco.pytorch.Tensor tensor(Tensor tensor) {
        long[] shape = Arrays.stream(tensor.shape()).asLongStream().toArray();
        return torch.from_blob(new FloatPointer(tensor.floats()), shape);
    }

    private static long[] values(TransposedConvolution layer, ToIntFunction<Axis> value) {
        return layer.axes().stream().mapToLong(axis -> value.applyAsInt(axis)).toArray();
    }

    /** PyTorch without gradients, normalising as it goes or with folded weights. */
    private final class Torch implements Player {
        private final NoGradGuard noGradients = new NoGradGuard();
        private final boolean isFolded;
        private final org.bytedeco.pytorch.Tensor input;
        private final Tensor held;
        private final List<Step> steps = folded();
        private final List<org.bytedeco.pytorch.Tensor> stepWeights = new ArrayList<>();
        private final List<TensorOptional> stepBiases = new ArrayList<>();

        Torch(Tensor input, boolean folded) {
            torch.set_num_threads(threads);
            isFolded = folded;
            held = input;
            this.input = tensor(input);
            for (Step step : steps) {
                stepWeights.add(tensor(folded ? step.weight : named(step.name, "weight")));
                stepBiases.add(folded ? new TensorOptional(tensor(step.bias)) : new TensorOptional());
            }
        }

        @Override
        public String name() {
            return "PyTorch";
        }

        private org.bytedeco.pytorch.Tensor forward() {
            org.bytedeco.pytorch.Tensor last = input;
            for (int i = 0; i < steps.size(); i++) {
                Step step = steps.get(i);
                org.bytedeco.pytorch.Tensor next = torch.conv_transpose2d(
                        last,
                        stepWeights.get(i),
                        stepBiases.get(i),
                        values(step.layer, Axis::stride),
                        values(step.layer, Axis::padBegin),
                        values(step.layer, Axis::outputPadding),
                        1,
                        values(step.layer, Axis::dilation));
                if (i > 0) {
                    last.close();
                }
                if (!isFolded && !step.last) {
                    org.bytedeco.pytorch.Tensor raw = next;
                    String layer = architecture
                            .layers()
                            .get(architecture.layers().indexOf(find(step.name)) + 1)
                            .name();
                    next = torch.batch_norm(
                            raw,
                            new TensorOptional(tensor(named(layer, "weight"))),
                            new TensorOptional(tensor(named(layer, "bias"))),
                            new TensorOptional(tensor(named(layer, "running_mean"))),
                            new TensorOptional(tensor(named(layer, "running_var"))),
                            /* training= */ false,
                            0.1,
                            EPSILON,
                            /* cudnn_enabled= */ false);
                    raw.close();
                }
                // In place: what comes back is next itself.
                org.bytedeco.pytorch.Tensor unused = step.last ? next.tanh_() : next.relu_();
                last = next;
            }
            return last;
        }

        private Layer find(String name) {
            return architecture.layers().stream()
                    .filter(layer -> layer.name().equals(name))
                    .findFirst()
                    .orElseThrow();
        }

        @Override
        public void call() {
            forward().close();
        }

        @Override
        public Tensor result() {
            try (org.bytedeco.pytorch.Tensor output = forward();
                    org.bytedeco.pytorch.Tensor dense = output.contiguous()) {
                long[] shape = dense.shape();
                Tensor copy = Tensor.zeros(
                        Arrays.stream(shape).mapToInt(Math::toIntExact).toArray());
                FloatPointer values = dense.data_ptr_float().capacity(dense.numel());
                copy.floats().put(values.asBuffer());
                return copy;
            }
        }

        @Override
        public void close() {
            try {
                input.close();
                stepWeights.forEach(org.bytedeco.pytorch.Tensor::close);
                stepBiases.forEach(TensorOptional::close);
                noGradients.close();
            } finally {
                java.lang.ref.Reference.reachabilityFence(held);
            }
        }
    }

    /** ONNX Runtime with folded weights in its model. */
    private final class Onnx implements Player {
        private final OrtSession session;
        private final OnnxTensor input;

        Onnx(Tensor input) {
            OrtEnvironment environment = OrtEnvironment.getEnvironment();
            OnnxModel.Chain chain = new OnnxModel.Chain();
            folded().forEach(step -> chain.add(step.layer, step.weight, step.bias, step.last ? "Tanh" : "Relu"));
            try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
                options.setIntraOpNumThreads(threads);
                session = environment.createSession(chain.toModel(), options);
                long[] shape = Arrays.stream(input.shape()).asLongStream().toArray();
                this.input = OnnxTensor.createTensor(environment, input.floats(), shape);
            } catch (OrtException e) {
                throw new IllegalStateException(e.getMessage(), e);
            }
        }

        @Override
        public String name() {
            return "ONNX Runtime";
        }

        @Override
        public void call() {
            try {
                session.run(Map.of(OnnxModel.INPUT, input)).close();
            } catch (OrtException e) {
                throw new IllegalStateException(e.getMessage(), e);
            }
        }

        @Override
        public Tensor result() {
            try (OrtSession.Result result = session.run(Map.of(OnnxModel.INPUT, input))) {
                OnnxTensor output = (OnnxTensor) result.get(0);
                Tensor copy = Tensor.zeros(Arrays.stream(output.getInfo().getShape())
                        .mapToInt(Math::toIntExact)
                        .toArray());
                copy.memory().put(output.getByteBuffer());
                return copy;
            } catch (OrtException e) {
                throw new IllegalStateException(e.getMessage(), e);
            }
        }

        @Override
        public void close() {
            input.close();
            try {
                session.close();
            } catch (OrtException e) {
                throw new IllegalStateException(e.getMessage(), e);
            }
        }
    }
}
