package io.github.tconv.opencl;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Backend;
import io.github.tconv.op.Backend.PreparedLayer;
import io.github.tconv.op.DeviceException;
import io.github.tconv.op.Lifetime;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.lang.ref.Reference;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * A layer whose weight, bias and slopes are on the device, for the life of this object or of the session.
 *
 * <p>The first call compiles the tile that suits its size and packs the weight. A later call of another size takes its
 * own tile if that is compiled already, otherwise one that is, while its own is compiled in the background: no call but
 * the first waits for a compiler, and the bits are the same whichever tile it was.
 */
final class PreparedForward implements PreparedLayer {
    private static final System.Logger LOG = System.getLogger(PreparedForward.class.getName());

    /** Positions of an image for which a tile is compiled ahead of time. */
    private static final int[] OTHER_SIZES = {16, 65_536, 1024};

    private final Session session;
    private final Parts direction;
    private final ForwardRule rule;
    private final TransposedConvolution layer;
    private final SelfCheck selfCheck;
    private final boolean copied;
    private final Activation activation;
    private final Owned owned;
    private final Lifetime lifetime;

    private volatile @Nullable ForwardVariant chosen;

    /** What the same layer settled on elsewhere: the only variant that this may choose. */
    private volatile @Nullable ForwardVariant followed;

    /** Of a layer that lives for one call; null where the caller keeps it. */
    private @Nullable Launches launches;

    /** A launch of every tile that is compiled, by its options; any of them computes any size. */
    private final Map<String, Launch> compiled = new ConcurrentHashMap<>();

    private volatile @Nullable Launch last;

    /** Made once, not for every call. */
    private final Parts.Whole whole = this::whole;

    /** What the layer holds: apart from it, so that it can be freed when the layer is gone. */
    private static final class Owned {
        private final Session session;
        final @Nullable DeviceBuffer bias;
        final @Nullable DeviceBuffer slopes;

        /** The weight as the layer has it until the first call, then as that call's variant packs it. */
        volatile DeviceBuffer weight;

        /** Computes in place of the variants where none of them computes right. */
        volatile @Nullable Substitute substitute;

        Owned(Session session, DeviceBuffer weight, @Nullable DeviceBuffer bias, @Nullable DeviceBuffer slopes) {
            this.session = session;
            this.weight = weight;
            this.bias = bias;
            this.slopes = slopes;
        }

        boolean isHeld() {
            return session.keeps(weight);
        }

        void free() {
            session.release(weight);
            if (substitute != null) {
                substitute.close();
            }
            if (bias != null) {
                session.release(bias);
            }
            if (slopes != null) {
                session.release(slopes);
            }
        }
    }

    /** A tile compiled for one size, best if it is that size's own, and all that a call with it needs. */
    private static final class Launch {
        final Problem problem;
        final boolean hasResidual;
        final ForwardVariant variant;
        final ForwardVariant.Tile tile;
        /** Of the size's own tile, which this one may stand in for. */
        final String ownOptions;

        final Program program;
        final boolean best;
        /** Of the problem, which staging takes, and of what the kernel computes in its place. */
        final int[] ownSizes;

        final int[] sizes;
        final long stagedFloats;
        final String stageKernel;
        final NdRange stageRange;
        final String kernel;
        final NdRange range;

        Launch(
                Problem problem,
                boolean hasResidual,
                ForwardVariant variant,
                ForwardVariant.Tile tile,
                Program program,
                String ownOptions,
                boolean best) {
            Problem rank3 = problem.asRank3();
            this.problem = problem;
            this.hasResidual = hasResidual;
            this.variant = variant;
            this.tile = tile;
            this.ownOptions = ownOptions;
            this.program = program;
            this.best = best;
            ownSizes = LayerConstants.sizes(rank3);
            sizes = LayerConstants.sizes(variant.computed(rank3));
            kernel = variant.kernel();
            range = tile.range(rank3);
            stagedFloats = tile.stagedFloats(rank3);
            stageKernel = variant.name() + "_stage";
            stageRange = stagedFloats == 0 ? range : tile.stageRange(rank3);
        }

        boolean isFor(Problem other, boolean residual) {
            return hasResidual == residual && problem.equals(other);
        }
    }

