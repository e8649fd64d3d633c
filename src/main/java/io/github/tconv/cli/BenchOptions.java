package io.github.tconv.cli;

import io.github.tconv.Engine;
import io.github.tconv.Tconv;
import io.github.tconv.bench.BenchmarkLayer;
import io.github.tconv.bench.BenchmarkOperation;
import io.github.tconv.bench.BenchmarkReport;
import io.github.tconv.bench.BenchmarkTable;
import io.github.tconv.bench.Entrant;
import io.github.tconv.bench.LayerResult;
import io.github.tconv.bench.Ours;
import io.github.tconv.bench.Rounds;
import io.github.tconv.bench.Soak;
import io.github.tconv.io.AtomicFile;
import io.github.tconv.io.InvalidFileException;
import io.github.tconv.op.Problem;
import io.github.tconv.opencl.OpenClBackend;
import io.github.tconv.opencl.PeakFma;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** The options of every command that measures, and the measurement that they ask for. */
public final class BenchOptions {
    /** Of a few thousand products, so that the calls themselves are what it costs. */
    private static final String SMALL = "ic4_oc6_i8x8_k3x3_s2x2_p1x1";

    @Option(
            names = "--soak",
            paramLabel = "CALLS",
            description =
                    "Instead make so many calls of one problem at several sizes, prepare a hundredth as many layers and"
                            + " open as many engines, and print twenty times the process's resident memory and native"
                            + " handles.")
    private @Nullable Integer soak;

    @Option(
            names = "--device",
            paramLabel = "DEVICE",
            description = "What to compute on, as for 'run'; by default what TCONV_DEVICE says, or auto.")
    private @Nullable String device;

    @Option(
            names = "--layers",
            split = ",",
            paramLabel = "NAME",
            description = "Layers of the suite, by name; by default all of them, unless --problem or --file is given.")
    private List<String> layers = new ArrayList<>();

    @Option(
            names = "--problem",
            paramLabel = "DESCRIPTOR",
            description = "A problem of your own, such as n8_ic256_oc128_i16x16_k4x4_s2x2_p1x1; may stand repeatedly.")
    private List<String> problems = new ArrayList<>();

    @Option(
            names = "--op",
            paramLabel = "OPERATION",
            defaultValue = "forward",
            converter = OperationConverter.class,
            description = "What to measure: ${COMPLETION-CANDIDATES}; ${DEFAULT-VALUE} by default.",
            completionCandidates = OperationNames.class)
    private BenchmarkOperation operation = BenchmarkOperation.FORWARD;

    @Option(
            names = "--file",
            paramLabel = "FILE",
            description =
                    "Layers of your own: lines 'NAME,DESCRIPTOR,SOURCE' after a first one 'name,descriptor,source'.")
    private @Nullable Path ownLayers;

    @Option(
            names = "--seconds",
            paramLabel = "S",
            defaultValue = "4",
            description = "How long to measure each layer; ${DEFAULT-VALUE} by default.")
    private double seconds;

    @Option(
            names = "--patience",
            paramLabel = "TIMES",
            defaultValue = "5",
            description = "How many times as long to go on, at most, while other processes disturb;"
                    + " ${DEFAULT-VALUE} by default.")
    private double patience;

    @Option(
            names = "--pause",
            paramLabel = "MS",
            defaultValue = "40",
            description =
                    "How long to rest before each contender's turn, until the threads of the one before have stopped spinning;"
                            + " ${DEFAULT-VALUE} by default.")
    private double pause;

    @Option(
            names = "--loop",
            paramLabel = "MS",
            defaultValue = "0",
            description =
                    "How long to call a contender in its turn, again and again, before the call that is timed: with 100 the"
                            + " processors run at their full speed and its data are near, as in a training;"
                            + " ${DEFAULT-VALUE} by default.")
    private double loop;

    @Option(names = "--json", paramLabel = "FILE", description = "Where to write every sample.")
    private @Nullable Path json;

    /** Makes options for picocli to fill. */
    public BenchOptions() {}

    /** The operations' names, for the help. */
    static final class OperationNames implements Iterable<String> {
        @Override
        public Iterator<String> iterator() {
            return Arrays.stream(BenchmarkOperation.values())
                    .map(BenchmarkOperation::toString)
                    .iterator();
        }
    }

    /** Reads an operation's name for picocli. */
    static final class OperationConverter implements ITypeConverter<BenchmarkOperation> {
        @Override
        public BenchmarkOperation convert(String name) {
            return Arrays.stream(BenchmarkOperation.values())
                    .filter(operation -> operation.toString().equals(name))
                    .findFirst()
                    .orElseThrow(() -> new TypeConversionException("operation must be one of %s: '%s'"
                            .formatted(String.join(", ", new OperationNames()), name)));
        }
    }

    /**
     * Returns what is measured.
     *
     * @return the operation
     */
    public BenchmarkOperation operation() {
        return operation;
    }

    /**
     * Returns where to compute.
     *
     * @return what {@code Tconv.open} takes, or null for its own choice
     */
    public @Nullable String device() {
        return device;
    }

    /**
     * Returns how long to measure each layer.
     *
     * @return seconds
     */
    public double seconds() {
        return seconds;
    }

