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
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Stream;

/**
 * Calls a layer very often, at several sizes and in every way there is in turn (a given output, a fresh one, tensors on
 * the device made for the call), and watches what the process holds. Beside a hundred calls it prepares one layer, and
 * opens one engine, each for one call.
 *
 * @param calls how many calls to make
 * @param open opens an engine
 * @param problem the layer and the first of its sizes
 */
public record Soak(int calls, Supplier<Engine> open, Problem problem) {
    private static final int REPORTS = 20;
    private static final int CALLS_A_LAYER = 100;
    private static final int CALLS_AN_ENGINE = 100;

    /**
     * What the process holds after some calls.
     *
     * @param calls the calls so far
     * @param layers the layers prepared so far
     * @param engines the engines opened so far
     * @param residentBytes its resident memory, or empty where the system does not tell
     * @param handles the native handles that this library owns
     * @param microseconds the time of a call since the report before
     */
    public record Report(
            int calls, int layers, int engines, OptionalLong residentBytes, long handles, double microseconds) {}

    /** The operands of one size. */
    private record Size(Tensor input, Tensor output) {
        static Size of(Problem problem) {
            return new Size(Tensor.zeros(problem.inputShape()), Tensor.zeros(problem.outputShape()));
        }
    }

    /**
     * Makes the calls.
     *
     * @param reports told twenty times what the process holds
     */
    public void run(Consumer<Report> reports) {
        Tensor weight = Tensor.zeros(problem.layer().weightShape());
        List<Size> sizes = sizes();
        int called = 0;
        int prepared = 0;
        int opened = 0;
        try (Engine engine = open.get();
                Prepared layer = engine.prepare(problem.layer(), weight, null)) {
            for (int report = 1; report <= REPORTS; report++) {
                int until = (int) ((long) calls * report / REPORTS);
                int first = called;
                long start = System.nanoTime();
                for (; called < until; called++) {
                    call(engine, layer, sizes.get(called / 3 % sizes.size()), called % 3);
                }
                double microseconds = (System.nanoTime() - start) * 1e-3 / Math.max(1, until - first);
                for (; prepared < until / CALLS_A_LAYER; prepared++) {
                    callOnce(engine, weight, sizes.get(prepared % sizes.size()));
                }
                for (; opened < until / CALLS_AN_ENGINE; opened++) {
                    try (Engine other = open.get()) {
                        callOnce(other, weight, sizes.get(opened % sizes.size()));
                    }
                }
                // What is garbage is not held.
                System.gc();
                reports.accept(new Report(
                        called, prepared, opened, residentBytes(), OpenClBackend.nativeHandles(), microseconds));
            }
        }
    }

    /** The problem's own size, one that is larger by one, and twice its size. */
    private List<Size> sizes() {
        int[] own = Arrays.copyOfRange(problem.inputShape(), 2, problem.layer().rank() + 2);
        List<Size> sizes = new ArrayList<>();
        sizes.add(Size.of(problem));
        for (int[] size : List.of(
                Arrays.stream(own).map(s -> s + 1).toArray(),
                Arrays.stream(own).map(s -> 2 * s).toArray())) {
            sizes.add(Size.of(problem.layer().problem(problem.batch(), size)));
        }
        return sizes;
    }

    private static void call(Engine engine, Prepared layer, Size size, int way) {
        switch (way) {
            case 0 -> layer.forward(size.input(), size.output());
            case 1 -> {
                Tensor unused = layer.forward(size.input());
            }
            default -> {
                try (DeviceTensor x = engine.upload(size.input());
                        DeviceTensor y = layer.forward(x)) {
                    engine.download(y, size.output());
                }
            }
        }
    }

    private void callOnce(Engine engine, Tensor weight, Size size) {
        try (Prepared once = engine.prepare(problem.layer(), weight, null)) {
            once.forward(size.input(), size.output());
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
