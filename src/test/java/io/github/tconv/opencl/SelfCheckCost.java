package io.github.tconv.opencl;

import io.github.tconv.bench.BenchmarkLayer;
import io.github.tconv.op.Activation;
import io.github.tconv.op.Backend;
import io.github.tconv.op.Elementwise;
import io.github.tconv.op.Loss;
import io.github.tconv.op.Optimizer;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.reference.ReferenceBackend;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.Function;

/**
 * Measures what a program's trial costs beyond its compilation, in a session whose pool has the memory of another: for each
 * layer of the suite, what the rules choose for it in the three directions; and the elementwise kernels. A table goes to the
 * standard output.
 *
 * <pre>
 * mvn -q package -DskipTests
 * java -cp "target/test-classes:target/classes:target/lib/*" io.github.tconv.opencl.SelfCheckCost [TRIALS]
 * </pre>
 *
 * <p>Each number is a median of trials, 24 if nothing is said, after the same was done once so that Java is warm.
 */
final class SelfCheckCost {
    private final Device device;
    private final int trials;
    private final Backend oracle = new ReferenceBackend();

    private SelfCheckCost(Device device, int trials) {
        this.device = device;
        this.trials = trials;
    }

    /** Measures all on each device. */
    public static void main(String[] trials) {
        int each = trials.length == 0 ? 24 : Integer.parseInt(trials[0]);
        for (Device device : TestDevices.usable()) {
            new SelfCheckCost(device, 2).tables();
            System.out.printf("%s, median of %d%n%n%s", device, each, new SelfCheckCost(device, each).tables());
        }
    }

    private String tables() {
        StringBuilder tables = new StringBuilder("| layer | forward | ms | by the input | ms | by the weight | ms |\n");
        tables.append("|---|---|---|---|---|---|---|\n");
        for (BenchmarkLayer layer : BenchmarkLayer.suite()) {
            Problem rank3 = layer.problem().asRank3();
            ForwardVariant forward = ForwardRule.standard().choose(rank3, device);
            ForwardVariant byInput = InputGradientRule.standard().choose(rank3, device);
            WeightGradientVariant byWeight = WeightGradientRule.standard().choose(rank3, device);
            tables.append(String.format(
                    Locale.ROOT,
                    "| %s | %s | %.1f | %s | %.1f | %s | %.1f |%n",
                    layer.name(),
                    forward.name(),
                    cost(session -> ofLayer(session, rank3, forward, Parts.FORWARD)),
                    byInput.name(),
                    cost(session -> ofLayer(session, rank3, byInput, Parts.INPUT_GRADIENT)),
                    byWeight.name(),
                    cost(session -> ofWeight(session, rank3, byWeight))));
        }
        tables.append("\n| kernel | ms |\n|---|---|\n");
        elementwise()
                .forEach((name, trial) ->
                        tables.append(String.format(Locale.ROOT, "| %s | %.1f |%n", name, cost(trial))));
        return tables.toString();
    }

    private static SelfCheck.Trial ofLayer(Session session, Problem rank3, ForwardVariant variant, Parts direction) {
        Activation none = Activation.none();
        LayerPrograms programs = new LayerPrograms(session, rank3.layer(), false, none, direction, SelfCheck.OFF);
        Recipe recipe = programs.recipe(variant, rank3, /* hasResidual= */ false);
        return new LayerTrial(session, rank3.layer(), recipe, false, none, direction);
    }

    private static SelfCheck.Trial ofWeight(Session session, Problem rank3, WeightGradientVariant variant) {
        Program program = session.programs().get(variant.sources(), WeightGradientLaunch.options(rank3, variant));
        return new WeightGradientTrial(session, rank3.layer(), variant, program);
    }

    private static Map<String, Function<Session, SelfCheck.Trial>> elementwise() {
        Map<String, BiFunction<Elementwise, Elementwise, Optional<String>>> differences = new LinkedHashMap<>();
        for (Activation activation : List.of(Activation.relu(), Activation.prelu(Tensor.zeros(1)), Activation.silu())) {
            String name = activation.kind().toString().toLowerCase(Locale.ROOT);
            differences.put(
                    "activate, " + name, (tried, right) -> ElementwiseTrials.activate(activation, tried, right));
            differences.put(
                    "activation_gradient, " + name,
                    (tried, right) -> ElementwiseTrials.activationGradient(activation, tried, right));
        }
        differences.put("slope_gradient", ElementwiseTrials::slopeGradient);
        for (Loss loss : Loss.values()) {
            differences.put("loss, " + loss, (tried, right) -> ElementwiseTrials.loss(loss, tried, right));
        }
        for (Optimizer optimizer : List.of(new Optimizer.Adam(1, 0.5, 0.5, 1), new Optimizer.Sgd(1, 0.5))) {
            differences.put(
                    ElementwiseKernels.name(optimizer),
                    (tried, right) -> ElementwiseTrials.step(optimizer, tried, right));
        }
        differences.put("finite", ElementwiseTrials::finite);
        Map<String, Function<Session, SelfCheck.Trial>> trials = new LinkedHashMap<>();
        differences.forEach((name, difference) -> trials.put(
                name, session -> oracle -> difference.apply(new ElementwiseKernels(session), oracle.elementwise())));
        return trials;
    }

    /** The median time of a trial in milliseconds, after a first one that compiles the program. */
    private double cost(Function<Session, SelfCheck.Trial> of) {
        List<Long> times = new ArrayList<>();
        try (Session session = new Session(device)) {
            SelfCheck.Trial trial = of.apply(session);
            time(trial);
            for (int i = 0; i < trials; i++) {
                times.add(time(trial));
            }
        }
        times.sort(null);
        return times.get(times.size() / 2) / 1e6;
    }

    private long time(SelfCheck.Trial trial) {
        long start = System.nanoTime();
        Optional<String> difference = trial.difference(oracle);
        long end = System.nanoTime();
        if (difference.isPresent()) {
            throw new IllegalStateException(difference.get());
        }
        return end - start;
    }
}
