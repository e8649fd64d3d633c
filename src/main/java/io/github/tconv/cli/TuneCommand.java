package io.github.tconv.cli;

import io.github.tconv.bench.BenchmarkLayer;
import io.github.tconv.io.InvalidFileException;
import io.github.tconv.io.Npy;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import io.github.tconv.opencl.Tuner;
import io.github.tconv.reference.ReferenceBackend;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Measures the ways to compute a layer on this device, and has the library take the fastest from then on. */
@Command(
        name = "tune",
        description = {
            "Measures the ways to compute a layer on this device and remembers the fastest, which the library then takes"
                    + " by itself. Each is compared with plain Java first.",
            "Another kernel adds in another order, so a tuned layer's results may differ in their last bits from those of"
                    + " the same layer before; TCONV_TUNING=off leaves tuned choices aside."
        },
        mixinStandardHelpOptions = true,
        sortOptions = false,
        sortSynopsis = false)
final class TuneCommand implements Callable<Integer> {
    @Spec
    @SuppressWarnings("NullAway.Init") // set by picocli
    private CommandSpec spec;

    @Parameters(
            paramLabel = "DESCRIPTOR",
            description = {
                "A layer with its sizes, such as n8_ic256_oc128_i16x16_k4x4_s2x2_p1x1.",
                "Several sizes of one layer are tuned together: one kernel for all of them, a tile for each."
            })
    private final List<String> descriptors = new ArrayList<>();

    @Option(
            names = "--suite",
            paramLabel = "FILE",
            description = "Layers from a file with the columns name, descriptor and source, as the benchmark's.")
    private @Nullable Path suite;

    @Option(names = "--input", paramLabel = "FILE", description = "A layer as for 'run': its input, for the sizes.")
    private @Nullable Path input;

    @Option(names = "--weight", paramLabel = "FILE", description = "A layer as for 'run': its weight, for the shape.")
    private @Nullable Path weight;

    @Mixin
    private final LayerOptions layer = new LayerOptions();

    @Mixin
    private final DeviceOption device = new DeviceOption();

    @Option(
            names = "--seconds",
            paramLabel = "S",
            defaultValue = "20",
            description = "How long to measure each descriptor, compilation included; ${DEFAULT-VALUE} by default.")
    private double seconds;

    @Option(names = "--dry-run", description = "Only measure and print; remember nothing.")
    private boolean dryRun;

    @Option(
            names = "--forget",
            description = "Measure nothing, and forget what is remembered of these layers, or of all if none is given.")
    private boolean forget;

    @Override
    public Integer call() {
        if (!(seconds > 0)) {
            throw new IllegalArgumentException("seconds must be positive: " + seconds);
        }
        if (forget && dryRun) {
            throw new IllegalArgumentException("--forget must not be given together with --dry-run");
        }
        Map<TransposedConvolution, List<Problem>> layers = layers();
        if (layers.isEmpty() && !forget) {
            throw new IllegalArgumentException("a layer must be given: a descriptor, --suite, or --input and --weight");
        }
        PrintWriter out = spec.commandLine().getOut();
        Tuner found = Tuner.open(device.selector(), new ReferenceBackend()).orElse(null);
        if (found == null) {
            out.println("plain Java computes here, in one way only: there is nothing to tune");
            return Main.DONE;
        }
        try (Tuner tuner = found) {
            out.println(tuner.device());
            if (forget) {
                out.println("forgot %d in %s".formatted(tuner.forget(layers.keySet()), tuner.file()));
                return Main.DONE;
            }
            return tune(tuner, List.copyOf(layers.values()), out);
        }
    }

    private int tune(Tuner tuner, List<List<Problem>> layers, PrintWriter out) {
        boolean allRight = true;
        int remembered = 0;
        for (int i = 0; i < layers.size(); i++) {
            List<Problem> problems = layers.get(i);
            List<Tuner.Table> tables = tune(tuner, problems, i, layers.size());
            for (int p = 0; p < tables.size(); p++) {
                Tuner.Table table = tables.get(p);
                print(problems.get(p), table, out);
                remembered += table.remembered() ? 1 : 0;
                allRight &= table.rows().stream().noneMatch(row -> row.verdict() == Tuner.Verdict.WRONG);
            }
            out.flush();
        }
        out.println(
                dryRun
                        ? "a dry run: nothing is remembered"
                        : "remembered %d in %s".formatted(remembered, tuner.file()));
        return allRight ? Main.DONE : Main.DEVICE_FAILED;
    }

