package io.github.tconv.opencl;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Backend.PreparedLayer;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/** A layer on those of several devices that have computed with it, and what the others will need. Thread-safe. */
final class SharedLayer implements PreparedLayer {
    private final Members members;
    private final Sharing sharing;
    private final Parts direction;
    private final TransposedConvolution layer;
    private final Tensor weight;
    private final @Nullable Tensor bias;
    private final Activation activation;
    private final Map<Member, PreparedForward> prepared = new ConcurrentHashMap<>();
    /** Null before the first call. */
    private volatile @Nullable Agreement agreed;

    SharedLayer(
            Members members,
            Sharing sharing,
            Parts direction,
            TransposedConvolution layer,
            Tensor weight,
            @Nullable Tensor bias,
            Activation activation) {
        this.members = members;
        this.sharing = sharing;
        this.direction = direction;
        this.layer = layer;
        this.weight = weight.copy();
        this.bias = bias == null ? null : bias.copy();
        this.activation = activation.slopes() instanceof Tensor slopes ? Activation.prelu(slopes.copy()) : activation;
        members.onOne(this::on);
    }

    /** Returns the layer on one device, prepared there now if it is not yet. */
    private PreparedForward on(Member member) {
        PreparedForward there = prepared.computeIfAbsent(
                member, any -> member.backend().prepare(direction, layer, weight, bias, activation));
        Agreement agreement = agreed;
        ForwardVariant variant = agreement == null ? null : agreement.variantOn(member);
        if (variant != null) {
            there.follow(variant);
        }
        return there;
    }

    @Override
    public void forward(Problem problem, Operand input, @Nullable Operand residual, Operand output) {
        Agreement known = agreed;
        Agreement agreement = known == null ? agree(problem, residual != null) : known;
        if (SharedBackend.isOnDevice(input) || SharedBackend.isOnDevice(residual) || SharedBackend.isOnDevice(output)) {
            on(members.first()).forward(problem, input, residual, output);
        } else if (agreement.isOnPlainJava()) {
            members.onOne(member -> {
                on(member).forward(problem, input, residual, output);
                return output;
            });
        } else {
            sharing.compute(
                    problem,
                    (Tensor) input,
                    (Tensor) residual,
                    (Tensor) output,
                    agreement.takers(residual != null),
                    (member, part, from, added, to) -> on(member).forward(part, from, added, to));
        }
    }

    private synchronized Agreement agree(Problem problem, boolean hasResidual) {
        Agreement known = agreed;
        if (known == null) {
            Witness.Subject subject = new Witness.Subject(direction, layer, bias != null, activation);
            known = members.onOne(member ->
                    new Agreement(members, member, subject, on(member).settle(problem, hasResidual), problem));
            agreed = known;
        }
        return known;
    }

    @Override
    public String describe(Problem problem) {
        return members.onOne(this::on).describe(problem);
    }

    @Override
    public long workspaceBytes(Problem problem) {
        return members.onOne(this::on).workspaceBytes(problem);
    }

    @Override
    public void close() {
        prepared.values().forEach(PreparedForward::close);
    }
}
