package io.github.tconv.op;

import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.Provide;
import net.jqwik.api.domains.DomainContextBase;

/** Random layers and problems, small enough that each operation has some thousand products. */
public final class Layers extends DomainContextBase {

    /** One axis with its input size. */
    private record Sized(Axis axis, int size) {}

    /** Any axis: padding of either sign at either end, output padding up to its limit. */
    @Provide
    public Arbitrary<Axis> axes() {
        Arbitrary<Integer> kernel = Arbitraries.integers().between(1, 4);
        Arbitrary<Integer> stride = Arbitraries.integers().between(1, 4);
        Arbitrary<Integer> dilation = Arbitraries.integers().between(1, 3);
        Arbitrary<Integer> pad = Arbitraries.integers().between(-2, 4);
        Arbitrary<Integer> share = Arbitraries.integers().between(0, 3);
        return Combinators.combine(kernel, stride, dilation, pad, pad, share)
                .as((k, s, d, begin, end, o) -> new Axis(k, s, d, begin, end, o % Math.max(s, d)));
    }

    private Arbitrary<Sized> sized(int most) {
        return Combinators.combine(axes(), Arbitraries.integers().between(1, most))
                .as(Sized::new)
                .filter(sized -> sized.axis.outputSize(sized.size) >= 1);
    }

    /** Any problem of rank 1 to 3. */
    @Provide
    public Arbitrary<Problem> problems() {
        return Arbitraries.integers().between(1, 3).flatMap(rank -> {
            int mostInput = List.of(9, 5, 3).get(rank - 1);
            Arbitrary<List<Sized>> spatial = sized(mostInput).list().ofSize(rank);
            Arbitrary<Integer> few = Arbitraries.integers().between(1, 2);
            Arbitrary<Integer> groups = Arbitraries.integers().between(1, 3);
            return Combinators.combine(spatial, few, few, few, groups).as((sized, batch, in, out, g) -> {
                List<Axis> axes = sized.stream().map(Sized::axis).toList();
                int[] size = sized.stream().mapToInt(Sized::size).toArray();
                return new TransposedConvolution(in * g, out * g, g, axes).problem(batch, size);
            });
        });
    }

    /** The same layer without output padding: what a convolution has no use for. */
    static TransposedConvolution withoutOutputPadding(TransposedConvolution layer) {
        return new TransposedConvolution(
                layer.inChannels(),
                layer.outChannels(),
                layer.groups(),
                layer.axes().stream().map(axis -> axis.withOutputPadding(0)).toList());
    }

    static int[] inputSizes(Problem problem) {
        return IntStream.range(0, problem.layer().rank())
                .map(problem::inputSize)
                .toArray();
    }

    static int[] outputSizes(Problem problem) {
        return IntStream.range(0, problem.layer().rank())
                .map(problem::outputSize)
                .toArray();
    }

    /** What a call gave, or that it was refused. */
    static <T> Optional<T> unlessRefused(java.util.function.Supplier<T> call) {
        try {
            return Optional.of(call.get());
        } catch (IllegalArgumentException refused) {
            return Optional.empty();
        }
    }
}
