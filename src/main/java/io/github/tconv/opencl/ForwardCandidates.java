package io.github.tconv.opencl;

import io.github.tconv.op.Problem;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** What could compute a layer on a device: of every kind of variant those that are worth measuring. */
final class ForwardCandidates {
    /** A kind of variant. */
    @FunctionalInterface
    private interface Kind {
        /** Returns variants of this kind, what its own model prefers first; none where the kind is of no use. */
        List<? extends ForwardVariant> candidates(Problem problem, Device device);
    }

    /** A kind of variant for processors. */
    @FunctionalInterface
    private interface ProcessorKind {
        List<? extends ForwardVariant> candidates(Problem problem, Processor processor);
    }

    /** Work up to which the plain kernel is worth a try, in operations: a yardstick, and now and then the fastest. */
    private static final double PLAIN_FLOPS = 2e7;

    /** A new kind joins with a line here. Those that are tried first when another fails stand first. */
    private static final List<Kind> KINDS = List.of(
            onProcessors(ChannelLaneVariant::candidates),
            onProcessors(WinogradVariant::candidates),
            onProcessors(MinimalVariant::candidates),
            onProcessors(XLaneVariant::candidates),
            onProcessors(PhaseLaneVariant::candidates),
            ForwardCandidates::onGpus,
            ForwardCandidates::plain);

    private ForwardCandidates() {}

    /**
     * Returns the variants worth measuring for a layer.
     *
     * @param problem the first problem of its layer, of rank 3
     * @param device where it is to run
     * @return variants of different names or constants: the first of every kind, then the second of every kind, and so on
     */
    static List<ForwardVariant> of(Problem problem, Device device) {
        List<? extends List<? extends ForwardVariant>> kinds =
                KINDS.stream().map(kind -> kind.candidates(problem, device)).toList();
        int most = kinds.stream().mapToInt(List::size).max().orElse(0);
        return IntStream.range(0, most)
                .boxed()
                .<ForwardVariant>flatMap(place ->
                        kinds.stream().filter(kind -> place < kind.size()).map(kind -> kind.get(place)))
                .toList();
    }

    private static Kind onProcessors(ProcessorKind kind) {
        return (problem, device) -> device.hostMemory() == Device.HostMemory.SAME
                ? kind.candidates(problem, Processor.of(device))
                : List.of();
    }

    private static List<ForwardVariant> onGpus(Problem problem, Device device) {
        return Gpu.is(device) ? GpuRule.candidates(LayerShape.of(problem.layer()), Gpu.of(device)) : List.of();
    }

    private static List<ForwardVariant> plain(Problem problem, Device device) {
        return problem.flops() <= PLAIN_FLOPS ? List.of(new PlainVariant()) : List.of();
    }

    /** A variant's name in tables and in the tuning file. */
    static String label(ForwardVariant variant) {
        return String.join(
                ",",
                Stream.concat(Stream.of(variant.name()), constants(variant.constants()))
                        .toList());
    }

    /** A tile's name in tables and in the tuning file. */
    static String label(ForwardVariant.Tile tile) {
        String label = String.join(",", constants(tile.constants()).toList());
        return label.isEmpty() ? "-" : label;
    }

    private static Stream<String> constants(String options) {
        return Stream.of(options.split(" -D", -1)).map(String::strip).filter(text -> !text.isEmpty());
    }
}
