package io.github.tconv.opencl;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Problem;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Asks the compilers of four GPUs, none of which need be here, what they make of the forward kernels at the constants
 * that the rule chooses for real layers, and writes a table of it. A compiler that is not installed is named there.
 */
final class GpuReport {
    private static final List<String> LAYERS = List.of(
            "dcgan-1 n8_ic1024_oc512_i4x4_k4x4_s2x2_p1x1",
            "dcgan-3 n8_ic256_oc128_i16x16_k4x4_s2x2_p1x1",
            "dcgan-rgb n8_ic128_oc3_i32x32_k4x4_s2x2_p1x1",
            "unet-2x2 ic128_oc64_i128x128_k2x2_s2x2",
            "maskrcnn n16_ic256_oc256_i14x14_k2x2_s2x2",
            "pose ic256_oc256_i32x24_k4x4_s2x2_p1x1",
            "cyclegan ic256_oc128_i64x64_k3x3_s2x2_p1x1_op1x1",
            "fcn32s ic21_oc21_i16x16_k64x64_s32x32_p16x16",
            "fsrcnn-x3 ic56_oc1_i128x128_k9x9_s3x3_p4x4_op2x2",
            "waifu2x ic256_oc3_i128x128_k4x4_s2x2_p3x3",
            "s1-3x3 ic64_oc64_i56x56_k3x3_p1x1",
            "depthwise ic64_oc64_g64_i64x64_k4x4_s2x2_p1x1",
            "hifigan-1 ic512_oc256_i256_k16_s8_p4",
            "hifigan-4 ic64_oc32_i16384_k4_s2_p1",
            "vnet ic64_oc32_i32x32x32_k2x2x2_s2x2x2",
            // None of the suite: so that the rule is not fitted to it.
            "unet-3d ic128_oc64_i16x16x16_k3x3x3_s2x2x2_p1x1x1_op1x1x1",
            "wavegan ic128_oc1_i4096_k25_s4_p11_op1",
            "k5-s1-rgb ic32_oc3_i256x256_k5x5_p2x2",
            "k8-s4-rgb ic64_oc3_i64x64_k8x8_s4x4_p2x2",
            "grouped ic96_oc48_g4_i40x40_k3x3_s2x2_p1x1_op1x1");

    private static final Card RX_6800 = new Card("gfx1030", new Gpu(60, 64 << 10, 256), 16.17e12, 512e9);
    private static final Card A100 = new Card("sm_80", new Gpu(108, 48 << 10, 1024), 19.5e12, 1555e9);
    private static final Card MI210 = new Card("gfx90a", new Gpu(104, 64 << 10, 256), 22.6e12, 1638e9);
    private static final Card A770 = new Card("dg2", new Gpu(512, 64 << 10, 1024), 19.66e12, 560e9);

    /** OpenCL's built-in functions for clang, the package libclc-15. */
    private static final Path LIBRARIES = Path.of("/usr/lib/clc");
    /** AMD's and the first half of NVIDIA's compiler, the second half of NVIDIA's, Intel's. */
    private static final List<String> TOOLS = List.of("clang-15", "ptxas", "ocloc");

    private static final Pattern AMD_BRANCH = Pattern.compile("^s_c?branch\\S*\\s+(\\S+)");
    private static final Pattern PTX_BRANCH = Pattern.compile("\\bbra(?:\\.uni)?\\s+(\\S+?);");
    private static final Pattern INTEL_BRANCH = Pattern.compile("\\b(?:while|goto|jmpi|brc|brd)\\b.*?\\s([L_]\\w+)");
    private static final Pattern LABEL = Pattern.compile("^([.$]?[\\w$]+):");

    private final Path folder;
    private final Map<String, Boolean> installed = new HashMap<>();
    private final List<String> spilled = new ArrayList<>();
    private int compiled;

    private GpuReport(Path folder) {
        this.folder = folder;
    }

    /** A card: its compiler's name for it, what its driver would say, float32 peak and memory bandwidth. */
    private record Card(String target, Gpu gpu, double flops, double bandwidth) {
        ForwardVariant variant(Problem rank3, @Nullable ForwardVariant plain) {
            return plain != null ? plain : GpuRule.choose(LayerShape.of(rank3.layer()), gpu);
        }
    }

    /** What a compiler says of a kernel; a share is of the loop that has the most multiply-adds. */
    private record Facts(String registers, int spills, String local, String occupancy, double share) {}

    private record Loop(int instructions, int multiplyAdds) {}

