package io.github.tconv.bench.peers;

import io.github.tconv.bench.BenchmarkOperation;
import io.github.tconv.bench.BenchmarkReport;
import io.github.tconv.bench.Soak;
import io.github.tconv.cli.BenchOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The command {@code ./bench-peers}: this library, PyTorch and ONNX Runtime in one process, called in turn. */
@Command(
        name = "bench-peers",
        description = "Measures tconv, PyTorch and, where it can, ONNX Runtime call by call in turn.",
        usageHelpWidth = 100,
        mixinStandardHelpOptions = true)
final class BenchPeers implements Callable<Integer> {
    private static final int USER_MISTAKE = 2;

    @Spec
    @SuppressWarnings("NullAway.Init") // set by picocli
    private CommandSpec spec;

    @Mixin
    private final BenchOptions options = new BenchOptions();

    @Option(
            names = "--threads",
            paramLabel = "N",
            defaultValue = "2",
            description = "Threads of every library; ${DEFAULT-VALUE} by default.")
    private int threads;

    @Option(
            names = "--network",
            paramLabel = "NAME",
            description = "Measures a network instead of layers: dcgan, its generator, for batches of 1 and 16.")
    private @Nullable String network;

    @Option(
            names = "--picture",
            paramLabel = "FILE",
            description = "Where to draw the layers' bars, or the soak's curves, as PNG.")
    private @Nullable Path picture;

    /**
     * Runs the command.
     *
     * @param arguments its options
     */
    public static void main(String[] arguments) {
        System.exit(new CommandLine(new BenchPeers())
                .setExecutionExceptionHandler(BenchPeers::failed)
                .execute(arguments));
    }

    private static int failed(Exception failure, CommandLine command, CommandLine.ParseResult parsed) throws Exception {
        if (failure instanceof IllegalArgumentException) {
            command.getErr().println("bench-peers: " + failure.getMessage());
            return USER_MISTAKE;
        }
        throw failure;
    }

    @Override
    public Integer call() throws IOException {
        if (threads < 1) {
            throw new IllegalArgumentException("threads must be positive: " + threads);
        }
        if (network != null) {
            if (!network.equals("dcgan")) {
                throw new IllegalArgumentException("network must be dcgan: '" + network + "'");
            }
            new NetworkBench(threads)
                    .run(
                            options.device(),
                            List.of(1, 16),
                            options.seconds(),
                            spec.commandLine().getOut());
            return 0;
        }
        if (options.wantsSoak()) {
            List<Soak.Report> reports = options.soak(spec.commandLine().getOut());
            if (picture != null) {
                SoakChart.save(reports, picture);
            }
            return 0;
        }
        BenchmarkReport report = options.run(
                options.operation() == BenchmarkOperation.FORWARD
                        ? List.of(PyTorch.entrant(threads), OnnxRuntime.entrant(threads))
                        : List.of(PyTorch.entrant(threads)),
                threads,
                spec.commandLine().getOut(),
                spec.commandLine().getErr());
        if (picture != null) {
            BarChart.of(report).save(picture);
        }
        return 0;
    }
}