    /**
     * How calls were launched whose layers lived for one call only, so that the next of their kind asks for nothing again.
     * Of one direction of one backend, whose rule and self-check are always the same. Thread-safe.
     */
    static final class Launches {
        private final Remembered<Launch> withBias = new Remembered<>();
        private final Remembered<Launch> withoutBias = new Remembered<>();

        private Remembered<Launch> of(boolean hasBias) {
            return hasBias ? withBias : withoutBias;
        }
    }

    /**
     * Brings a layer to the device for one call, without activation.
     *
     * @param launches what such layers share
     */
    static PreparedForward forOneCall(
            Session session,
            TransposedConvolution layer,
            Operand weight,
            @Nullable Operand bias,
            Parts direction,
            ForwardRule rule,
            Launches launches) {
        PreparedForward once = new PreparedForward(
                session,
                layer,
                weight,
                bias,
                Activation.none(),
                direction,
                rule,
                /* copy= */ false,
                session.selfCheck());
        once.launches = launches;
        return once;
    }

    /** Brings a layer to the device for the forward pass; the parameters are those of the other constructor. */
    PreparedForward(
            Session session,
            TransposedConvolution layer,
            Operand weight,
            @Nullable Operand bias,
            Activation activation,
            ForwardRule rule,
            boolean copy) {
        this(session, layer, weight, bias, activation, rule, copy, session.selfCheck());
    }

    /** As the other, with a check of the caller's. */
    PreparedForward(
            Session session,
            TransposedConvolution layer,
            Operand weight,
            @Nullable Operand bias,
            Activation activation,
            ForwardRule rule,
            boolean copy,
            SelfCheck selfCheck) {
        this(session, layer, weight, bias, activation, Parts.FORWARD, rule, copy, selfCheck);
    }

    /**
     * Brings a layer to the device.
     *
     * @param direction whether this computes the layer or, as the gradient by the input, its adjoint convolution; bias
     *     and slopes belong to what is written
     * @param rule picks the variant of that direction
     * @param copy whether the tensors are copied, or used in place where the device can, until this is closed
     * @param selfCheck what is asked before a program's first use
     */
    PreparedForward(
            Session session,
            TransposedConvolution layer,
            Operand weight,
            @Nullable Operand bias,
            Activation activation,
            Parts direction,
            ForwardRule rule,
            boolean copy,
            SelfCheck selfCheck) {
        this.session = session;
        this.layer = layer.asRank3();
        this.selfCheck = selfCheck;
        this.activation = activation;
        this.copied = copy;
        this.direction = direction;
        this.rule = rule;
        this.owned = own(session, weight, bias, activation, copy);
        this.lifetime = new Lifetime(
                this,
                "a prepared layer, " + layer,
                copy ? Lifetime.Frequency.RARE : Lifetime.Frequency.OFTEN,
                owned::isHeld,
                owned::free);
    }

    private static Owned own(
            Session session, Operand weight, @Nullable Operand bias, Activation activation, boolean copy) {
        DeviceBuffer w = session.keep(weight, copy);
        DeviceBuffer b = null;
        try {
            b = bias == null ? null : session.keep(bias, copy);
            DeviceBuffer slopes = activation.slopes() == null ? null : session.keep(activation.slopes(), copy);
            return new Owned(session, w, b, slopes);
        } catch (DeviceException e) {
            session.release(w);
            if (b != null) {
                session.release(b);
            }
            throw e;
        }
    }