    /**
     * Compiles with whichever compilers are there and says which; fails if a kernel spills.
     *
     * @param arguments the page whose table to write; without, only the summary is printed
     * @throws Exception if a compiler cannot be run or refuses a kernel
     */
    public static void main(String[] arguments) throws Exception {
        GpuReport report = new GpuReport(Files.createTempDirectory("tconv-gpu"));
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        StringBuilder table = new StringBuilder();
        report.write(table);
        if (arguments.length > 0) {
            replaceTable(Path.of(arguments[0]), table.toString());
        }
        for (String tool : TOOLS) {
            if (!report.isInstalled(tool)) {
                out.println("gpu-report: NOT RUN, for it is not installed: " + tool);
            }
        }
        report.spilled.forEach(kernel -> out.println("gpu-report: registers spilled: " + kernel));
        out.printf("gpu-report: %d kernels compiled, %d spill%n", report.compiled, report.spilled.size());
        if (!report.spilled.isEmpty()) {
            System.exit(1);
        }
    }

    /** Puts the table in the place of the last one, which is all that follows the mark, and leaves what a person wrote. */
    private static void replaceTable(Path page, String table) throws IOException {
        String mark = "<!-- The rest of this page is written by .github/gpu-report.sh. -->\n";
        String text = Files.exists(page) ? Files.readString(page) : "";
        int at = text.indexOf(mark);
        Files.writeString(page, (at < 0 ? text : text.substring(0, at)) + mark + table);
    }

    private void write(StringBuilder out) throws Exception {
        out.append("\n## What the compilers say\n\n");
        out.append("Compiled on %s by %s.".formatted(LocalDate.now(ZoneOffset.UTC), String.join(", ", versions())));
        for (String tool : TOOLS) {
            if (!isInstalled(tool)) {
                out.append(" **").append(tool).append(" was missing: its columns are empty.**");
            }
        }
        out.append("\n\nEach cell: registers / spills / occupancy / share of multiply-adds in the inner loop.\n\n");
        out.append(
                "| layer | variant | AMD gfx1030 | AMD gfx90a | NVIDIA sm_80 | Intel dg2 | local bytes (gfx1030) |\n");
        out.append("|---|---|---|---|---|---|---|\n");
        StringBuilder roofline = new StringBuilder("""

                ## Predicted times

                Of each card the greater of operations over peak and bytes (input, weight, output once) over bandwidth.
                RX 6800: 16.17 TFLOP/s, 512 GB/s; A100: 19.5 TFLOP/s, 1555 GB/s. "At the share" counts every
                instruction of the inner loop as long as a multiply-add, though waves issue scalar and memory
                instructions beside each other's arithmetic: the RX 6800 should land between the two columns, padding of
                tiles aside. Work-items are those of the RX 6800, for each of its 60 compute units.

                | layer | GFLOP | MB | RX 6800 µs | bound by | at the share µs | A100 µs | bound by | work-items a unit |
                |---|---|---|---|---|---|---|---|---|
                """);
        for (String layer : LAYERS) {
            int space = layer.indexOf(' ');
            String name = layer.substring(0, space);
            Problem problem = Problem.parse(layer.substring(space + 1));
            report(name, problem, null, out, roofline);
        }
        Problem dcgan3 = Problem.parse("n8_ic256_oc128_i16x16_k4x4_s2x2_p1x1");
        report("dcgan-3", dcgan3, new PlainVariant(), out, null);
        report("dcgan-3", dcgan3, PlainVariant.ofInputGradient(), out, null);
        out.append(roofline);
    }

    private void report(
            String name,
            Problem problem,
            @Nullable ForwardVariant plain,
            StringBuilder out,
            @Nullable StringBuilder roofline)
            throws Exception {
        ForwardVariant variant = RX_6800.variant(problem.asRank3(), plain);
        Optional<Facts> rdna = amd(RX_6800, problem, plain);
        out.append("| %s | %s | %s | %s | %s | %s | %s |\n"
                .formatted(
                        name,
                        variant.name() + constants(variant, problem),
                        cell(name + " on gfx1030", rdna),
                        cell(name + " on gfx90a", amd(MI210, problem, plain)),
                        cell(name + " on sm_80", nvidia(problem, plain)),
                        cell(name + " on dg2", intel(problem, plain)),
                        rdna.map(Facts::local).orElse("")));
        if (roofline != null) {
            double bytes = (product(problem.inputShape())
                            + product(problem.outputShape())
                            + product(problem.layer().weightShape()))
                    * Float.BYTES;
            long items = 1;
            for (long size :
                    variant.tileFor(problem.asRank3()).range(problem.asRank3()).global()) {
                items *= size;
            }
            double share = rdna.map(Facts::share).orElse(Double.NaN);
            roofline.append(String.format(
                    Locale.ROOT,
                    "| %s | %.2f | %.1f | %s | %.0f | %s | %d |\n",
                    name,
                    problem.flops() / 1e9,
                    bytes / 1e6,
                    bound(RX_6800, problem.flops(), bytes),
                    Math.max(problem.flops() / RX_6800.flops() / share, bytes / RX_6800.bandwidth()) * 1e6,
                    bound(A100, problem.flops(), bytes),
                    items / RX_6800.gpu().units()));
        }
    }

