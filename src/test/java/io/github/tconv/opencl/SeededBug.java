package io.github.tconv.opencl;

import io.github.tconv.Engine;
import io.github.tconv.Tconv;
import io.github.tconv.op.Problem;
import io.github.tconv.verify.Catalogue;
import io.github.tconv.verify.Check;
import io.github.tconv.verify.ElementwiseContract;
import io.github.tconv.verify.Result;
import io.github.tconv.verify.Verification;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.function.Supplier;
import java.util.stream.Stream;

/**
 * A bug to plant in a kernel file: a mistake that somebody might make, which the contract tests must see.
 *
 * @param name what is wrong
 * @param rule which kernels are to compute: a name of {@link #rules}
 * @param file the kernel file, without its ending
 * @param text what stands there, once
 * @param replacement what stands there with the bug
 * @param first the check that saw it before and is made first, or empty
 */
record SeededBug(String name, String rule, String file, String text, String replacement, String first) {
    /** The rule of elementwise work. */
    static final String ELEMENTWISE = "elementwise";

    private static final int CAUGHT = 10;
    /** Some seconds are needed; a machine with other work may take minutes. */
    private static final int MINUTES = 15;

    /** Reads the bugs that are kept as test data. */
    static List<SeededBug> all() throws IOException {
        List<SeededBug> bugs = new ArrayList<>();
        Map<String, String> fields = new HashMap<>();
        try (InputStream in = SeededBug.class.getResourceAsStream("/seeded-bugs.txt")) {
            // An empty line ends a bug, the last one too.
            String text = new String(in.readAllBytes(), StandardCharsets.UTF_8) + "\n\n";
            for (String line :
                    text.lines().filter(line -> !line.startsWith("#")).toList()) {
                int colon = line.indexOf(": ");
                if (colon > 0) {
                    fields.put(
                            line.substring(0, colon), line.substring(colon + 2).replace("\\n", "\n"));
                }
                if (line.isEmpty() && !fields.isEmpty()) {
                    bugs.add(new SeededBug(
                            fields.get("name"),
                            fields.get("rule"),
                            fields.get("file"),
                            fields.get("find"),
                            fields.get("with"),
                            fields.getOrDefault("seen", "")));
                    fields.clear();
                }
            }
        }
        return bugs;
    }

