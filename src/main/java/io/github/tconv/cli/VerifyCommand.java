package io.github.tconv.cli;

import io.github.tconv.Engine;
import io.github.tconv.EngineHabit;
import io.github.tconv.Tconv;
import io.github.tconv.op.Problem;
import io.github.tconv.verify.Catalogue;
import io.github.tconv.verify.Check;
import io.github.tconv.verify.Result;
import io.github.tconv.verify.Verification;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Compares a device with plain Java. Each row is printed when it is known: a driver may take its time, or crash. */
@Command(
        name = "verify",
        description = {
            "Computes every operation of a catalogue of awkward problems on the device and in plain Java, and says what"
                    + " differs: on integers anything that is not equal, on reals what is further off than float32"
                    + " sums can be.",
            "Exits 0 if nothing differs, 3 if something does."
        },
        mixinStandardHelpOptions = true)
final class VerifyCommand implements Callable<Integer> {
    private static final String COLUMN = "  %-" + "prepared-convolution".length() + "s";

    @Spec
    @SuppressWarnings("NullAway.Init") // set by picocli
    private CommandSpec spec;

    @Mixin
    private final DeviceOption device = new DeviceOption();

    @Option(
            names = "--problem",
            paramLabel = "DESCRIPTOR",
            description =
                    "A problem instead of the catalogue, such as n2_ic3_oc5_i3x4_k3x2_s2x3_p1x0. May be repeated.")
    private final List<String> problems = new ArrayList<>();

    @Option(names = "--small", description = "Only the small part of the catalogue, of each kind of problem one.")
    private boolean small;

    @Override
    public Integer call() {
        List<Problem> chosen = chosen();
        PrintWriter out = spec.commandLine().getOut();
        // With its self-check an engine would skip the kernels that this is to find.
        try (Engine engine = device.open(EngineHabit.SELF_CHECK);
                Engine oracle = Tconv.open("reference")) {
            out.println(engine.describe());
            return verify(new Verification(engine, oracle), chosen, out);
        }
    }

    private List<Problem> chosen() {
        if (small && !problems.isEmpty()) {
            throw new IllegalArgumentException("--small must not be given together with --problem: " + problems);
        }
        if (!problems.isEmpty()) {
            return problems.stream().map(Problem::parse).toList();
        }
        return small ? Catalogue.small() : Catalogue.all();
    }

    static int verify(Verification verification, List<Problem> problems, PrintWriter out) {
        int width = problems.stream()
                .mapToInt(problem -> problem.toString().length())
                .max()
                .orElse(0);
        StringBuilder header = new StringBuilder(("%-" + width + "s").formatted("problem"));
        for (Check check : Check.values()) {
            header.append(COLUMN.formatted(check));
        }
        out.println(header.toString().stripTrailing());

        int checks = 0;
        int failed = 0;
        double worst = 0;
        for (Problem problem : problems) {
            List<Result> results = verification.verify(problem);
            StringBuilder row = new StringBuilder(("%-" + width + "s").formatted(problem));
            results.forEach(result -> row.append(COLUMN.formatted(result.passed() ? "ok" : "DIFFERS")));
            out.println(row.toString().stripTrailing());
            for (Result result : results) {
                checks++;
                failed += result.passed() ? 0 : 1;
                worst = Math.max(worst, result.worst());
                result.message().ifPresent(message -> out.println("    %s: %s".formatted(result.check(), message)));
            }
            out.flush();
        }
        out.println(
                failed == 0
                        ? String.format(
                                Locale.ROOT,
                                "%d problems, %d checks: all ok; the largest error on reals is %.2f of what is allowed",
                                problems.size(),
                                checks,
                                worst)
                        : "%d problems, %d checks: %d DIFFER".formatted(problems.size(), checks, failed));
        return failed == 0 ? Main.DONE : Main.DEVICE_FAILED;
    }
}
