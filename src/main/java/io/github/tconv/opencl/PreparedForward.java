package io.github.tconv.opencl;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Backend.PreparedLayer;
import io.github.tconv.op.DeviceException;
import io.github.tconv.op.Lifetime;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Problem;
import io.github.tconv.op.TransposedConvolution;
import java.lang.ref.Reference;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * A layer whose weight, bias and slopes are on the device, for the life of this object or of the session.
 *
 * <p>The first call compiles the tile that suits its size and packs the weight. A later call of another size takes its
 * own tile if that is compiled already, otherwise one that is, while its own is compiled in the background: no call but
 * the first waits for a compiler, and the bits are the same whichever tile it was.
 */
final class PreparedForward implements PreparedLayer {
    /** Enough for Java to compile what plans. */
    private static final int REHEARSALS = 1000;

    private static final int REHEARSED_SIZES = 64;
    /** The kinds of variants for which it has. */
    private static final Set<String> REHEARSED = ConcurrentHashMap.newKeySet();

    private final Session session;
    private final Parts direction;
    private final boolean copied;
    private final LayerMemory memory;
    private final LayerPrograms programs;
    private final VariantChoice choice;
    private final ReadyTiles tiles;
    private final Lifetime lifetime;

    /** Of a layer that lives for one call; null where the caller keeps it. */
    private @Nullable Launches launches;

    private volatile @Nullable Launch last;
    /** For the sizes that came so far; null in a layer that lives for one call. */
    private final @Nullable Remembered<Launch> planned;

    /** Made once, not for every call. */
    private final Parts.Whole whole = this::whole;

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
        TransposedConvolution rank3 = layer.asRank3();
        this.session = session;
        this.direction = direction;
        this.copied = copy;
        this.planned = copy ? new Remembered<>() : null;
        LayerMemory memory = new LayerMemory(session, weight, bias, activation.slopes(), copy);
        VariantChoice choice = new VariantChoice(session, rank3, activation, direction, rule, selfCheck, memory);
        this.memory = memory;
        this.choice = choice;
        this.lifetime = new Lifetime(
                this,
                "a prepared layer, " + layer,
                copy ? Lifetime.Frequency.RARE : Lifetime.Frequency.OFTEN,
                memory::isHeld,
                choice::free);
        this.programs = new LayerPrograms(session, rank3, bias != null, activation, direction, selfCheck);
        this.tiles = new ReadyTiles(session, programs, memory, direction, lifetime::isOpen);
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
            if (!choice.isMade()) {
                last = launch(problem, hasResidual);
            }
            return choice.variant();
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /** Has this compute by the variant that another device settled on, and by no other: for the same bits. */
    void follow(ForwardVariant variant) {
        choice.follow(variant);
    }

    /** The local memory that a work-group of the last call's kernel took, in bytes; 0 before the first call. */
    long localBytes() {
        Launch launch = last;
        return launch == null ? 0 : launch.localBytes(session.device());
    }

    private void whole(Problem problem, Operand input, @Nullable Operand residual, Operand output) {
        Launch launch = last;
        if (launch == null || tiles.outdate(launch) || !launch.isFor(problem, residual != null)) {
            launch = choice.substitute() == null ? launch(problem, residual != null) : null;
            last = launch;
        }
        Substitute oracle = choice.substitute();
        if (launch == null || oracle != null) {
            Objects.requireNonNull(oracle).forward(problem.asRank3(), input, residual, output);
            return;
        }
        try (Call call = session.call()) {
            DeviceBuffer x = call.operand(input);
            DeviceBuffer r = call.optional(residual);
            DeviceBuffer y = call.result(output);
            DeviceBuffer staged = launch.stagedFloats() == 0 ? null : call.workspace(launch.stagedFloats());
            launch.enqueue(session.queue(), memory.buffers(), x, staged, r, y);
            call.complete(launch.program());
        }
        Recipe better = launch.better();
        if (better != null) {
            tiles.want(better, problem);
        }
    }

    /** As {@link #plan}, but sizes that come again are not planned again, unless there is a tile more to choose from. */
    private @Nullable Launch launch(Problem problem, boolean hasResidual) {
        if (planned == null) {
            return plan(problem, hasResidual);
        }
        Launch known = planned.get(problem);
        if (known != null && known.isFor(problem, hasResidual) && !tiles.outdate(known)) {
            return known;
        }
        Launch launch = plan(problem, hasResidual);
        if (launch != null) {
            planned.put(problem, launch);
        }
        return launch;
    }

    /** Returns how to launch a call; null where no kernel computes right and the oracle takes its place. */
    private @Nullable Launch plan(Problem problem, boolean hasResidual) {
        ForwardVariant variant = choice.variant();
        return variant == null ? planFirst(problem, hasResidual) : plan(problem, hasResidual, variant);
    }

