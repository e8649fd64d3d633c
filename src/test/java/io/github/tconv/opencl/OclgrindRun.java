package io.github.tconv.opencl;

import io.github.tconv.Engine;
import io.github.tconv.Tconv;
import io.github.tconv.op.Backend;
import io.github.tconv.op.Problem;
import io.github.tconv.verify.Catalogue;
import io.github.tconv.verify.Check;
import io.github.tconv.verify.ElementwiseContract;
import io.github.tconv.verify.Verification;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Runs every variant of every kernel over small problems on Oclgrind, those for processors with vectors of 8 and of 16
 * floats. What Oclgrind finds goes where {@code OCLGRIND_LOG} says; {@code .github/oclgrind.sh} starts this and looks
 * there.
 *
 * <p>The runs named {@link #FRESH} have a context for each problem, and leave out
 * what Oclgrind takes for uninitialised, or what ends it, where {@code OCLGRIND_UNINITIALIZED} asks for that.
 */
final class OclgrindRun {
    private static final String FRESH = "fresh, ";

    private static final List<Check> FORWARD = List.of(Check.FORWARD, Check.PREPARED);
    private static final List<Check> GRADIENTS =
            List.of(Check.INPUT_GRADIENT, Check.CONVOLUTION, Check.WEIGHT_GRADIENT, Check.BIAS_GRADIENT);

    private final Device device;
    /** The problems to compute, if not all. */
    private final List<Problem> only;

    private final Engine oracle = Tconv.open("reference");
    private final Map<String, Runnable> runs = new LinkedHashMap<>();
    private int computed;
    private int different;

    private OclgrindRun(Device device, List<Problem> only) {
        this.device = device;
        this.only = only;
        GradientRules plain = GradientRules.standard();
        GpuVariantTest.rules().forEach((name, rule) -> {
            addForward("gpu, " + name, rule, GpuVariantTest.AWKWARD);
            // Not prepared: that takes the weight from the host.
            add(FRESH + name, GpuVariantTest.AWKWARD, List.of(Check.FORWARD), rule, plain);
        });
        addGradients("gpu, gradients", plain, GRADIENTS);
        addGradients(FRESH + "gradients", plain, List.of(Check.CONVOLUTION, Check.WEIGHT_GRADIENT));
        for (int lanes : new int[] {8, 16}) {
            addProcessor(lanes + " lanes, ", asProcessor(lanes));
        }
        runs.put("elementwise", this::elementwise);
    }

    /**
     * Runs all, or what is named.
     *
     * @param arguments a regular expression for what to run, {@code .*} if absent, and a problem instead of all
     */
    public static void main(String[] arguments) {
        Device device = Discovery.run().devices().stream()
                .filter(found -> found.info().isSimulator())
                .findFirst()
                .orElseThrow(() -> new IllegalStateException("the driver must be Oclgrind's"));
        OclgrindRun all =
                new OclgrindRun(device, arguments.length > 1 ? List.of(Problem.parse(arguments[1])) : List.of());
        all.runs.forEach((name, run) -> {
            if (arguments.length == 0 || name.matches(arguments[0])) {
                int before = all.computed;
                long start = System.nanoTime();
                run.run();
                System.out.printf(
                        "%s: %d, %d s%n", name, all.computed - before, (System.nanoTime() - start) / (long) 1e9);
            }
        });
        System.out.printf("%d computed, %d differ%n", all.computed, all.different);
        System.exit(all.computed > 0 && all.different == 0 ? 0 : 1);
    }

    /** The simulator as it would be if it were a processor. */
    private Device asProcessor(int lanes) {
        return new Device(
                device.info(),
                device.platform(),
                device.id(),
                Device.HostMemory.SAME,
                device.maxAllocationBytes(),
                lanes,
                device.groupItems(),
                device.part());
    }

    private void addProcessor(String prefix, Device processor) {
        Map<String, ForwardRule> forward = new HashMap<>();
        SeededBug.rules().forEach((name, kernels) -> forward.put(name, kernels.forward()));
        // These have been done: the plain kernel is the same whoever asks for it.
        forward.keySet().removeAll(GpuVariantTest.rules().keySet());
        forward.keySet().removeIf(name -> name.contains("gradient") || name.equals(SeededBug.ELEMENTWISE));
        forward.put("the rule's own", ForwardRule.standard());
        forward.forEach(
                (name, rule) -> addForward(prefix + name, rule.decidedFor(processor), ForwardVariantTest.IN_PARTS));
        GradientRules standard = GradientRules.standard();
        addGradients(prefix + "gradients, the rule's own", standard.decidedFor(processor), GRADIENTS);
        GradientVariantTest.inputGradientRules()
                .forEach((name, rule) -> addGradients(
                        prefix + "input gradient, " + name,
                        new GradientRules(rule, standard.weightGradient()).decidedFor(processor),
                        List.of(Check.CONVOLUTION)));
        GradientVariantTest.weightGradientRules()
                .forEach((name, rule) -> addGradients(
                        prefix + "weight gradient, " + name,
                        new GradientRules(standard.inputGradient(), rule).decidedFor(processor),
                        List.of(Check.WEIGHT_GRADIENT)));
    }

    private void addForward(String name, ForwardRule rule, List<Problem> more) {
        add(name, more, FORWARD, rule, GradientRules.standard());
    }

    private void addGradients(String name, GradientRules rules, List<Check> checks) {
        add(name, List.of(), checks, ForwardRule.standard(), rules);
    }

    private void add(
            String name, List<Problem> more, List<Check> checks, ForwardRule rule, GradientRules gradientRules) {
        Stream<Problem> problems =
                only.isEmpty() ? Stream.concat(Catalogue.small().stream(), more.stream()) : only.stream();
        List<Problem> all = problems.toList();
        runs.put(name, () -> {
            if (name.startsWith(FRESH)) {
                for (Problem problem : all) {
                    compute(List.of(problem), checks, backend(rule, gradientRules));
                }
            } else {
                compute(all, checks, backend(rule, gradientRules));
            }
        });
    }

    private Backend backend(ForwardRule rule, GradientRules gradientRules) {
        return new OnDevice(new OpenClBackend(device, rule, gradientRules, SelfCheck.OFF), /* copies= */ true);
    }

    private void compute(List<Problem> problems, List<Check> checks, Backend backend) {
        try (Engine engine = Engine.of(backend)) {
            Verification verification = new Verification(engine, oracle);
            for (Problem problem : problems) {
                for (Check check : checks) {
                    computed++;
                    verification
                            .verify(problem, check)
                            .message()
                            .ifPresent(message -> differs(problem + " " + check + ": " + message));
                }
            }
        }
    }

    private void elementwise() {
        try (Engine engine = Engine.of(new OpenClBackend(device, ForwardRule.standard()))) {
            for (ElementwiseContract.Case work : ElementwiseContract.all()) {
                computed++;
                work.difference(engine, oracle).ifPresent(this::differs);
            }
        }
    }

    private void differs(String what) {
        different++;
        System.out.println(what);
    }
}