    private static String constants(ForwardVariant variant, Problem problem) {
        return (variant.constants() + variant.tileFor(problem.asRank3()).constants()).replace(" -D", " ");
    }

    private static String bound(Card card, double flops, double bytes) {
        double compute = flops / card.flops() * 1e6;
        double memory = bytes / card.bandwidth() * 1e6;
        return String.format(
                Locale.ROOT, "%.0f | %s", Math.max(compute, memory), compute > memory ? "arithmetic" : "memory");
    }

    private static double product(int[] shape) {
        double product = 1;
        for (int size : shape) {
            product *= size;
        }
        return product;
    }

    private String cell(String kernel, Optional<Facts> facts) {
        return facts.map(f -> {
                    compiled++;
                    if (f.spills() > 0) {
                        spilled.add(kernel);
                    }
                    return String.format(
                            Locale.ROOT,
                            "%s / %d / %s / %.0f %%",
                            f.registers(),
                            f.spills(),
                            f.occupancy(),
                            100 * f.share());
                })
                .orElse("not installed");
    }

    /** Writes the source for a card and returns the compiler's options. */
    private String prepare(Card card, Problem problem, @Nullable ForwardVariant plain, Path source) throws IOException {
        Problem rank3 = problem.asRank3();
        ForwardVariant variant = card.variant(rank3, plain);
        Files.writeString(source, KernelSource.of(variant.sources()));
        return LayerConstants.withEpilogue(LayerConstants.of(rank3.layer()), true, false, Activation.relu())
                + variant.constants()
                + variant.tileFor(rank3).constants();
    }

    private static String kernel(Card card, Problem problem, @Nullable ForwardVariant plain) {
        return card.variant(problem.asRank3(), plain).name();
    }

    private Optional<Facts> amd(Card card, Problem problem, @Nullable ForwardVariant plain) throws Exception {
        if (!isInstalled("clang-15")) {
            return Optional.empty();
        }
        Path source = folder.resolve("amd.cl");
        Path assembly = folder.resolve("amd.s");
        String options = prepare(card, problem, plain, source);
        clang(source, options, "amdgcn-amd-amdhsa", card.target(), "amdgcn--amdhsa.bc", assembly);
        String text = Files.readString(assembly);
        String kernel = kernel(card, problem, plain);
        String body = text.substring(text.indexOf("\n" + kernel + ":"));
        int end = body.indexOf("s_endpgm");
        Loop loop = loop(
                body.substring(0, body.indexOf(".Lfunc_end", end)).lines().toList(),
                line -> line.matches("[sv]_\\S.*|ds_\\S.*|global_\\S.*|flat_\\S.*|buffer_\\S.*|scratch_\\S.*"),
                line -> line.matches("v_(pk_)?(fma|fmac|mac|mad)_f32\\S*\\s.*"),
                AMD_BRANCH);
        int named = text.indexOf(".name:           " + kernel + "\n");
        int spills =
                number(text.substring(named), "\\.vgpr_spill_count:\\s*(\\d+)") + number(body, "; ScratchSize: (\\d+)");
        int most = card.target().equals("gfx1030") ? 16 : 8;
        return Optional.of(new Facts(
                Integer.toString(number(body, "; NumVgprs: (\\d+)")),
                spills,
                Integer.toString(number(body, "; LDSByteSize: (\\d+)")),
                number(body, "; Occupancy: (\\d+)") + " of " + most,
                share(loop)));
    }

