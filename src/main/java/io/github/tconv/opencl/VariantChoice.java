package io.github.tconv.opencl;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Backend;
import io.github.tconv.op.Backend.PreparedLayer;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What computes a layer, settled once for its life: a variant, which has packed the weight, or in the end the oracle.
 * Owns both. Thread-safe.
 */
final class VariantChoice {
    private final Session session;
    private final TransposedConvolution layer;
    private final Activation activation;
    private final Parts direction;
    private final ForwardRule rule;
    private final SelfCheck selfCheck;
    private final LayerMemory memory;

    private volatile @Nullable ForwardVariant chosen;

    /** What the same layer settled on elsewhere: the only variant that this may choose. */
    private volatile @Nullable ForwardVariant followed;

    /** Computes in place of the variants where none of them computes right. */
    private volatile @Nullable Substitute substitute;

    /**
     * Begins undecided.
     *
     * @param session where
     * @param layer of rank 3
     * @param activation applied at the end
     * @param direction whether the layer is computed or its adjoint convolution
     * @param rule what proposes the first variant
     * @param selfCheck has the oracle, and is asked whether there are others than that variant
     * @param memory what is packed, or handed to the oracle
     */
    VariantChoice(
            Session session,
            TransposedConvolution layer,
            Activation activation,
            Parts direction,
            ForwardRule rule,
            SelfCheck selfCheck,
            LayerMemory memory) {
        this.session = session;
        this.layer = layer;
        this.activation = activation;
        this.direction = direction;
        this.rule = rule;
        this.selfCheck = selfCheck;
        this.memory = memory;
    }

    /** Whether it is settled. */
    boolean isMade() {
        return chosen != null || substitute != null;
    }

    /** The variant, or null if none is chosen yet. */
    @Nullable
    ForwardVariant variant() {
        return chosen;
    }

    /** The oracle, or null if it is not chosen. */
    @Nullable
    Substitute substitute() {
        return substitute;
    }

    /** The variant, or what would be chosen for a first problem, of rank 3, if it proves itself. */
    ForwardVariant variantFor(Problem rank3) {
        ForwardVariant known = chosen;
        return known == null ? rule.choose(rank3, session.device()) : known;
    }

    void follow(ForwardVariant variant) {
        followed = variant;
    }

    /** What {@link #follow} was given, or null. */
    @Nullable
    ForwardVariant followed() {
        return followed;
    }

    /**
     * The rule's choice, then one of each other kind that is there, then the plain kernel. Only the first is settled
     * before it is asked for, as the models of all kinds take tens of milliseconds in a young process.
     */
    Iterable<ForwardVariant> alternatives(Problem rank3) {
        ForwardVariant other = followed;
        ForwardVariant first = other == null ? rule.choose(rank3, session.device()) : other;
        if (other != null || !selfCheck.isOn()) {
            return List.of(first);
        }
        return () -> {
            Set<String> names = new HashSet<>();
            return Stream.<Supplier<Stream<ForwardVariant>>>of(() -> Stream.of(first), () -> others(rank3))
                    .flatMap(Supplier::get)
                    .filter(variant -> names.add(variant.name()))
                    .iterator();
        };
    }

    private Stream<ForwardVariant> others(Problem rank3) {
        return switch (direction) {
            case FORWARD ->
                Stream.concat(ForwardCandidates.of(rank3, session.device()).stream(), Stream.of(new PlainVariant()));
            case INPUT_GRADIENT -> Stream.of(PlainVariant.ofInputGradient());
        };
    }

    /** Settles on a variant and has it pack the weight; false if another was faster. */
    synchronized boolean choose(ForwardVariant variant, Program program) {
        if (isMade()) {
            return false;
        }
        memory.pack(variant, program);
        chosen = variant;
        return true;
    }

    /**
     * Hands the layer to the oracle, as it was given: the weight is packed by a variant only, and none was chosen.
     *
     * @return false if a variant was faster
     */
    synchronized boolean chooseOracle() {
        if (!isMade()) {
            Backend oracle = selfCheck.oracle();
            LayerBuffers given = memory.buffers();
            int channels = direction == Parts.FORWARD ? layer.outChannels() : layer.inChannels();
            Tensor w = host(given.weight(), layer.weightShape());
            Tensor b = given.bias() == null ? null : host(given.bias(), channels);
            Activation a = given.slopes() == null ? activation : Activation.prelu(host(given.slopes(), channels));
            PreparedLayer prepared = switch (direction) {
                case FORWARD -> oracle.prepare(layer, w, b, a);
                case INPUT_GRADIENT -> oracle.prepareAdjoint(layer, w, b, a);
            };
            substitute = new Substitute(session, oracle.describe(), prepared);
        }
        return substitute != null;
    }

    private Tensor host(DeviceBuffer buffer, int... shape) {
        Tensor tensor = Tensor.zeros(shape);
        try (Call call = session.call()) {
            session.host().read(buffer, tensor);
            call.complete();
        }
        return tensor;
    }

    void free() {
        memory.free();
        Substitute oracle = substitute;
        if (oracle != null) {
            oracle.close();
        }
    }
}