    private List<Tuner.Table> tune(Tuner tuner, List<Problem> problems, int done, int all) {
        int steps = 1000;
        try (ProgressBar bar = new ProgressBar(spec.commandLine().getErr())) {
            return tuner.tune(
                    problems, seconds, !dryRun, share -> bar.show((int) ((done + share) * steps), all * steps));
        }
    }

    private static void print(Problem problem, Tuner.Table measured, PrintWriter out) {
        out.println();
        out.println(problem);
        double winner = measured.rows().stream()
                .filter(row -> row.verdict() == Tuner.Verdict.WINNER)
                .mapToDouble(Tuner.Row::milliseconds)
                .findFirst()
                .orElse(Double.NaN);
        Table table = new Table("ms", "speed", "variant", "tile", "");
        for (Tuner.Row row : measured.rows()) {
            if (row.verdict() != Tuner.Verdict.NOT_TRIED) {
                boolean timed = !Double.isNaN(row.milliseconds());
                table.row(
                        timed ? String.format(Locale.ROOT, "%.3f", row.milliseconds()) : "-",
                        timed ? String.format(Locale.ROOT, "%.0f %%", 100 * winner / row.milliseconds()) : "-",
                        row.variant(),
                        row.tile(),
                        remark(row));
            }
        }
        table.print(out);
        long untried = measured.rows().stream()
                .filter(row -> row.verdict() == Tuner.Verdict.NOT_TRIED)
                .count();
        if (untried > 0) {
            out.println("%d more not tried: of slower variants, or the time was up (--seconds)".formatted(untried));
        }
    }

    private static String remark(Tuner.Row row) {
        List<String> remarks = new ArrayList<>();
        switch (row.verdict()) {
            case WINNER -> remarks.add("winner");
            case WRONG -> remarks.add("WRONG: " + row.remark());
            case FAILED -> remarks.add("failed: " + row.remark());
            case SLOWER, NOT_TRIED -> {}
        }
        if (row.ruleChoice()) {
            remarks.add("the rule's choice");
        }
        return String.join(", ", remarks);
    }

    /** The problems by layer, both in the order in which they were given. */
    private Map<TransposedConvolution, List<Problem>> layers() {
        List<Problem> problems = new ArrayList<>();
        descriptors.stream().map(Problem::parse).forEach(problems::add);
        if (suite != null) {
            suite(suite).stream().map(BenchmarkLayer::problem).forEach(problems::add);
        }
        if (input != null || weight != null) {
            problems.add(ofFiles());
        } else if (layer.areGiven()) {
            throw new IllegalArgumentException(
                    "the layer's options belong to --input and --weight; a descriptor has its own");
        }
        Map<TransposedConvolution, List<Problem>> layers = new LinkedHashMap<>();
        problems.stream()
                .distinct()
                .forEach(problem -> layers.computeIfAbsent(problem.layer(), any -> new ArrayList<>())
                        .add(problem));
        return layers;
    }

    private static List<BenchmarkLayer> suite(Path file) {
        try {
            return BenchmarkLayer.parse(Files.readString(file));
        } catch (IOException e) {
            throw InvalidFileException.unreadable(file, e);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(file + ": " + e.getMessage(), e);
        }
    }

    private Problem ofFiles() {
        if (input == null || weight == null) {
            throw new IllegalArgumentException("--input and --weight must be given together");
        }
        Tensor x = Npy.read(input);
        Tensor w = Npy.read(weight);
        if (w.rank() < 3 || w.rank() > 5) {
            throw new IllegalArgumentException(
                    "weight must have 3 to 5 axes, of which 1 to 3 are spatial: %s".formatted(w));
        }
        if (x.rank() != w.rank()) {
            throw new IllegalArgumentException(
                    "input must have as many axes as the weight, %d: %s".formatted(w.rank(), x));
        }
        TransposedConvolution natural = layer.build(TransposedConvolution.ofRank(w.rank() - 2)
                .channels(w.size(0), layer.allGroups("output", w.size(1)))
                .kernel(spatial(w)));
        Problem problem = layer.withWantedSize(natural, spatial(x)).problem(x.size(0), spatial(x));
        if (!x.hasShape(problem.inputShape())) {
            throw new IllegalArgumentException(
                    "input must have shape %s: %s".formatted(Arrays.toString(problem.inputShape()), x));
        }
        return problem;
    }

    private static int[] spatial(Tensor tensor) {
        return Arrays.copyOfRange(tensor.shape(), 2, tensor.rank());
    }
}
