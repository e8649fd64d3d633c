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
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.stream.Stream;

/**
 * A bug to plant in a kernel file: a mistake that somebody might make, which the contract tests must see.
 *
 * @param name what is wrong
 * @param rule which kernels are to compute: a name of {@link #rules}, {@link #GRADIENTS} or {@link #ELEMENTWISE}
 * @param file the kernel file, without its ending
 * @param text what stands there, once
 * @param replacement what stands there with the bug
 */
record SeededBug(String name, String rule, String file, String text, String replacement) {
    /** The rule under which the plain gradients are looked at. */
    static final String GRADIENTS = "gradients";

    /** The rule under which elementwise work is looked at. */
    static final String ELEMENTWISE = "elementwise";

    private static final String INPUT_GRADIENT = "input gradient, ";

    private static final int CAUGHT = 10;
    /** Some seconds are needed; a machine with other work may take minutes. */
    private static final int MINUTES = 15;

    /** Reads the bugs that are kept as test data. */
    static List<SeededBug> all() throws IOException {
        List<SeededBug> bugs = new ArrayList<>();
        Map<String, String> fields = new HashMap<>();
        try (InputStream in = SeededBug.class.getResourceAsStream("/seeded-bugs.txt")) {
            String text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
            for (String line :
                    text.lines().filter(line -> !line.startsWith("#")).toList()) {
                int colon = line.indexOf(": ");
                if (colon > 0) {
                    fields.put(line.substring(0, colon), line.substring(colon + 2));
                }
                if (fields.size() == 5) {
                    bugs.add(new SeededBug(
                            fields.get("name"),
                            fields.get("rule"),
                            fields.get("file"),
                            fields.get("find").replace("\\n", "\n"),
                            fields.get("with").replace("\\n", "\n")));
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

    /**
     * Looks for the bug in a process of its own, which it may bring down.
     *
     * @param folder for the changed kernel and the compiled programs
     * @return what saw the bug, or empty if nothing did
     */
    String caughtBy(Path folder) throws IOException, InterruptedException {
        Path kernels = Files.createDirectories(folder.resolve("io/github/tconv/kernels"));
        Files.writeString(kernels.resolve(file + ".cl"), source(file).replace(text, replacement));
        Path out = folder.resolve("out.txt");
        ProcessBuilder builder = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        folder + System.getProperty("path.separator") + System.getProperty("java.class.path"),
                        SeededBug.class.getName(),
                        rule)
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

    /** The rules of the contract tests, and Winograd's kernel where it fits. */
    static Map<String, ForwardRule> rules() {
        Map<String, ForwardRule> rules = new HashMap<>(GpuVariantTest.rules());
        rules.putAll(ForwardVariantTest.rules());
        GradientVariantTest.inputGradientRules().forEach((name, rule) -> rules.put(INPUT_GRADIENT + name, rule));
        rules.put(GRADIENTS, rules.get(INPUT_GRADIENT + "plain"));
        rules.put(ELEMENTWISE, rules.get("plain"));
        rules.put("winograd", winograd(WinogradVariant::suiting));
        rules.put("winograd, 2 tiles of channels", winograd((problem, processor) -> {
            WinogradVariant variant = new WinogradVariant(LayerShape.of(problem.layer()), processor, 1);
            return RetiledVariant.always(variant, variant.tile(3, 6, 2));
        }));
        return rules;
    }

    private static ForwardRule winograd(BiFunction<Problem, Processor, ForwardVariant> where) {
        return (problem, device) -> WinogradVariant.fits(LayerShape.of(problem.layer()), Processor.of(device))
                ? where.apply(problem, Processor.of(device))
                : new PlainVariant();
    }

    /** Makes the contract checks with one rule and tells the first that fails. */
    public static void main(String[] rule) {
        Device device = Discovery.run().devices().stream()
                .filter(found -> found.info().unusable() == null && found.hostMemory() == Device.HostMemory.SAME)
                .findFirst()
                .orElseThrow();
        ForwardRule forced = rules().get(rule[0]);
        boolean gradients = rule[0].equals(GRADIENTS) || rule[0].startsWith(INPUT_GRADIENT);
        List<Check> checks = gradients
                ? List.of(Check.INPUT_GRADIENT, Check.CONVOLUTION, Check.WEIGHT_GRADIENT, Check.BIAS_GRADIENT)
                : List.of(Check.FORWARD, Check.PREPARED);
        Engine oracle = Tconv.open("reference");
        Engine engine = Engine.of(
                gradients
                        ? new OpenClBackend(
                                device,
                                ForwardRule.standard(),
                                new GradientRules(forced, (problem, any) -> WeightGradientRule.plain(problem)),
                                SelfCheck.OFF)
                        : new OpenClBackend(device, forced));
        if (rule[0].equals(ELEMENTWISE)) {
            for (ElementwiseContract.Case work : ElementwiseContract.all()) {
                work.difference(engine, oracle).ifPresent(SeededBug::caught);
            }
        }
        Verification verification = new Verification(engine, oracle);
        List<Problem> problems = gradients
                ? Catalogue.small()
                : Stream.of(Catalogue.small(), ForwardVariantTest.IN_PARTS, GpuVariantTest.AWKWARD)
                        .flatMap(List::stream)
                        .toList();
        for (Problem problem : problems) {
            for (Check check : checks) {
                Result result = verification.verify(problem, check);
                if (!result.passed()) {
                    caught(check + " of " + problem);
                }
            }
        }
        Runtime.getRuntime().halt(0);
    }

    private static void caught(String by) {
        System.out.println("caught by " + by);
        // Without the engine's close, which would store the programs.
        Runtime.getRuntime().halt(CAUGHT);
    }
}