    /**
     * Measures the chosen layers, prints the tables and writes the file that was asked for.
     *
     * @param peers who takes part beside this library
     * @param threads how many threads each was told to use, or 0 for all processors
     * @param out for the tables
     * @param err for the progress
     * @return everything that was measured
     * @throws IOException if the file cannot be written
     */
    public BenchmarkReport run(List<Entrant> peers, int threads, PrintWriter out, PrintWriter err) throws IOException {
        check("seconds", seconds > 0, seconds);
        check("patience", patience >= 1, patience);
        check("pause", pause >= 0, pause);
        check("loop", loop >= 0, loop);
        List<BenchmarkLayer> chosen = chosen();
        try (AtomicFile file = json == null ? null : AtomicFile.create(json)) {
            BenchmarkReport report = measure(chosen, peers, threads, err);
            out.printf(
                    "%s on %s, %s threads, %s%n",
                    report.operation(), report.engine(), threads == 0 ? "all" : threads, report.processor());
            out.print(new BenchmarkTable(report.layers()));
            out.flush();
            if (file != null) {
                ByteBuffer text = ByteBuffer.wrap(report.toJson().getBytes(StandardCharsets.UTF_8));
                while (text.hasRemaining()) {
                    file.channel().write(text);
                }
                file.commit();
            }
            return report;
        }
    }

    private static void check(String name, boolean holds, double value) {
        if (!holds) {
            String rule = switch (name) {
                case "seconds" -> "positive";
                case "patience" -> "at least 1";
                default -> "at least 0";
            };
            throw new IllegalArgumentException("%s must be %s: %s".formatted(name, rule, value));
        }
    }

    /**
     * Tells whether very many calls were asked for, instead of a measurement.
     *
     * @return whether {@link #soak} is to be called
     */
    public boolean wantsSoak() {
        return soak != null;
    }

    /**
     * Makes very many calls of the first chosen problem, or of a small one, and prints what the process holds.
     *
     * @param out for the table
     * @return what was printed
     */
    public List<Soak.Report> soak(PrintWriter out) {
        int calls = soak == null ? 0 : soak;
        if (calls < 1) {
            throw new IllegalArgumentException("soak must be a positive number of calls: " + calls);
        }
        Problem problem = problems.isEmpty() && layers.isEmpty() && ownLayers == null
                ? Problem.parse(SMALL)
                : chosen().get(0).problem();
        String selector = selector();
        try (Engine engine = Tconv.open(selector)) {
            out.printf("%s, %s%n", problem, engine.describe());
        }
        out.printf(
                "%9s  %7s  %7s  %12s  %7s  %8s%n", "calls", "layers", "engines", "resident MiB", "handles", "us/call");
        List<Soak.Report> reports = new ArrayList<>();
        new Soak(calls, () -> Tconv.open(selector), problem).run(report -> {
            reports.add(report);
            out.printf(
                    Locale.ROOT,
                    "%9d  %7d  %7d  %12s  %7d  %8.1f%n",
                    report.calls(),
                    report.layers(),
                    report.engines(),
                    report.residentBytes().isPresent()
                            ? String.format(
                                    Locale.ROOT, "%.1f", report.residentBytes().getAsLong() / 1048576.0)
                            : "unknown",
                    report.handles(),
                    report.microseconds());
            out.flush();
        });
        out.printf("after closing: %d handles%n", OpenClBackend.nativeHandles());
        out.flush();
        return reports;
    }

    private String selector() {
        String fromEnvironment = System.getenv("TCONV_DEVICE");
        String auto = fromEnvironment == null || fromEnvironment.isBlank() ? "auto" : fromEnvironment;
        return device == null ? auto : device;
    }

    private List<BenchmarkLayer> chosen() {
        boolean suite = !layers.isEmpty() || (problems.isEmpty() && ownLayers == null);
        return Stream.of(
                        suite ? BenchmarkLayer.named(layers) : List.<BenchmarkLayer>of(),
                        problems.stream().map(BenchmarkLayer::of).toList(),
                        ownLayers == null ? List.<BenchmarkLayer>of() : read(ownLayers))
                .flatMap(List::stream)
                .toList();
    }

    private static List<BenchmarkLayer> read(Path list) {
        try {
            return BenchmarkLayer.parse(Files.readString(list));
        } catch (IOException e) {
            throw InvalidFileException.unreadable(list, e);
        } catch (IllegalArgumentException e) {
            throw new InvalidFileException(list, String.valueOf(e.getMessage()));
        }
    }

    private BenchmarkReport measure(List<BenchmarkLayer> chosen, List<Entrant> peers, int threads, PrintWriter err) {
        String selector = selector();
        Optional<PeakFma> peak = PeakFma.open(selector);
        try (Engine engine = Tconv.open(selector)) {
            List<Entrant> entrants =
                    Stream.concat(Ours.on(engine).stream(), peers.stream()).toList();
            Rounds rounds = new Rounds(seconds, patience, pause, loop, peak.isPresent() ? peak.get()::gflops : null);
            List<LayerResult> results = new ArrayList<>();
            for (BenchmarkLayer layer : chosen) {
                err.printf("%d of %d: %s%n", results.size() + 1, chosen.size(), layer.name());
                results.add(rounds.measure(layer, operation, entrants));
            }
            return BenchmarkReport.of(engine.describe(), operation, threads, results);
        } finally {
            peak.ifPresent(PeakFma::close);
        }
    }
}
