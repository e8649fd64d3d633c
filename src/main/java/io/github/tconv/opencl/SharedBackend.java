package io.github.tconv.opencl;

import io.github.tconv.op.Activation;
import io.github.tconv.op.DeviceException;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Several devices of one kind as one: they share the images of a batch, by the speed that they showed. The bits are those
 * of the first device alone: it chooses the variant of a layer, and all others compute by that.
 *
 * <p>The forward pass and the gradient by the input are shared. Sums over the batch, the gradients by weight and bias,
 * stay on one device, and so does all that has to do with device tensors, which lie on the first.
 *
 * <p>A device that fails is left out from then on, and what it was to compute goes to the others; where all fail, the
 * call does, and none is left out.
 */
final class SharedBackend extends ForwardingBackend {
    private static final System.Logger LOG = System.getLogger(SharedBackend.class.getName());

    /** Layers of calls without a prepared one, whose variants are remembered. */
    private static final int MOST_DECISIONS = 1024;

    /**
     * Operations for which it is worth it to have another device take part, whose thread takes its time to wake up.
     */
    static final long LEAST_FLOPS = 2_000_000;

    private final List<Member> members;
    /** Where device tensors lie, for good. */
    private final OpenClBackend home;

    private final Speeds speeds;
    private final long leastFlops;
    private final Map<Asked, Decision> decisions = new LinkedHashMap<>(16, 0.75f, /* accessOrder= */ true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Asked, Decision> eldest) {
            return size() > MOST_DECISIONS;
        }
    };

    /** One of the devices, and the thread that computes shares on it. */
    private static final class Member {
        private static final long IDLE_SECONDS = 10;

        final int place;
        final OpenClBackend backend;
        final ThreadPoolExecutor thread;
        /** Calls that it has begun, or that wait for it. */
        final AtomicInteger running = new AtomicInteger();

        volatile boolean leftOut;

        Member(int place, OpenClBackend backend) {
            this.place = place;
            this.backend = backend;
            thread = new ThreadPoolExecutor(1, 1, IDLE_SECONDS, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), task -> {
                Thread made = new Thread(task, "tconv-device-" + place);
                made.setDaemon(true);
                return made;
            });
            thread.allowCoreThreadTimeOut(true);
        }
    }

    /** What decides a variant beside the device. */
    private record Asked(Parts direction, Problem ofOneImage, boolean hasBias) {}

    /** The variant by which all devices compute, or null where plain Java does. */
    private record Decision(@Nullable ForwardVariant variant) {}

    /** Computes a problem of a layer on one device. */
    @FunctionalInterface
    private interface OnMember {
        void compute(Member member, Problem part, Tensor read, @Nullable Tensor residual, Tensor written);
    }

    /** Some images of a batch. */
    private record Images(int begin, int end) {
        int count() {
            return end - begin;
        }
    }

    /** A device's share of a call, and what became of it. */
    private static final class Share {
        final Member member;
        final Images images;
        double seconds;

        @Nullable
        DeviceException failure;

        @Nullable
        Throwable mistake;

        Share(Member member, Images images) {
            this.member = member;
            this.images = images;
        }

        void run(Runnable computation) {
            long start = System.nanoTime();
            try {
                computation.run();
            } catch (DeviceException e) {
                failure = e;
            } catch (RuntimeException | Error e) {
                mistake = e;
            } finally {
                seconds = (System.nanoTime() - start) * 1e-9;
                member.running.decrementAndGet();
            }
        }

        /** What is no failure of the device is nothing that another one could do better. */
        void throwMistake() {
            if (mistake instanceof Error error) {
                throw error;
            }
            if (mistake instanceof RuntimeException exception) {
                throw exception;
            }
        }
    }

    /**
     * Makes one of several.
     *
     * @param backends which this then owns, the first of which decides; all choose variants as it does
     * @param leastFlops operations for which it is worth it to have another device take part
     */
    SharedBackend(List<OpenClBackend> backends, long leastFlops) {
        super(backends.get(0));
        List<Member> all = new ArrayList<>();
        backends.forEach(backend -> all.add(new Member(all.size(), backend)));
        members = List.copyOf(all);
        home = members.get(0).backend;
        speeds = new Speeds(members.size());
        this.leastFlops = leastFlops;
    }

    /**
     * Opens several devices, or parts of them.
     *
     * @param chosen which of them
     * @param found all devices
     * @param opener opens one, to choose variants as the first would
     * @throws IllegalArgumentException if they are not of one kind, or have not as many parts
     * @throws DeviceException if one of them cannot be opened
     */
    static SharedBackend open(
            List<DeviceChoice.Choice> chosen, List<Device> found, Function<Device, OpenClBackend> opener) {
        Device first = found.get(chosen.get(0).device().index());
        Deque<Device> unopened = new ArrayDeque<>();
        List<OpenClBackend> opened = new ArrayList<>();
        try {
            for (DeviceChoice.Choice choice : chosen) {
                Device device = found.get(choice.device().index());
                first.differenceFrom(device).ifPresent(difference -> {
                    throw new IllegalArgumentException(
                            "devices that compute together must be of one kind: %d and %d have %s"
                                    .formatted(
                                            first.info().index(), device.info().index(), difference));
                });
                unopened.addAll(DeviceParts.of(device, choice.parts()));
            }
            while (!unopened.isEmpty()) {
                opened.add(opener.apply(unopened.remove()));
            }
            return new SharedBackend(opened, LEAST_FLOPS);
        } catch (RuntimeException | Error e) {
            opened.forEach(OpenClBackend::close);
            unopened.stream().filter(Device::part).forEach(DeviceParts::release);
            throw e;
        }
    }

    /** How the devices' speeds compare. */
    double[] relativeSpeeds() {
        return speeds.relative();
    }

    @Override
    public String describe() {
        return members.stream()
                .map(member -> member.backend.describe() + (member.leftOut ? " (failed and left out)" : ""))
                .collect(Collectors.joining(" and "));
    }

    @Override
    public void forward(Problem problem, Operand input, Operand weight, @Nullable Operand bias, Operand output) {
        if (isOnDevice(input) || isOnDevice(weight) || isOnDevice(bias) || isOnDevice(output)) {
            home.forward(problem, input, weight, bias, output);
        } else {
            once(Parts.FORWARD, problem, (Tensor) input, (Tensor) weight, (Tensor) bias, (Tensor) output);
        }
    }

    @Override
    public void inputGradient(
            Problem problem, Operand outputGradient, Operand weight, @Nullable Operand bias, Operand inputGradient) {
        if (isOnDevice(outputGradient) || isOnDevice(weight) || isOnDevice(bias) || isOnDevice(inputGradient)) {
            home.inputGradient(problem, outputGradient, weight, bias, inputGradient);
        } else {
            once(Parts.INPUT_GRADIENT, problem, (Tensor) outputGradient, (Tensor) weight, (Tensor) bias, (Tensor)
                    inputGradient);
        }
    }

    private static boolean isOnDevice(@Nullable Operand operand) {
        return operand instanceof DeviceTensor;
    }

    private void once(
            Parts direction, Problem problem, Tensor read, Tensor weight, @Nullable Tensor bias, Tensor written) {
        ForwardVariant variant = decide(direction, problem, weight, bias).variant();
        OnMember computation =
                (member, part, from, none, to) -> member.backend.once(direction, part, from, weight, bias, to, variant);
        if (variant == null) {
            onOne(member -> {
                computation.compute(member, problem, read, null, written);
                return written;
            });
        } else {
            share(problem, read, null, written, computation);
        }
    }

    private Decision decide(Parts direction, Problem problem, Tensor weight, @Nullable Tensor bias) {
        Asked asked = new Asked(direction, part(problem, 1), bias != null);
        synchronized (decisions) {
            Decision known = decisions.get(asked);
            if (known != null) {
                return known;
            }
        }
        Decision decided = onOne(member -> new Decision(member.backend.variantOf(direction, problem, weight, bias)));
        synchronized (decisions) {
            Decision earlier = decisions.putIfAbsent(asked, decided);
            return earlier == null ? decided : earlier;
        }
    }

    private static Problem part(Problem problem, int images) {
        return images == problem.batch() ? problem : problem.layer().problem(images, Parts.sizes(problem));
    }

    /** Has the devices compute a batch together; what one fails to do goes to the others. */
    private void share(Problem problem, Tensor read, @Nullable Tensor residual, Tensor written, OnMember computation) {
        Map<Member, DeviceException> failures = new LinkedHashMap<>();
        Deque<Images> todo = new ArrayDeque<>(List.of(new Images(0, problem.batch())));
        while (!todo.isEmpty()) {
            List<Share> shares = shares(todo.remove(), problem, failures);
            List<CompletableFuture<Void>> others = new ArrayList<>();
            for (Share share : shares) {
                Images images = share.images;
                boolean all = images.count() == problem.batch();
                Runnable run = () -> share.run(() -> computation.compute(
                        share.member,
                        part(problem, images.count()),
                        all ? read : Slices.outer(read, images.begin, images.end),
                        all || residual == null ? residual : Slices.outer(residual, images.begin, images.end),
                        all ? written : Slices.outer(written, images.begin, images.end)));
                share.member.running.incrementAndGet();
                if (shares.size() == 1) {
                    run.run();
                } else {
                    others.add(CompletableFuture.runAsync(run, share.member.thread));
                }
            }
            // Nobody may write any more when this returns, or throws.
            others.forEach(CompletableFuture::join);
            for (Share share : shares) {
                share.throwMistake();
                if (share.failure != null) {
                    failures.put(share.member, share.failure);
                    todo.add(share.images);
                }
            }
            if (todo.isEmpty()) {
                learn(shares);
            }
        }
        leaveOut(failures);
    }

    /** Shares images among the devices that have not failed. */
    private List<Share> shares(Images images, Problem problem, Map<Member, DeviceException> failures) {
        List<Member> able = able(failures);
        if (able.isEmpty()) {
            throw allFailed(failures);
        }
        boolean[] takesPart = new boolean[members.size()];
        able.forEach(member -> takesPart[member.place] = true);
        double flops = problem.flops() / problem.batch() * images.count();
        int most = (int) Math.max(1, Math.min(able.size(), flops / leastFlops));
        if (images.count() == 1 || most == 1) {
            int[] running =
                    members.stream().mapToInt(member -> member.running.get()).toArray();
            return List.of(new Share(members.get(speeds.first(running, takesPart)), images));
        }
        int[] counts = speeds.share(images.count(), takesPart, most);
        List<Share> shares = new ArrayList<>();
        int begin = images.begin;
        for (Member member : members) {
            int count = counts[member.place];
            if (count > 0) {
                shares.add(new Share(member, new Images(begin, begin + count)));
                begin += count;
            }
        }
        return shares;
    }

    private void learn(List<Share> shares) {
        int[] images = new int[members.size()];
        double[] seconds = new double[members.size()];
        for (Share share : shares) {
            images[share.member.place] = share.images.count();
            seconds[share.member.place] = share.seconds;
        }
        speeds.measured(images, seconds);
    }

    /** Has one device compute, the first that does not fail. */
    private <T> T onOne(Function<Member, T> computation) {
        Map<Member, DeviceException> failures = new LinkedHashMap<>();
        for (Member member : able(failures)) {
            try {
                T result = computation.apply(member);
                leaveOut(failures);
                return result;
            } catch (DeviceException e) {
                failures.put(member, e);
            }
        }
        throw allFailed(failures);
    }

    private List<Member> able(Map<Member, DeviceException> failures) {
        return members.stream()
                .filter(member -> !member.leftOut && !failures.containsKey(member))
                .toList();
    }

    private static DeviceException allFailed(Map<Member, DeviceException> failures) {
        List<DeviceException> all = List.copyOf(failures.values());
        all.stream().skip(1).forEach(all.get(0)::addSuppressed);
        return all.get(0);
    }

    /** Leaves out what failed in a call that others could do; a want of memory says nothing about the next call. */
    private synchronized void leaveOut(Map<Member, DeviceException> failures) {
        failures.forEach((member, failure) -> {
            if (!Shortage.isMemory(failure)
                    && !member.leftOut
                    && able(Map.of(member, failure)).size() > 0) {
                member.leftOut = true;
                LOG.log(
                        System.Logger.Level.WARNING,
                        "{0} fails and is left out, the other devices compute its share: {1}",
                        member.backend.describe(),
                        failure.getMessage());
            }
        });
    }

    @Override
    public void weightGradient(Problem problem, Operand input, Operand outputGradient, Operand weightGradient) {
        if (isOnDevice(input) || isOnDevice(outputGradient) || isOnDevice(weightGradient)) {
            home.weightGradient(problem, input, outputGradient, weightGradient);
        } else {
            onOne(member -> {
                member.backend.weightGradient(problem, input, outputGradient, weightGradient);
                return weightGradient;
            });
        }
    }

    @Override
    public void biasGradient(Operand outputGradient, Operand biasGradient) {
        if (isOnDevice(outputGradient) || isOnDevice(biasGradient)) {
            home.biasGradient(outputGradient, biasGradient);
        } else {
            onOne(member -> {
                member.backend.biasGradient(outputGradient, biasGradient);
                return biasGradient;
            });
        }
    }

    @Override
    public PreparedLayer prepare(
            TransposedConvolution layer, Tensor weight, @Nullable Tensor bias, Activation activation) {
        return new SharedLayer(Parts.FORWARD, layer, weight, bias, activation);
    }

    @Override
    public PreparedLayer prepareAdjoint(
            TransposedConvolution layer, Tensor weight, @Nullable Tensor bias, Activation activation) {
        return new SharedLayer(Parts.INPUT_GRADIENT, layer, weight, bias, activation);
    }

    /** A layer on those devices that have computed with it, and what the others will need. */
    private final class SharedLayer implements PreparedLayer {
        private final Parts direction;
        private final TransposedConvolution layer;
        private final Tensor weight;
        private final @Nullable Tensor bias;
        private final Activation activation;
        private final Map<Member, PreparedForward> prepared = new ConcurrentHashMap<>();
        /** Null before the first call. */
        private volatile @Nullable Decision decided;

        SharedLayer(
                Parts direction,
                TransposedConvolution layer,
                Tensor weight,
                @Nullable Tensor bias,
                Activation activation) {
            this.direction = direction;
            this.layer = layer;
            this.weight = weight.copy();
            this.bias = bias == null ? null : bias.copy();
            this.activation =
                    activation.slopes() instanceof Tensor slopes ? Activation.prelu(slopes.copy()) : activation;
            onOne(this::on);
        }

        /** Returns the layer on one device, prepared there now if it is not yet. */
        private PreparedForward on(Member member) {
            PreparedForward there = prepared.computeIfAbsent(
                    member, any -> member.backend.prepare(direction, layer, weight, bias, activation));
            Decision decision = decided;
            if (decision != null && decision.variant() != null) {
                there.follow(decision.variant());
            }
            return there;
        }

        @Override
        public void forward(Problem problem, Operand input, @Nullable Operand residual, Operand output) {
            Decision known = decided;
            Decision decision = known == null ? decide(problem, residual != null) : known;
            if (isOnDevice(input) || isOnDevice(residual) || isOnDevice(output)) {
                on(members.get(0)).forward(problem, input, residual, output);
            } else if (decision.variant() == null) {
                onOne(member -> {
                    on(member).forward(problem, input, residual, output);
                    return output;
                });
            } else {
                share(
                        problem,
                        (Tensor) input,
                        (Tensor) residual,
                        (Tensor) output,
                        (member, part, from, added, to) -> on(member).forward(part, from, added, to));
            }
        }

        private synchronized Decision decide(Problem problem, boolean hasResidual) {
            Decision known = decided;
            if (known == null) {
                known = onOne(member -> new Decision(on(member).settle(problem, hasResidual)));
                decided = known;
            }
            return known;
        }

        @Override
        public String describe(Problem problem) {
            return onOne(this::on).describe(problem);
        }

        @Override
        public long workspaceBytes(Problem problem) {
            return onOne(this::on).workspaceBytes(problem);
        }

        @Override
        public void close() {
            prepared.values().forEach(PreparedForward::close);
        }
    }

    @Override
    public void close() {
        members.forEach(member -> {
            member.thread.shutdown();
            member.backend.close();
        });
    }
}
