package io.github.tconv.op;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Optional;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.domains.Domain;
import net.jqwik.api.domains.DomainContext;

/** How sizes, padding and names go over into each other and back. */
@Domain(Layers.class)
@Domain(DomainContext.Global.class)
class ShapeAlgebraTest {
    @Property
    void aDescriptorReadsBack(@ForAll Problem problem) {
        assertEquals(problem, Problem.parse(problem.toString()));
        assertEquals(problem.toString(), Problem.parse(problem.toString()).toString());
        TransposedConvolution layer = problem.layer();
        assertEquals(layer, TransposedConvolution.parse(layer.toString()));
    }

    @Property
    void theOutputSizeIsWhereTheLastTapOfTheLastElementLiesWithinThePadding(
            @ForAll Axis axis, @ForAll @IntRange(min = 1, max = 100) int size) {
        long last = (size - 1L) * axis.stride() + (axis.kernel() - 1L) * axis.dilation();
        assertEquals(last + 1 - axis.padBegin() - axis.padEnd() + axis.outputPadding(), axis.outputSize(size));
    }

    /** The two size rules are a Galois connection: in &lt;= inputSize(out) exactly where outputSize(in) &lt;= out. */
    @Property
    void theInputSizeIsTheLargestWhoseOutputIsNotLonger(
            @ForAll Axis axis, @ForAll @IntRange(max = 60) int in, @ForAll @IntRange(max = 200) int out) {
        assertEquals(in <= axis.inputSize(out), axis.outputSize(in) <= out);
    }

    @Property
    void theLayerFindsTheInputSizeOfTheOutputItMakes(@ForAll Problem problem) {
        assertEquals(problem, problem.layer().problemMaking(problem.batch(), Layers.outputSizes(problem)));
        int[] longer = Layers.outputSizes(problem);
        longer[0]++;
        Optional<Problem> made = Layers.unlessRefused(() -> problem.layer().problemMaking(1, longer));
        assertEquals(problem.layer().axes().get(0).stride() == 1, made.isPresent());
    }

    @Property
    void outputPaddingIsFoundFromTheOutputSize(@ForAll Problem problem) {
        TransposedConvolution plain = Layers.withoutOutputPadding(problem.layer());
        int[] in = Layers.inputSizes(problem);
        int[] out = Layers.outputSizes(problem);
        assertEquals(problem.layer(), plain.withOutputSize(in, out));
        assertEquals(problem.layer(), problem.layer().withOutputSize(in, out));
        assertEquals(problem, plain.problemBetween(problem.batch(), in, out));
    }

    @Property
    void anOutputSizeBeyondReachIsRefused(@ForAll Problem problem) {
        Axis axis = problem.layer().axes().get(0);
        int[] in = Layers.inputSizes(problem);
        int[] out = Layers.outputSizes(problem);
        out[0] += Math.max(axis.stride(), axis.dilation()) - axis.outputPadding();
        assertThrows(IllegalArgumentException.class, () -> problem.layer().withOutputSize(in, out));
    }

    @Property
    void anOutputShapeIsMadeExactlyAlsoBeyondTheNaturalSize(
            @ForAll Problem problem,
            @ForAll AutoPad autoPad,
            @ForAll @IntRange(min = 1, max = 60) int first,
            @ForAll @IntRange(min = 1, max = 60) int others) {
        int[] in = Layers.inputSizes(problem);
        int[] wanted = new int[in.length];
        Arrays.fill(wanted, others);
        wanted[0] = first;
        TransposedConvolution layer = problem.layer().withOutputShape(in, wanted, autoPad);
        assertArrayEquals(wanted, Layers.outputSizes(layer.problem(1, in)));
        for (int a = 0; a < wanted.length; a++) {
            Axis axis = layer.axes().get(a);
            long natural = axis.withPadding(0, 0).outputSize(in[a]);
            long surplus = Math.floorMod(natural - wanted[a], 2);
            // The odd element is cut off, or added where the output is beyond natural, at the end for SAME_UPPER only.
            long sign = natural >= wanted[a] ? 1 : -1;
            long expected = autoPad == AutoPad.SAME_UPPER ? sign * surplus : -sign * surplus;
            assertEquals(expected, axis.padEnd() - axis.padBegin(), layer.toString());
        }
    }

    @Property
    void samePaddingMakesInputTimesStrideWithTheOddElementOnItsSide(
            @ForAll Axis axis, @ForAll @IntRange(min = 1, max = 50) int size) {
        for (AutoPad rule : new AutoPad[] {AutoPad.SAME_UPPER, AutoPad.SAME_LOWER}) {
            Axis same = TransposedConvolution.of1d()
                    .kernel(axis.kernel())
                    .stride(axis.stride())
                    .dilation(axis.dilation())
                    .outputPadding(axis.outputPadding())
                    .autoPad(rule)
                    .build()
                    .axes()
                    .get(0);
            assertEquals((long) size * axis.stride(), same.outputSize(size));
            long total = axis.extent() + axis.outputPadding() - axis.stride();
            long surplus = Math.abs(total % 2) * Long.signum(total);
            assertEquals(
                    rule == AutoPad.SAME_UPPER ? surplus : -surplus,
                    (long) same.padEnd() - same.padBegin(),
                    same.toString());
        }
    }

    @Example
    void samePaddingOfAKernelOfThreeAndStrideTwoIsAtTheEndForUpper() {
        LayerBuilder<TransposedConvolution> layer =
                TransposedConvolution.of1d().kernel(3).stride(2);
        assertEquals(
                "ic1_oc1_k3_s2_e1", layer.autoPad(AutoPad.SAME_UPPER).build().toString());
        assertEquals(
                "ic1_oc1_k3_s2_p1_e0", layer.autoPad(AutoPad.SAME_LOWER).build().toString());
        assertEquals("ic1_oc1_k3_s2", layer.autoPad(AutoPad.VALID).build().toString());
    }

    @Property
    void theAdjointReadsWhatTheLayerWritesAndWritesWhatItReads(@ForAll Problem problem) {
        TransposedConvolution layer = problem.layer();
        Convolution adjoint = layer.adjoint();
        assertEquals(layer, adjoint.adjoint());
        assertEquals(layer.outChannels(), adjoint.inChannels());
        assertEquals(layer.inChannels(), adjoint.outChannels());
        assertArrayEquals(layer.weightShape(), adjoint.weightShape());
        Problem without = Layers.unlessRefused(
                        () -> Layers.withoutOutputPadding(layer).problem(problem.batch(), Layers.inputSizes(problem)))
                .orElse(problem);
        Problem back = without.layer().adjoint().problem(problem.batch(), Layers.outputSizes(without));
        assertTrue(Arrays.equals(without.outputShape(), back.outputShape()));
        if (!without.equals(problem) || layer.equals(Layers.withoutOutputPadding(layer))) {
            assertEquals(without, back);
        }
    }

    /** A convolution's size by PyTorch's formula, whatever output padding its adjoint was made with. */
    @Property
    void aConvolutionHasPyTorchsSize(@ForAll Axis axis, @ForAll @IntRange(min = 1, max = 40) int size) {
        Convolution layer = new TransposedConvolution(1, 1, 1, java.util.List.of(axis)).adjoint();
        int expected = Math.floorDiv(
                        size + axis.padBegin() + axis.padEnd() - axis.dilation() * (axis.kernel() - 1) - 1,
                        axis.stride())
                + 1;
        Optional<Problem> problem = Layers.unlessRefused(() -> layer.problem(1, size));
        assertEquals(expected >= 1, problem.isPresent());
        problem.ifPresent(made -> assertEquals(expected, made.inputSize(0)));
    }
}
