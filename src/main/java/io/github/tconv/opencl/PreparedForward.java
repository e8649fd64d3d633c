package io.github.tconv.opencl;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Backend.PreparedLayer;
import io.github.tconv.op.DeviceException;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Problem;
import io.github.tconv.op.TransposedConvolution;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * A layer whose weight, bias and slopes are on the device, for the life of this object or of the session.
 *
 * <p>The first call compiles the tile that suits its size and packs the weight. A later call of another size takes its
 * own tile if that is compiled already, otherwise one that is, while its own is compiled in the background: no call but
 * the first waits for a compiler, and the bits are the same whichever tile it was.
 */
final class PreparedForward implements PreparedLayer {
    private final Session session;
    private final ForwardRule rule;
    private final String constants;
    private final boolean copied;
    private final Activation activation;
    private final @Nullable DeviceBuffer bias;
    private final @Nullable DeviceBuffer slopes;

    /** The weight as the layer has it until the first call, then as that call's variant packs it. */
    private volatile DeviceBuffer weight;

    private volatile @Nullable ForwardVariant chosen;

    /** A compiled tile for calls without and with a residual, of whatever size came first. */
    private final Map<Boolean, Launch> substitutes = new ConcurrentHashMap<>();

    private volatile @Nullable Launch last;

    private final AtomicBoolean closed = new AtomicBoolean();

    /** Made once, not for every call. */
    private final Parts.Whole whole = this::whole;

    /** A tile compiled for one size, best if it is that size's own, and all that a call with it needs. */
    private static final class Launch {
        final Problem problem;
        final boolean hasResidual;
        final ForwardVariant.Tile tile;
        final Program program;
        final boolean best;
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
                boolean best) {
            Problem rank3 = problem.asRank3();
            this.problem = problem;
            this.hasResidual = hasResidual;
            this.tile = tile;
            this.program = program;
            this.best = best;
            sizes = LayerConstants.sizes(rank3);
            kernel = variant.name();
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
     * Brings a layer to the device.
     *
     * @param copy whether the tensors are copied, or used in place where the device can, until this is closed
     */
    PreparedForward(
            Session session,
            TransposedConvolution layer,
            Operand weight,
            @Nullable Operand bias,
            Activation activation,
            ForwardRule rule,
            boolean copy) {
        this.session = session;
        this.activation = activation;
        this.copied = copy;
        this.rule = rule;
        this.constants = LayerConstants.of(layer.asRank3());
        this.weight = session.keep(weight, copy);
        DeviceBuffer keptBias = null;
        try {
            keptBias = bias == null ? null : session.keep(bias, copy);
            this.slopes = activation.slopes() == null ? null : session.keep(activation.slopes(), copy);
        } catch (DeviceException e) {
            session.release(this.weight);
            if (keptBias != null) {
                session.release(keptBias);
            }
            throw e;
        }
        this.bias = keptBias;
    }

    @Override
    public void forward(Problem problem, Operand input, @Nullable Operand residual, Operand output) {
        Parts.FORWARD.compute(session.device(), problem, input, residual, output, whole);
    }

    private void whole(Problem problem, Operand input, @Nullable Operand residual, Operand output) {
        Launch launch = last;
        if (launch == null || !launch.best || !launch.isFor(problem, residual != null)) {
            launch = plan(problem, residual != null);
            last = launch;
        }
        try (Call call = session.call()) {
            DeviceBuffer x = call.operand(input);
            DeviceBuffer r = call.optional(residual);
            DeviceBuffer y = call.result(output);
            if (launch.stagedFloats > 0) {
                DeviceBuffer staged = call.workspace(launch.stagedFloats);
                try (Kernel kernel = launch.program.kernel(launch.stageKernel)) {
                    kernel.with(x).with(staged).with(launch.sizes).enqueue(session.queue(), launch.stageRange);
                }
                x = staged;
            }
            try (Kernel kernel = launch.program.kernel(launch.kernel)) {
                kernel.with(x)
                        .with(weight)
                        .with(bias == null ? weight : bias)
                        .with(slopes == null ? weight : slopes)
                        .with(r == null ? weight : r)
                        .with(y)
                        .with(launch.sizes)
                        .enqueue(session.queue(), launch.range);
            }
            call.complete(launch.program);
        }
    }

    private Launch plan(Problem problem, boolean hasResidual) {
        Problem rank3 = problem.asRank3();
        ForwardVariant known = chosen;
        ForwardVariant variant = known == null ? rule.choose(rank3, session.device()) : known;
        ForwardVariant.Tile own = variant.tileFor(rank3);
        String options = options(variant, own, hasResidual);
        Optional<Program> ready = session.programs().ready(variant.sources(), options);
        Launch substitute = substitutes.get(hasResidual);
        if (ready.isEmpty() && substitute != null) {
            session.programs().prefetch(variant.sources(), options);
            return new Launch(problem, hasResidual, variant, substitute.tile, substitute.program, /* best= */ false);
        }
        Program program = ready.orElseGet(() -> session.programs().get(variant.sources(), options));
        if (known == null && !choose(variant, program)) {
            // Another thread's first call had another size, and its variant packed the weight.
            return plan(problem, hasResidual);
        }
        Launch launch = new Launch(problem, hasResidual, variant, own, program, /* best= */ true);
        substitutes.putIfAbsent(hasResidual, launch);
        return launch;
    }

    private String options(ForwardVariant variant, ForwardVariant.Tile tile, boolean hasResidual) {
        return LayerConstants.withEpilogue(constants, bias != null, hasResidual, activation)
                + variant.constants()
                + tile.constants();
    }

    /** Settles on a variant and has it pack the weight; false if another was faster. */
    private synchronized boolean choose(ForwardVariant variant, Program program) {
        if (chosen != null) {
            return false;
        }
        if (variant.packedFloats() > 0) {
            DeviceBuffer raw = weight;
            DeviceBuffer target = copied
                    ? session.keep(variant.packedFloats())
                    : session.keep(session.borrow(variant.packedFloats()));
            try (Call call = session.call();
                    Kernel kernel = program.kernel(variant.name() + "_pack")) {
                kernel.with(raw).with(target).enqueue(session.queue(), NdRange.exactly(variant.packedFloats()));
                call.complete();
            } catch (RuntimeException e) {
                session.release(target);
                throw e;
            }
            weight = target;
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
        if (closed.compareAndSet(false, true)) {
            session.release(weight);
            if (bias != null) {
                session.release(bias);
            }
            if (slopes != null) {
                session.release(slopes);
            }
        }
    }
}
