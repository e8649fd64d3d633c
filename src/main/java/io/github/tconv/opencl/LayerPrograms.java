package io.github.tconv.opencl;

import io.github.tconv.op.Activation;
import io.github.tconv.op.DeviceException;
import io.github.tconv.op.Problem;
import io.github.tconv.op.TransposedConvolution;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/** The programs of one layer: what they are compiled from, and whether they compute right. Thread-safe. */
final class LayerPrograms {
    private final Session session;
    private final TransposedConvolution layer;
    private final boolean hasBias;
    private final Activation activation;
    private final Parts direction;
    private final SelfCheck selfCheck;

    /** What all tiles of a variant have in common, made once: a size that comes back asks for it again. */
    private final Map<ForwardVariant, String> commonOptions = new ConcurrentHashMap<>();

    private final Map<ForwardVariant, String> residualOptions = new ConcurrentHashMap<>();

    /**
     * Knows the programs of a layer.
     *
     * @param session where they run
     * @param layer of rank 3
     * @param hasBias whether the programs add one
     * @param activation what they apply
     * @param direction whether they compute the layer or its adjoint convolution
     * @param selfCheck what is asked before a program's first use
     */
    LayerPrograms(
            Session session,
            TransposedConvolution layer,
            boolean hasBias,
            Activation activation,
            Parts direction,
            SelfCheck selfCheck) {
        this.session = session;
        this.layer = layer;
        this.hasBias = hasBias;
        this.activation = activation;
        this.direction = direction;
        this.selfCheck = selfCheck;
    }

    /** Returns how a variant computes a problem of the layer, of rank 3. */
    Recipe recipe(ForwardVariant variant, Problem rank3, boolean hasResidual) {
        ForwardVariant.Tile tile = variant.tileFor(rank3);
        Map<ForwardVariant, String> known = hasResidual ? residualOptions : commonOptions;
        String common = known.computeIfAbsent(variant, any -> options(any, hasResidual));
        return new Recipe(variant, tile, hasResidual, common + tile.constants());
    }

    private String options(ForwardVariant variant, boolean hasResidual) {
        String constants = LayerConstants.of(variant.computed(layer));
        return LayerConstants.withEpilogue(constants, hasBias, hasResidual, activation) + variant.constants();
    }

    /** Returns a program, compiling it or waiting for its compilation where it is not there yet. */
    Program get(Recipe recipe) {
        return session.programs().get(recipe.variant().sources(), recipe.options());
    }

    /** Returns a program that is there, has run and was tried, so that no call has to wait for it. */
    Optional<Program> ready(Recipe recipe) {
        return session.programs()
                .ready(recipe.variant().sources(), recipe.options())
                .filter(selfCheck::hasVerdict);
    }

    /** Tells whether a program computes right, trying it if nobody has. */
    boolean passes(Recipe recipe, Program program) {
        return selfCheck.passes(
                program,
                recipe.variant().name(),
                new LayerTrial(session, layer, recipe, hasBias, activation, direction));
    }

    /** Says that a recipe is not used, whose program failed; false where no other may take its place. */
    boolean skips(Recipe recipe, DeviceException failure) {
        if (!selfCheck.forgives(failure)) {
            return false;
        }
        selfCheck.skipped(
                recipe.options(), recipe.variant().name(), "fails: " + failure.getMessage(), recipe.options());
        return true;
    }
}
