package io.github.tconv.opencl;

import io.github.tconv.op.DeviceException;
import io.github.tconv.op.Problem;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * By which variant a layer is computed, and which devices do so with the same bits. Devices of one kind do. One of another
 * kind has to show it: by one tile of the variant, which it computes by from then on, it computes a {@link Witness} of the
 * layer, and one bit that differs, or a failure, leaves it without a share of this layer. Thread-safe.
 */
final class Agreement {
    private static final System.Logger LOG = System.getLogger(Agreement.class.getName());

    private final Members members;
    private final Member decider;
    private final Witness.Subject subject;
    private final @Nullable ForwardVariant variant;
    /** The variant with the tile that proves itself. */
    private final @Nullable ForwardVariant pinned;

    /** By whether there is a residual, which makes another program. */
    private final Map<Boolean, List<Member>> takers = new ConcurrentHashMap<>();

    /**
     * Agrees on what one device settled on.
     *
     * @param decider the device
     * @param subject what its programs have in common
     * @param settled its variant, or null where plain Java computes
     * @param problem for which it settled
     */
    Agreement(
            Members members,
            Member decider,
            Witness.Subject subject,
            @Nullable ForwardVariant settled,
            Problem problem) {
        this.members = members;
        this.decider = decider;
        this.subject = subject;
        variant = settled;
        pinned = settled == null ? null : RetiledVariant.always(settled, settled.tileFor(problem.asRank3()));
    }

    /** Whether there is no variant, because plain Java computes. */
    boolean isOnPlainJava() {
        return variant == null;
    }

    /** The variant by which a device computes, or null where plain Java does. */
    @Nullable
    ForwardVariant variantOn(Member member) {
        return member.isOfKindOf(decider) ? variant : pinned;
    }

    /** The devices that may have a share. The first time, those of other kinds compute the witness, all at once. */
    List<Member> takers(boolean hasResidual) {
        List<Member> known = takers.get(hasResidual);
        return known == null ? takers.computeIfAbsent(hasResidual, this::prove) : known;
    }

    private List<Member> prove(boolean hasResidual) {
        List<Member> same = members.all().stream().filter(decider::isOfKindOf).toList();
        List<Member> others = members.all().stream()
                .filter(member -> !same.contains(member) && !member.leftOut())
                .toList();
        Optional<Member> model =
                same.stream().filter(member -> !member.leftOut()).findFirst();
        if (others.isEmpty() || model.isEmpty() || pinned == null) {
            return same;
        }
        Witness witness;
        try {
            witness = Witness.of(subject, hasResidual, model.get().backend(), pinned);
        } catch (DeviceException e) {
            LOG.log(
                    System.Logger.Level.WARNING,
                    "devices of other kinds take no share of {0}, of which {1} computes no example: {2}",
                    subject.layer(),
                    model.get().describe(),
                    e.getMessage());
            return same;
        }
        List<Member> like = new ArrayList<>(same);
        ForwardVariant tile = pinned;
        Map<Member, CompletableFuture<Optional<String>>> verdicts = new LinkedHashMap<>();
        others.forEach(member -> verdicts.put(
                member,
                CompletableFuture.supplyAsync(() -> witness.difference(member.backend(), tile), member.thread())));
        verdicts.forEach((member, verdict) -> verdict.join()
                .ifPresentOrElse(
                        why -> LOG.log(
                                System.Logger.Level.WARNING,
                                "{0} takes no share of {1} by {2}, which {3} decides: {4}",
                                member.describe(),
                                subject.layer(),
                                tile.name(),
                                decider.describe(),
                                why),
                        () -> like.add(member)));
        return List.copyOf(like);
    }
}
