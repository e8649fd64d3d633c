package io.github.tconv.cli;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
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

    @Override
    public Integer call() throws IOException {
        if (options.wantsSoak()) {
            options.soak(spec.commandLine().getOut());
            return 0;
        }
        options.run(
                List.of(), 0, spec.commandLine().getOut(), spec.commandLine().getErr());
        return 0;
    }
}
