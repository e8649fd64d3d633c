package io.github.tconv.cli;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Measures this library alone; {@code ./bench-peers} does so beside others. */
@Command(
        name = "bench",
        description = {
            "Measures real layers: milliseconds, GFLOP/s and the share of the device's peak, with a given output and with"
                    + " a fresh one for every call.",
            "./bench-peers does the same beside PyTorch and ONNX Runtime."
        },
        mixinStandardHelpOptions = true)
final class BenchCommand implements Callable<Integer> {
    @Spec
    @SuppressWarnings("NullAway.Init") // set by picocli
    private CommandSpec spec;

    @Mixin
    private final BenchOptions options = new BenchOptions();

    @Option(
            names = "--soak",
            paramLabel = "CALLS",
            description =
                    "Instead make so many calls of one problem, and print ten times the process's resident memory and"
                            + " native handles.")
    private @Nullable Integer soak;

    @Override
    public Integer call() throws IOException {
        if (soak != null) {
            options.soak(soak, spec.commandLine().getOut());
            return 0;
        }
        options.run(
                List.of(), 0, spec.commandLine().getOut(), spec.commandLine().getErr());
        return 0;
    }
}