    private static String source(String file) throws IOException {
        try (InputStream in = KernelSource.class.getResourceAsStream("/io/github/tconv/kernels/" + file + ".cl")) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    /** How often the text stands in its file. */
    int places() throws IOException {
        return source(file).split(java.util.regex.Pattern.quote(text), -1).length - 1;
    }

    /** No bug: everything that catches one under a rule must find the kernels right as they are. */
    static SeededBug none(String rule) {
        return new SeededBug("none", rule, "common", "GROUPS", "GROUPS", "");
    }

    /**
     * Looks for the bug in a process of its own, which it may bring down.
     *
     * @param folder for the changed kernel and the compiled programs
     * @param only the checks to make, as this returns them, or empty for all
     * @return what saw the bug, or empty if nothing did
     */
    String caughtBy(Path folder, Collection<String> only) throws IOException, InterruptedException {
        Path kernels = Files.createDirectories(folder.resolve("io/github/tconv/kernels"));
        Files.writeString(kernels.resolve(file + ".cl"), source(file).replace(text, replacement));
        Path out = folder.resolve("out.txt");
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-cp",
                folder + System.getProperty("path.separator") + System.getProperty("java.class.path"),
                SeededBug.class.getName(),
                rule,
                first));
        command.addAll(only);
        ProcessBuilder builder = new ProcessBuilder(command)
                .redirectOutput(out.toFile())
                .redirectError(folder.resolve("err.txt").toFile());
        builder.environment().put("TCONV_CACHE_DIR", folder.resolve("tconv").toString());
        builder.environment()
                .put(
                        "POCL_CACHE_DIR",
                        Files.createDirectories(folder.resolve("pocl")).toString());
        Process process = builder.start();
        if (!process.waitFor(MINUTES, TimeUnit.MINUTES)) {
            process.destroyForcibly().waitFor();
            return "it hangs";
        }
        return switch (process.exitValue()) {
            case 0 -> "";
            case CAUGHT -> {
                try (Stream<String> lines = Files.lines(out)) {
                    yield lines.filter(line -> line.startsWith("caught by "))
                            .map(line -> line.substring("caught by ".length()))
                            .findFirst()
                            .orElseThrow();
                }
            }
            default -> "the process ends with " + process.exitValue();
        };
    }

    /** What a rule lets compute, and where it is looked for first. */
    record Kernels(ForwardRule forward, GradientRules gradients, List<Check> checks, List<Problem> problems) {
        static Kernels ofForward(ForwardRule rule) {
            return new Kernels(
                    rule,
                    GradientRules.standard(),
                    List.of(Check.FORWARD, Check.PREPARED),
                    Stream.of(Catalogue.small(), ForwardVariantTest.IN_PARTS, GpuVariantTest.AWKWARD)
                            .flatMap(List::stream)
                            .toList());
        }

        static Kernels ofInputGradient(ForwardRule rule) {
            return new Kernels(
                    ForwardRule.standard(),
                    new GradientRules(rule, WeightGradientRule.standard()),
                    List.of(Check.INPUT_GRADIENT, Check.PREPARED_CONVOLUTION),
                    GradientVariantTest.ofInputGradient());
        }

        static Kernels ofWeightGradient(WeightGradientRule rule) {
            return new Kernels(
                    ForwardRule.standard(),
                    new GradientRules(InputGradientRule.standard(), rule),
                    List.of(Check.WEIGHT_GRADIENT),
                    GradientVariantTest.ofWeightGradient());
        }
    }

    /** The rules of the contract tests, Winograd's kernel where it fits, and those kernels that need no rule. */
    static Map<String, Kernels> rules() {
        Map<String, Kernels> rules = new HashMap<>();
        GpuVariantTest.rules().forEach((name, rule) -> rules.put(name, Kernels.ofForward(rule)));
        ForwardVariantTest.rules().forEach((name, rule) -> rules.put(name, Kernels.ofForward(rule)));
        rules.put("winograd", Kernels.ofForward(winograd(WinogradVariant::suiting)));
        rules.put("winograd, 2 tiles of channels", Kernels.ofForward(winograd((problem, processor) -> {
            WinogradVariant variant = new WinogradVariant(LayerShape.of(problem.layer()), processor, 1);
            return RetiledVariant.always(variant, variant.tile(3, 6, 2));
        })));
        GradientVariantTest.inputGradientRules()
                .forEach((name, rule) -> rules.put("input gradient, " + name, Kernels.ofInputGradient(rule)));
        GradientVariantTest.weightGradientRules()
                .forEach((name, rule) -> rules.put("weight gradient, " + name, Kernels.ofWeightGradient(rule)));
        // One program serves all problems, and some of the large ones are cut into blocks.
        rules.put(
                "bias gradient",
                new Kernels(
                        ForwardRule.standard(),
                        GradientRules.standard(),
                        List.of(Check.BIAS_GRADIENT),
                        Catalogue.all()));
        rules.put(ELEMENTWISE, new Kernels(ForwardRule.standard(), GradientRules.standard(), List.of(), List.of()));
        return rules;
    }

    private static ForwardRule winograd(BiFunction<Problem, Processor, ForwardVariant> where) {
        return (problem, device) -> WinogradVariant.fits(LayerShape.of(problem.layer()), Processor.of(device))
                ? where.apply(problem, Processor.of(device))
                : new PlainVariant();
    }

    /** Makes the contract checks with a rule, one of them first, or only those named after it; tells one that fails. */
    public static void main(String[] ruleFirstAndOnly) {
        String rule = ruleFirstAndOnly[0];
        String first = ruleFirstAndOnly[1];
        List<String> only = List.of(ruleFirstAndOnly).subList(2, ruleFirstAndOnly.length);
        Device device = TestDevices.usable().stream()
                .filter(found -> found.hostMemory() == Device.HostMemory.SAME)
                .findFirst()
                .orElseThrow();
        Kernels kernels = rules().get(rule);
        Engine oracle = Tconv.open("reference");
        Engine engine = Engine.of(new OpenClBackend(device, kernels.forward(), kernels.gradients(), SelfCheck.OFF));
        if (rule.equals(ELEMENTWISE)) {
            for (ElementwiseContract.Case work : ElementwiseContract.all()) {
                work.difference(engine, oracle).ifPresent(SeededBug::caught);
            }
        }
        Verification verification = new Verification(engine, oracle);
        Map<String, Supplier<Result>> checks = new LinkedHashMap<>();
        for (Problem problem : kernels.problems()) {
            for (Check check : kernels.checks()) {
                checks.put(check + " of " + problem, () -> verification.verify(problem, check));
            }
        }
        Stream.concat(Stream.of(first), checks.keySet().stream())
                .filter(name -> checks.containsKey(name) && (only.isEmpty() || only.contains(name)))
                .filter(name -> !checks.get(name).get().passed())
                .forEach(SeededBug::caught);
        Runtime.getRuntime().halt(0);
    }

    private static void caught(String by) {
        System.out.println("caught by " + by);
        // Without the engine's close, which would store the programs.
        Runtime.getRuntime().halt(CAUGHT);
    }
}
