package io.github.tconv.bench;

import io.github.tconv.Engine;
import io.github.tconv.Prepared;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.opencl.OpenClBackend;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * Calls one layer very often, in every way there is in turn (a given output, a fresh one, tensors on the device made for
 * the call), and watches what the process holds.
 *
 * @param calls how many calls to make
 * @param engine what computes
 * @param problem the layer and its sizes
 */
public record Soak(int calls, Engine engine, Problem problem) {
    private static final int REPORTS = 10;

    /**
     * What the process holds after some calls.
     *
     * @param calls the calls so far
     * @param residentBytes its resident memory, or empty where the system does not tell
     * @param handles the native handles that this library owns
     * @param microseconds the time of a call since the report before
     */
    public record Report(int calls, OptionalLong residentBytes, long handles, double microseconds) {}

    /**
     * Makes the calls.
     *
     * @param reports told ten times what the process holds
     */
    public void run(Consumer<Report> reports) {
        Tensor input = Tensor.zeros(problem.inputShape());
        Tensor output = Tensor.zeros(problem.outputShape());
        Tensor weight = Tensor.zeros(problem.layer().weightShape());
        int interval = Math.max(1, calls / REPORTS);
        try (Prepared prepared = engine.prepare(problem.layer(), weight, null)) {
            long start = System.nanoTime();
            for (int call = 1; call <= calls; call++) {
                switch (call % 3) {
                    case 0 -> prepared.forward(input, output);
                    case 1 -> {
                        Tensor unused = prepared.forward(input);
                    }
                    default -> {
                        try (DeviceTensor x = engine.upload(input);
                                DeviceTensor y = prepared.forward(x)) {
                            engine.download(y, output);
                        }
                    }
                }
                if (call % interval == 0) {
                    double microseconds = (System.nanoTime() - start) * 1e-3 / interval;
                    // What is garbage is not held.
                    System.gc();
                    reports.accept(new Report(call, residentBytes(), OpenClBackend.nativeHandles(), microseconds));
                    start = System.nanoTime();
                }
            }
        }
    }

    private static OptionalLong residentBytes() {
        try (Stream<String> lines = Files.lines(Path.of("/proc/self/status"))) {
            return lines.filter(line -> line.startsWith("VmRSS:"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) << 10)
                    .findFirst();
        } catch (IOException e) {
            return OptionalLong.empty();
        }
    }
}