    private Optional<Facts> nvidia(Problem problem, @Nullable ForwardVariant plain) throws Exception {
        if (!isInstalled("clang-15") || !isInstalled("ptxas")) {
            return Optional.empty();
        }
        Path source = folder.resolve("nvidia.cl");
        Path ptx = folder.resolve("nvidia.ptx");
        String options = prepare(A100, problem, plain, source);
        clang(source, options, "nvptx64-nvidia-nvcl", "sm_80", "nvptx64--nvidiacl.bc", ptx);
        String kernel = kernel(A100, problem, plain);
        String said = run(
                List.of(
                        "ptxas",
                        "-v",
                        "-arch=sm_80",
                        ptx.toString(),
                        "-o",
                        folder.resolve("nvidia.cubin").toString()),
                Map.of());
        String own = said.substring(said.indexOf("'" + kernel + "'"));
        int registers = number(own, "Used (\\d+) registers");
        int shared = own.indexOf("smem") < 0
                ? 0
                : number(
                        own.lines().filter(l -> l.contains("Used ")).findFirst().orElseThrow(), "(\\d+) bytes smem");
        String text = Files.readString(ptx);
        String body = text.substring(text.indexOf(".entry " + kernel + "("));
        Loop loop = loop(
                body.substring(0, body.indexOf("\n}")).lines().toList(),
                line -> line.endsWith(";") && !line.startsWith("."),
                line -> line.startsWith("fma.rn.f32"),
                PTX_BRANCH);
        int items = plain != null ? 64 : groupSize(A100, problem);
        return Optional.of(new Facts(
                Integer.toString(registers),
                number(own, "(\\d+) bytes spill stores"),
                Integer.toString(shared),
                warps(registers, shared, items) + " of 64",
                share(loop)));
    }

    private static int groupSize(Card card, Problem problem) {
        Problem rank3 = problem.asRank3();
        long items = 1;
        for (long size : card.variant(rank3, null).tileFor(rank3).range(rank3).local()) {
            items *= size;
        }
        return Math.toIntExact(items);
    }

    /** Warps that fit on a multiprocessor of sm_80: 65536 registers given out by 256, 164 KiB, 32 groups, 64 warps. */
    private static int warps(int registers, int shared, int items) {
        int perGroup = (items + 31) / 32;
        int byRegisters = 65536 / ((registers * 32 + 255) / 256 * 256) / perGroup;
        int byShared = 164 * 1024 / (shared + 1024);
        return perGroup * Math.min(Math.min(byRegisters, byShared), Math.min(32, 64 / perGroup));
    }

    private Optional<Facts> intel(Problem problem, @Nullable ForwardVariant plain) throws Exception {
        if (!isInstalled("ocloc")) {
            return Optional.empty();
        }
        Path source = folder.resolve("intel.cl");
        String options = prepare(A770, problem, plain, source);
        Path dump = Files.createTempDirectory(folder, "igc");
        run(
                List.of(
                        "ocloc",
                        "compile",
                        "-file",
                        source.toString(),
                        "-device",
                        "dg2",
                        "-options",
                        options,
                        "-output",
                        "intel",
                        "-out_dir",
                        folder.toString()),
                Map.of("IGC_ShaderDumpEnable", "1", "IGC_DumpToCustomDir", dump.toString()));
        String kernel = kernel(A770, problem, plain);
        List<Path> listings;
        try (Stream<Path> files = Files.list(dump)) {
            // A compilation that spilled is tried again another way: the last listing is what was taken.
            listings = files.filter(file -> file.toString().endsWith(".asm"))
                    .sorted(Comparator.comparingLong(
                                    (Path file) -> file.toFile().lastModified())
                            .reversed())
                    .toList();
        }
        for (Path listing : listings) {
            String text = Files.readString(listing);
            if (text.startsWith("//.kernel " + kernel + "\n")) {
                Loop loop = loop(
                        text.lines().filter(line -> !line.startsWith("//")).toList(),
                        line -> line.matches("(\\(.*?\\)\\s*)?[a-z]\\w*(\\.\\S+)?\\s.*"),
                        line -> line.matches("(\\(.*?\\)\\s*)?mad\\s.*:f\\s.*"),
                        INTEL_BRANCH);
                Matcher spill = Pattern.compile("//\\.spill size (\\d+)").matcher(text);
                String simd = listing.getFileName().toString().replaceAll(".*_simd(\\d+)_.*", "$1");
                return Optional.of(new Facts(
                        "128 GRF",
                        spill.find() ? Integer.parseInt(spill.group(1)) : 0,
                        "",
                        "SIMD" + simd,
                        share(loop)));
            }
        }
        throw new IOException("ocloc listed no kernel " + kernel + " for " + problem);
    }