    @Override
    public void forward(Problem problem, Operand input, @Nullable Operand residual, Operand output) {
        try {
            direction.compute(session.device(), problem, input, residual, output, whole);
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /**
     * Chooses the variant now, as the first call would.
     *
     * @return the variant, or null where none computes right and the oracle takes its place
     * @throws DeviceException if the device fails
     */
    @Nullable
    ForwardVariant settle(Problem problem, boolean hasResidual) {
        try {
            if (chosen == null && owned.substitute == null) {
                last = plan(problem, hasResidual);
            }
            return chosen;
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /** Has this compute by the variant that another device settled on, and by no other: for the same bits. */
    void follow(ForwardVariant variant) {
        followed = variant;
    }

    private void whole(Problem problem, Operand input, @Nullable Operand residual, Operand output) {
        Launch launch = last;
        if (launch == null || !launch.best || !launch.isFor(problem, residual != null)) {
            launch = owned.substitute == null ? plan(problem, residual != null) : null;
            last = launch;
        }
        Substitute oracle = owned.substitute;
        if (launch == null || oracle != null) {
            Objects.requireNonNull(oracle).forward(problem.asRank3(), input, residual, output);
            return;
        }
        try (Call call = session.call()) {
            DeviceBuffer x = call.operand(input);
            DeviceBuffer r = call.optional(residual);
            DeviceBuffer y = call.result(output);
            if (launch.stagedFloats > 0) {
                DeviceBuffer staged = call.workspace(launch.stagedFloats);
                try (Kernel kernel = launch.program.kernel(launch.stageKernel)) {
                    kernel.with(x).with(staged).with(launch.ownSizes).enqueue(session.queue(), launch.stageRange);
                }
                x = staged;
            }
            try (Kernel kernel = launch.program.kernel(launch.kernel)) {
                kernel.with(x)
                        .with(owned.weight)
                        .with(owned.bias == null ? owned.weight : owned.bias)
                        .with(owned.slopes == null ? owned.weight : owned.slopes)
                        .with(r == null ? owned.weight : r)
                        .with(y)
                        .with(launch.sizes)
                        .enqueue(session.queue(), launch.range);
            }
            call.complete(launch.program);
        }
        if (!launch.best) {
            // Not before: on a processor, the compiler would take this call's own threads.
            prefetch(launch.variant, launch.variant.tileFor(launch.problem.asRank3()), launch.ownOptions, problem);
        }
    }

    /** Returns how to launch a call; null where no kernel computes right and the oracle takes its place. */
    private @Nullable Launch plan(Problem problem, boolean hasResidual) {
        Problem rank3 = problem.asRank3();
        ForwardVariant variant = chosen;
        if (variant == null) {
            return planFirst(problem, rank3, hasResidual);
        }
        ForwardVariant.Tile own = variant.tileFor(rank3);
        String options = options(variant, own, hasResidual);
        Optional<Program> ready = session.programs().ready(variant.sources(), options);
        Launch other = nearest(rank3, own, hasResidual);
        if (ready.isEmpty() && other != null && !other.ownOptions.equals(options)) {
            return new Launch(problem, hasResidual, variant, other.tile, other.program, options, /* best= */ false);
        }
        Program program = ready.orElseGet(() -> session.programs().get(variant.sources(), options));
        if (!passes(variant, own, program, hasResidual)) {
            if (other == null) {
                throw new DeviceException("no kernel is left: the weight is packed for %s, and that computes wrong (%s)"
                        .formatted(variant.name(), session.device()));
            }
            return new Launch(problem, hasResidual, variant, other.tile, other.program, options, /* best= */ true);
        }
        Launch launch = new Launch(problem, hasResidual, variant, own, program, options, /* best= */ true);
        compiled.putIfAbsent(options, launch);
        return launch;
    }

    /** Settles on the first variant that proves itself, in the end on the oracle. */
    private @Nullable Launch planFirst(Problem problem, Problem rank3, boolean hasResidual) {
        Remembered<Launch> remembered =
                launches == null || followed != null || hasResidual ? null : launches.of(owned.bias != null);
        Launch known = remembered == null ? null : remembered.get(problem);
        if (known != null && choose(known.variant, known.program)) {
            return known;
        }
        for (ForwardVariant variant : alternatives(rank3)) {
            ForwardVariant.Tile own = variant.tileFor(rank3);
            String options = options(variant, own, hasResidual);
            try {
                Program program = session.programs().get(variant.sources(), options);
                if (passes(variant, own, program, hasResidual)) {
                    if (!choose(variant, program)) {
                        // Another thread's first call had another size, and its variant packed the weight.
                        return plan(problem, hasResidual);
                    }
                    Launch launch = new Launch(problem, hasResidual, variant, own, program, options, /* best= */ true);
                    compiled.putIfAbsent(options, launch);
                    if (remembered != null) {
                        remembered.put(problem, launch);
                    }
                    if (copied) {
                        session.programs().later(() -> prefetchOthers(problem, variant, hasResidual));
                    }
                    return launch;
                }
            } catch (DeviceException e) {
                if (followed != null || !selfCheck.forgives(e)) {
                    throw e;
                }
                selfCheck.skipped(options, variant.name(), "fails: " + e.getMessage(), options);
            }
        }
        if (followed != null) {
            throw new DeviceException("the variant of the other devices, %s, computes wrong (%s)"
                    .formatted(alternatives(rank3).get(0).name(), session.device()));
        }
        chooseOracle();
        return owned.substitute == null ? plan(problem, hasResidual) : null;
    }

    /** The rule's choice, then one of each other kind that is there, then the plain kernel. */
    private List<ForwardVariant> alternatives(Problem rank3) {
        ForwardVariant other = followed;
        ForwardVariant first = other == null ? rule.choose(rank3, session.device()) : other;
        if (other != null || !selfCheck.isOn()) {
            return List.of(first);
        }
        Map<String, ForwardVariant> byName = new LinkedHashMap<>();
        byName.put(first.name(), first);
        PlainVariant plain = switch (direction) {
            case FORWARD -> new PlainVariant();
            case INPUT_GRADIENT -> PlainVariant.ofInputGradient();
        };
        if (direction == Parts.FORWARD) {
            ForwardCandidates.of(rank3, session.device())
                    .forEach(variant -> byName.putIfAbsent(variant.name(), variant));
        }
        byName.putIfAbsent(plain.name(), plain);
        return List.copyOf(byName.values());
    }

    private boolean passes(ForwardVariant variant, ForwardVariant.Tile tile, Program program, boolean hasResidual) {
        return selfCheck.passes(
                program,
                variant.name(),
                new LayerTrial(session, layer, variant, tile, owned.bias != null, hasResidual, activation, direction));
    }

    /** Hands the layer to the oracle, as it was given: the weight is packed by a variant only, and none was chosen. */
    private synchronized void chooseOracle() {
        if (chosen == null && owned.substitute == null) {
            Backend oracle = selfCheck.oracle();
            Tensor w = host(owned.weight, layer.weightShape());
            owned.substitute = switch (direction) {
                case FORWARD -> {
                    Tensor b = owned.bias == null ? null : host(owned.bias, layer.outChannels());
                    PreparedLayer prepared = oracle.prepare(layer, w, b, activation);
                    yield new Substitute(session, oracle.describe(), prepared::forward, prepared::close);
                }
                case INPUT_GRADIENT -> {
                    Tensor b = owned.bias == null ? null : host(owned.bias, layer.inChannels());
                    yield new Substitute(
                            session,
                            oracle.describe(),
                            (problem, gradient, none, result) -> oracle.inputGradient(problem, gradient, w, b, result),
                            () -> {});
                }
            };
        }
    }

    private Tensor host(DeviceBuffer buffer, int... shape) {
        Tensor tensor = Tensor.zeros(shape);
        try (Call call = session.call()) {
            session.host().read(buffer, tensor);
            call.complete();
        }
        return tensor;
    }

    /**
     * Compiles tiles for few and for many positions, so that a new size never has to do with one that is far from its
     * own. They are few: most sizes share theirs.
     */
    private void prefetchOthers(Problem first, ForwardVariant variant, boolean hasResidual) {
        int rank = first.layer().rank();
        for (int positions : OTHER_SIZES) {
            int[] size = new int[rank];
            Arrays.fill(size, (int) Math.round(Math.pow(positions, 1.0 / rank)));
            try {
                Problem problem = first.layer().problem(1, size);
                ForwardVariant.Tile tile = variant.tileFor(problem.asRank3());
                prefetch(variant, tile, options(variant, tile, hasResidual), problem);
            } catch (IllegalArgumentException e) {
                LOG.log(System.Logger.Level.DEBUG, "a layer has no problem of some size", e);
            }
        }
    }

    /** Has a tile compiled in the background and run once, since some drivers compile fully only then. */
    private void prefetch(ForwardVariant variant, ForwardVariant.Tile tile, String options, Problem problem) {
        session.programs().prefetch(variant.sources(), options, program -> {
            if (lifetime.isOpen()) {
                Launch launch = new Launch(
                        smallest(problem),
                        options.contains(" -DHAS_RESIDUAL=1 "),
                        variant,
                        tile,
                        program,
                        options,
                        /* best= */ true);
                tryOut(launch);
                session.programs().remember(program);
                if (passes(variant, tile, program, launch.hasResidual)) {
                    compiled.putIfAbsent(options, launch);
                }
            }
        });
    }

    private static Problem smallest(Problem problem) {
        int[] size = new int[problem.layer().rank()];
        for (int s = 1; ; s *= 2) {
            Arrays.fill(size, s);
            try {
                return problem.layer().problem(1, size);
            } catch (IllegalArgumentException e) {
                if (s > 1 << 16) {
                    return problem;
                }
            }
        }
    }

    /** Runs a launch beside all calls, on memory of its own; the layer may be closed meanwhile, so it shares the layer's. */
    private void tryOut(Launch launch) {
        long read = Tensor.elementsOf(direction.readShape(launch.problem));
        long written = Tensor.elementsOf(direction.writtenShape(launch.problem));
        try (DeviceBuffer w = owned.weight.share();
                DeviceBuffer b = owned.bias == null ? null : owned.bias.share();
                DeviceBuffer s = owned.slopes == null ? null : owned.slopes.share();
                DeviceBuffer x = session.make(read);
                DeviceBuffer staged = session.make(Math.max(1, launch.stagedFloats));
                DeviceBuffer r = session.make(written);
                DeviceBuffer y = session.make(written)) {
            session.beside(queue -> {
                if (launch.stagedFloats > 0) {
                    try (Kernel kernel = launch.program.kernel(launch.stageKernel)) {
                        kernel.with(x).with(staged).with(launch.ownSizes).enqueue(queue, launch.stageRange);
                    }
                }
                try (Kernel kernel = launch.program.kernel(launch.kernel)) {
                    kernel.with(launch.stagedFloats > 0 ? staged : x)
                            .with(w)
                            .with(b == null ? w : b)
                            .with(s == null ? w : s)
                            .with(r)
                            .with(y)
                            .with(launch.sizes)
                            .enqueue(queue, launch.range);
                }
            });
        }
    }

    /** The compiled tile that cuts a problem into about as many work-items as the problem's own would. */
    private @Nullable Launch nearest(Problem rank3, ForwardVariant.Tile own, boolean hasResidual) {
        double wanted = Math.log((double) own.range(rank3).items());
        Launch nearest = null;
        double least = Double.POSITIVE_INFINITY;
        for (Launch launch : compiled.values()) {
            double distance =
                    Math.abs(Math.log((double) launch.tile.range(rank3).items()) - wanted);
            if (launch.hasResidual == hasResidual && distance < least) {
                least = distance;
                nearest = launch;
            }
        }
        return nearest;
    }

    private String options(ForwardVariant variant, ForwardVariant.Tile tile, boolean hasResidual) {
        return LayerConstants.withEpilogue(
                        LayerConstants.of(variant.computed(layer)), owned.bias != null, hasResidual, activation)
                + variant.constants()
                + tile.constants();
    }

    /** Settles on a variant and has it pack the weight; false if another was faster. */
    private synchronized boolean choose(ForwardVariant variant, Program program) {
        if (chosen != null || owned.substitute != null) {
            return false;
        }
        if (variant.packedFloats() > 0) {
            DeviceBuffer raw = owned.weight;
            DeviceBuffer target = copied
                    ? session.keep(variant.packedFloats())
                    : session.keep(session.borrow(variant.packedFloats()));
            try (Call call = session.call();
                    Kernel kernel = program.kernel(variant.name() + "_pack")) {
                kernel.with(raw).with(target).enqueue(session.queue(), variant.packRange());
                call.complete();
            } catch (RuntimeException e) {
                session.release(target);
                throw e;
            }
            owned.weight = target;
            session.release(raw);
        }
        chosen = variant;
        return true;
    }

    private ForwardVariant variantFor(Problem rank3) {
        ForwardVariant known = chosen;
        return known == null ? rule.choose(rank3, session.device()) : known;
    }

    @Override
    public String describe(Problem problem) {
        Problem rank3 = problem.asRank3();
        Substitute oracle = owned.substitute;
        if (oracle != null) {
            return oracle.describe() + ", because no kernel computes this layer right here";
        }
        ForwardVariant variant = variantFor(rank3);
        String tuned = variant instanceof RetiledVariant retiled && retiled.tuned() ? " (tuned)" : "";
        return variant.name() + variant.constants() + variant.tileFor(rank3).constants() + tuned;
    }

    @Override
    public long workspaceBytes(Problem problem) {
        Problem rank3 = problem.asRank3();
        return variantFor(rank3).tileFor(rank3).stagedFloats(rank3) * Float.BYTES;
    }

    @Override
    public void close() {
        lifetime.close();
    }
}
