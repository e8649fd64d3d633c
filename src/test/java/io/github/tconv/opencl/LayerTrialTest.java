package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import io.github.tconv.reference.ReferenceBackend;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Of a layer with many weights a trial computes the first channels of the result, with the layer's own program. */
@ExtendWith(NoHandleLeft.class)
class LayerTrialTest {
    /** More weights than a trial computes, and channels that fill no block of any variant. */
    private static final List<Problem> LARGE = List.of(
            Problem.parse("n2_ic90_oc610_i5x6_k4x4_s2x2_p1x1"),
            Problem.parse("n2_ic150_oc110_i9_k64_s32_p16"),
            Problem.parse("n2_ic330_oc250_i9_k16_s8_p4"));

    /** The files that define the activation. */
    private static final List<String> STORING = List.of(
            "channels",
            "forward",
            "forward_merged",
            "forward_thin",
            "forward_tile",
            "input_gradient",
            "input_gradient_clane",
            "lanes");

    private final ReferenceBackend oracle = new ReferenceBackend();
    private final KernelSource.Alteration unaltered = KernelSource.alter((file, text) -> text);

    @AfterEach
    void restore() {
        KernelSource.alter(unaltered);
    }

    @Test
    void aLargeLayerIsTriedInPart() {
        for (Device device : TestDevices.usable()) {
            Set<String> tried = new HashSet<>();
            for (Problem problem : LARGE) {
                for (Parts direction : Parts.values()) {
                    for (ForwardVariant variant : ofEachKind(problem.asRank3(), device, direction)) {
                        if (difference(device, problem.asRank3(), variant, direction)) {
                            tried.add(variant.name());
                        }
                    }
                }
            }
            if (device.hostMemory() == Device.HostMemory.SAME) {
                assertEquals(
                        Set.of(
                                "clane",
                                "winograd",
                                "minimal",
                                "phaselane",
                                "input_gradient_clane",
                                "input_gradient_winograd"),
                        tried);
            }
        }
    }

    private static List<ForwardVariant> ofEachKind(Problem rank3, Device device, Parts direction) {
        List<ForwardVariant> variants = new ArrayList<>();
        if (direction == Parts.FORWARD) {
            LayerShape layer = LayerShape.of(rank3.layer());
            Processor processor = Processor.of(device);
            if (device.hostMemory() == Device.HostMemory.SAME && MinimalVariant.fits(layer, processor)) {
                // The rule's may compute all channels together.
                variants.add(new MinimalVariant(layer, processor, 16, 8, 32));
            }
            variants.addAll(ForwardCandidates.of(rank3, device));
        } else if (device.hostMemory() == Device.HostMemory.SAME) {
            GradientVariantTest.inputGradientRules().values().forEach(rule -> variants.add(rule.choose(rank3, device)));
        }
        Set<String> names = new HashSet<>();
        variants.removeIf(variant -> !names.add(variant.name()));
        return variants;
    }

    /** Sound, it differs in nothing; broken, in something. Returns whether only some channels were computed. */
    private boolean difference(Device device, Problem rank3, ForwardVariant variant, Parts direction) {
        KernelSource.alter(unaltered);
        assertEquals("", tried(device, rank3, variant, direction).orElse(""), () -> variant.name() + " for " + rank3);
        SelfCheckTest.breakStores(STORING);
        String found = tried(device, rank3, variant, direction).orElse("");
        assertTrue(found.contains("expected "), () -> variant.name() + " for " + rank3 + ": " + found);
        TransposedConvolution layer = rank3.layer();
        String all = direction == Parts.FORWARD
                ? "_oc%d_".formatted(layer.outChannels())
                : "ic%d_".formatted(layer.inChannels());
        return !found.contains(all);
    }

    private Optional<String> tried(Device device, Problem rank3, ForwardVariant variant, Parts direction) {
        try (Session session = new Session(device)) {
            Activation slopes = Activation.prelu(Tensor.zeros(direction.writtenShape(rank3)[1]));
            LayerPrograms programs = new LayerPrograms(session, rank3.layer(), true, slopes, direction, SelfCheck.OFF);
            Recipe recipe = programs.recipe(variant, rank3, /* hasResidual= */ true);
            return new LayerTrial(session, rank3.layer(), recipe, true, slopes, direction).difference(oracle);
        }
    }

    @Test
    void aLargeGradientByTheWeightIsTriedInPart() {
        Problem rank3 = Problem.parse("n2_ic5000_oc8_i5x6_k4x4_s2x2_p1x1").asRank3();
        for (Device device : TestDevices.usable()) {
            if (device.hostMemory() != Device.HostMemory.SAME) {
                continue;
            }
            Map<String, WeightGradientRule> rules = GradientVariantTest.weightGradientRules();
            rules.forEach((name, rule) -> {
                WeightGradientVariant variant = rule.choose(rank3, device);
                KernelSource.alter(unaltered);
                assertEquals("", tried(device, rank3, variant).orElse(""), name);
                if (!name.equals("panels")) {
                    // Which has none of what is broken.
                    SelfCheckTest.breakSums(List.of(variant.name()));
                    String found = tried(device, rank3, variant).orElse("");
                    assertTrue(found.contains("expected "), () -> name + ": " + found);
                    assertFalse(found.contains("ic5000_"), found);
                }
            });
        }
    }

    private Optional<String> tried(Device device, Problem rank3, WeightGradientVariant variant) {
        try (Session session = new Session(device)) {
            Program program = session.programs().get(variant.sources(), WeightGradientLaunch.options(rank3, variant));
            return new WeightGradientTrial(session, rank3.layer(), variant, program).difference(oracle);
        }
    }
}