    /** Takes the size's own tile where its program is there, otherwise one that is, if there is any. */
    private Launch plan(Problem problem, boolean hasResidual, ForwardVariant variant) {
        Problem rank3 = problem.asRank3();
        Recipe own = programs.recipe(variant, rank3, hasResidual);
        Optional<Program> ready = programs.ready(own);
        int outOf = tiles.count();
        Launch other = tiles.nearest(rank3, own);
        if (ready.isEmpty() && other != null && !other.recipe().options().equals(own.options())) {
            return new Launch(problem, other.recipe(), other.program(), own, outOf);
        }
        Program program = ready.orElseGet(() -> programs.get(own));
        if (programs.passes(own, program)) {
            Launch launch = new Launch(problem, own, program);
            tiles.add(launch);
            return launch;
        }
        if (other == null) {
            throw new DeviceException("no kernel is left: the weight is packed for %s, and that computes wrong (%s)"
                    .formatted(variant.name(), session.device()));
        }
        return new Launch(problem, other.recipe(), other.program());
    }

    /** Does for nothing what the first call with a new size does, once for each kind of variant: Java compiles it meanwhile. */
    private void rehearse(Launch first) {
        ForwardVariant variant = first.recipe().variant();
        if (!REHEARSED.add(variant.name())) {
            return;
        }
        Problem problem = first.problem();
        for (int i = 0; i < REHEARSALS; i++) {
            int more = 1 + i % REHEARSED_SIZES;
            int[] size = IntStream.range(0, problem.layer().rank())
                    .map(axis -> problem.inputSize(axis) + more)
                    .toArray();
            Problem other = problem.layer().problem(problem.batch(), size);
            // Asked as a call asks: the first comparison of two problems is slow, too.
            if (planned != null && !first.isFor(other, false) && planned.get(other) == null) {
                // Nothing is compiled: until a size's own tile is there, the first one stands in for it.
                plan(other, first.recipe().hasResidual(), variant);
            }
        }
        tiles.rehearse(first);
        session.rehearse(REHEARSALS);
    }

    /** Settles on the first variant that proves itself, in the end on the oracle. */
    private @Nullable Launch planFirst(Problem problem, boolean hasResidual) {
        Problem rank3 = problem.asRank3();
        Remembered<Launch> remembered = launches == null || choice.followed() != null || hasResidual
                ? null
                : launches.of(memory.buffers().bias() != null);
        Launch known = remembered == null ? null : remembered.get(problem);
        if (known != null && choice.choose(known.recipe().variant(), known.program())) {
            return known;
        }
        for (ForwardVariant variant : choice.alternatives(rank3)) {
            Recipe own = programs.recipe(variant, rank3, hasResidual);
            try {
                Program program = programs.get(own);
                if (programs.passes(own, program)) {
                    if (!choice.choose(variant, program)) {
                        // Another thread's first call had another size, and its variant packed the weight.
                        return plan(problem, hasResidual);
                    }
                    Launch launch = new Launch(problem, own, program);
                    tiles.add(launch);
                    if (remembered != null) {
                        remembered.put(problem, launch);
                    }
                    if (copied) {
                        if (!REHEARSED.contains(variant.name())) {
                            // Until then this is reachable, so that the collector finds a leak later.
                            session.programs().later(lifetime::isOpen, () -> rehearse(launch));
                        }
                        tiles.prefetchOthers(launch);
                    }
                    return launch;
                }
            } catch (DeviceException e) {
                if (choice.followed() != null || !programs.skips(own, e)) {
                    throw e;
                }
            }
        }
        ForwardVariant followed = choice.followed();
        if (followed != null) {
            throw new DeviceException("the variant of the other devices, %s, computes wrong (%s)"
                    .formatted(followed.name(), session.device()));
        }
        return choice.chooseOracle() ? null : plan(problem, hasResidual);
    }

    @Override
    public String describe(Problem problem) {
        Problem rank3 = problem.asRank3();
        Substitute oracle = choice.substitute();
        if (oracle != null) {
            return oracle.describe() + ", because no kernel computes this layer right here";
        }
        ForwardVariant variant = choice.variantFor(rank3);
        String tuned = variant instanceof RetiledVariant retiled && retiled.tuned() ? " (tuned)" : "";
        return variant.name() + variant.constants() + variant.tileFor(rank3).constants() + tuned;
    }

    @Override
    public long workspaceBytes(Problem problem) {
        Problem rank3 = problem.asRank3();
        return choice.variantFor(rank3).tileFor(rank3).stagedFloats(rank3) * Float.BYTES;
    }

    @Override
    public void close() {
        lifetime.close();
    }
}