    private static double share(Loop loop) {
        return (double) loop.multiplyAdds() / loop.instructions();
    }

    /**
     * Of the loops that have multiply-adds and none of whose inner loops has any, the one with the most; of equal ones
     * the shortest. Without such a loop, the whole kernel.
     */
    private static Loop loop(
            List<String> lines, Predicate<String> isInstruction, Predicate<String> isMultiplyAdd, Pattern branch) {
        Map<String, Integer> labels = new HashMap<>();
        int instructions = 0;
        List<Integer> multiplyAdds = new ArrayList<>();
        Loop best = new Loop(1, 0);
        int lastStart = -1;
        for (String line : lines) {
            String text = line.strip();
            Matcher label = LABEL.matcher(text);
            if (label.find()) {
                labels.put(label.group(1), instructions);
            } else if (isInstruction.test(text)) {
                if (isMultiplyAdd.test(text)) {
                    multiplyAdds.add(instructions);
                }
                instructions++;
                Matcher back = branch.matcher(text);
                Integer start = back.find() ? labels.get(back.group(1)) : null;
                // Loops come in the order of their ends: one that begins before another did has that one inside.
                if (start != null && start > lastStart) {
                    int first = start;
                    Loop loop = new Loop(instructions - first, (int)
                            multiplyAdds.stream().filter(at -> at >= first).count());
                    if (loop.multiplyAdds() > 0) {
                        lastStart = start;
                    }
                    if (loop.multiplyAdds() > best.multiplyAdds()
                            || (loop.multiplyAdds() == best.multiplyAdds() && share(loop) > share(best))) {
                        best = loop;
                    }
                }
            }
        }
        // Where the loops are written out, the whole kernel.
        return best.multiplyAdds() > 0 ? best : new Loop(instructions, multiplyAdds.size());
    }

    private static int number(String text, String pattern) {
        Matcher matcher = Pattern.compile(pattern).matcher(text);
        if (!matcher.find()) {
            throw new IllegalStateException("the compiler did not say " + pattern);
        }
        return Integer.parseInt(matcher.group(1));
    }

    private void clang(Path source, String options, String triple, String processor, String library, Path assembly)
            throws Exception {
        List<String> command = new ArrayList<>(List.of("clang-15", "-x", "cl", "-w"));
        command.addAll(List.of(options.split(" ")));
        command.addAll(List.of("-Xclang", "-finclude-default-header", "-target", triple, "-nogpulib", "-O3", "-S"));
        command.addAll(List.of("-Xclang", "-target-cpu", "-Xclang", processor));
        command.addAll(List.of(
                "-Xclang",
                "-mlink-bitcode-file",
                "-Xclang",
                LIBRARIES.resolve(library).toString()));
        command.addAll(List.of(source.toString(), "-o", assembly.toString()));
        run(command, Map.of());
    }

    private List<String> versions() throws Exception {
        List<String> versions = new ArrayList<>();
        if (isInstalled("clang-15")) {
            versions.add(line("clang version \\S+", List.of("clang-15", "--version")));
        }
        if (isInstalled("ptxas")) {
            versions.add("ptxas " + line("V[0-9.]+", List.of("ptxas", "--version")));
        }
        if (isInstalled("ocloc")) {
            versions.add("ocloc");
        }
        return versions;
    }

    private String line(String pattern, List<String> command) throws Exception {
        Matcher matcher = Pattern.compile(pattern).matcher(run(command, Map.of()));
        return matcher.find() ? matcher.group() : "of an unknown version";
    }

    private boolean isInstalled(String tool) {
        return installed.computeIfAbsent(
                tool,
                name -> Stream.of(System.getenv("PATH").split(":"))
                                .anyMatch(folder -> Files.isExecutable(Path.of(folder, name)))
                        && (!name.equals("clang-15") || Files.isDirectory(LIBRARIES)));
    }

    private String run(List<String> command, Map<String, String> environment) throws Exception {
        Path said = folder.resolve("said");
        ProcessBuilder builder =
                new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(said.toFile());
        builder.environment().putAll(environment);
        Process process = builder.start();
        if (!process.waitFor(5, TimeUnit.MINUTES) || process.exitValue() != 0) {
            process.destroyForcibly();
            throw new IOException(String.join(" ", command) + " failed:\n" + Files.readString(said));
        }
        return Files.readString(said);
    }
}
