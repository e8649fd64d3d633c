package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.Engine;
import io.github.tconv.EngineHabit;
import io.github.tconv.Tconv;
import io.github.tconv.op.Activation;
import io.github.tconv.op.Backend.PreparedLayer;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import io.github.tconv.reference.ReferenceBackend;
import io.github.tconv.verify.ElementwiseContract;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.logging.Logger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Kernels that are broken on purpose are noticed before they compute for a caller, and others take their place. */
class SelfCheckTest {
    private static final Problem PROBLEM = Problem.parse("n2_ic6_oc20_i5x7_k3x4_s2x1_p1x2");
    private static final Logger LOG = Logger.getLogger(SelfCheck.class.getName());

    @TempDir
    private Path folder;

    private final ReferenceBackend reference = new ReferenceBackend();
    private final Exemplar operands = new Exemplar(PROBLEM.asRank3(), Activation.none());
    private final KernelSource.Alteration unaltered = KernelSource.alter((file, text) -> text);

    @RegisterExtension
    final Warnings listener = new Warnings(LOG);

    private final List<String> warnings = listener.said();

    @AfterEach
    void restore() {
        KernelSource.alter(unaltered);
    }

    private OpenClBackend open(Device device) {
        Ledger ledger = new Ledger(
                new PrivateFolder(folder.resolve("device" + device.info().index())), "self-check");
        return new OpenClBackend(device, ForwardRule.standard(), new SelfCheck(device, reference, ledger));
    }

    /** The file of a variant's that stores: the one that defines the activation. */
    private static String storing(ForwardVariant variant) {
        return variant.sources().get(1);
    }

    /** Has some files store one more than they should. */
    static void breakStores(List<String> files) {
        KernelSource.alter((file, text) -> files.contains(file) ? """
                  #undef DEFINE_ACTIVATE
                  #define DEFINE_ACTIVATE(NAME, T) inline T NAME(const T x, const T slope) { return x + (T)(1.0f); }
                  """ + text : text);
    }

    private static List<ForwardVariant> fast(Device device) {
        return ForwardCandidates.of(PROBLEM.asRank3(), device).stream()
                .filter(variant -> !variant.name().equals("forward"))
                .toList();
    }

    private static List<String> storingFast(Device device) {
        return fast(device).stream().map(SelfCheckTest::storing).distinct().toList();
    }

    private String compute(OpenClBackend backend) {
        try (PreparedLayer layer = backend.prepare(
                PROBLEM.layer(), operands.weight().reshape(PROBLEM.layer().weightShape()), null, Activation.none())) {
            Tensor output = operands.unwritten().reshape(PROBLEM.outputShape());
            layer.forward(PROBLEM, operands.read().reshape(PROBLEM.inputShape()), null, output);
            Tensor expected = operands.expected(reference, false, false);
            assertEquals("", operands.difference(expected, output).orElse(""), "what the caller got");
            return layer.describe(PROBLEM);
        }
    }

    @Test
    void aSoundKernelIsTriedOnceAndRemembered() {
        for (Device device : TestDevices.usable()) {
            Ledger ledger = new Ledger(
                    new PrivateFolder(folder.resolve("sound" + device.info().index())), "self-check");
            try (Session session = new Session(device)) {
                Program program = session.programs()
                        .get(
                                List.of("common", "forward"),
                                LayerConstants.withEpilogue(
                                        LayerConstants.of(PROBLEM.asRank3().layer()), false, false, Activation.none()));
                AtomicInteger trials = new AtomicInteger();
                for (int i = 0; i < 2; i++) {
                    SelfCheck check = new SelfCheck(device, reference, ledger);
                    assertEquals(i > 0, check.hasVerdict(program), "nobody waits for a trial that was made");
                    for (int j = 0; j < 2; j++) {
                        assertTrue(check.passes(program, "forward", oracle -> {
                            trials.incrementAndGet();
                            return Optional.empty();
                        }));
                    }
                    assertTrue(check.hasVerdict(program));
                    check.save();
                    assertEquals(1, trials.get());
                }
            }
            assertEquals(List.of("right"), List.copyOf(ledger.read().values()));
            try (OpenClBackend backend = open(device)) {
                compute(backend);
                compute(backend);
            }
        }
        assertEquals(List.of(), warnings);
    }

    /** The gate switches the check off, lest it hide what the other tests are to find. */
    @Test
    void theFaceSwitchesItOnAndOff() {
        for (Device device : TestDevices.usable()) {
            List<String> all = new ArrayList<>(storingFast(device));
            all.add("forward");
            breakStores(all);
            String index = String.valueOf(device.info().index());
            String before = System.setProperty("tconv.selfCheck", "on");
            try {
                assertTrue(forward(Tconv.open(index)).isEmpty());
                assertTrue(forward(Tconv.open(index, Set.of(EngineHabit.SELF_CHECK)))
                        .isPresent());
                System.setProperty("tconv.selfCheck", "off");
                assertTrue(forward(Tconv.open(index)).isPresent());
            } finally {
                if (before == null) {
                    System.clearProperty("tconv.selfCheck");
                } else {
                    System.setProperty("tconv.selfCheck", before);
                }
            }
        }
    }

    /** What differs in an engine's result; closes the engine. */
    private Optional<String> forward(Engine engine) {
        Tensor output = operands.unwritten();
        try (engine) {
            engine.forward(operands.problem(), operands.read(), operands.weight(), null, output);
        }
        return operands.difference(operands.expected(reference, false, false), output);
    }

    @Test
    void aBrokenKernelIsSkippedWithOneWarningAndTheNextTakesItsPlace() {
        for (Device device : TestDevices.usable()) {
            ForwardVariant ruled = ForwardRule.standard().choose(PROBLEM.asRank3(), device);
            String own = ruled.sources().get(ruled.sources().size() - 1);
            breakStores(List.of(storing(ruled)));
            for (int session = 0; session < 2; session++) {
                warnings.clear();
                try (OpenClBackend backend = open(device)) {
                    String taken = compute(backend);
                    assertFalse(taken.startsWith(ruled.name() + " "), taken);
                    compute(backend);
                }
                assertEquals(1, warnings.size(), warnings::toString);
                for (String part : List.of(
                        "expected ",
                        "found ",
                        ruled.name(),
                        own + ".cl",
                        device.info().name(),
                        device.info().driver())) {
                    assertTrue(warnings.get(0).contains(part), () -> part + " in " + warnings);
                }
            }
        }
    }

    @Test
    void whereNoFastKernelIsRightThePlainOneComputesAndThenPlainJava() {
        for (Device device : TestDevices.usable()) {
            breakStores(storingFast(device));
            try (OpenClBackend backend = open(device)) {
                assertTrue(compute(backend).startsWith("forward"), "the plain kernel");
            }
            List<String> all = new ArrayList<>(storingFast(device));
            all.add("forward");
            breakStores(all);
            try (OpenClBackend backend = open(device)) {
                String taken = compute(backend);
                assertTrue(taken.contains("no kernel computes this layer right"), taken);
                // A bare call too, and into the device's memory and out of it.
                Tensor output = operands.unwritten();
                backend.forward(operands.problem(), operands.read(), operands.weight(), null, output);
                Tensor expected = operands.expected(reference, false, false);
                assertEquals("", operands.difference(expected, output).orElse(""));
            }
        }
    }

    /** The fast kernel of the gradient by the input is broken, then the plain one too. */
    @Test
    void aBrokenGradientIsSkippedToo() {
        for (Device device : TestDevices.usable()) {
            for (List<String> broken : ofInputGradient(device)) {
                breakInputGradient(broken);
                warnings.clear();
                try (OpenClBackend backend = open(device)) {
                    Exemplar adjoint = new Exemplar(PROBLEM.asRank3(), Activation.none(), Parts.INPUT_GRADIENT);
                    Tensor gradient = adjoint.unwritten();
                    backend.inputGradient(
                            adjoint.problem(), adjoint.read(), adjoint.weight(), adjoint.bias(), gradient);
                    Tensor expected = adjoint.expected(reference, /* hasBias= */ true, /* hasResidual= */ false);
                    assertEquals("", adjoint.difference(expected, gradient).orElse(""));
                }
                assertTrue(warnings.get(0).contains("expected "), warnings::toString);
            }
        }
    }

    /** With all that a prepared convolution may have, and each kernel sound and broken. */
    @Test
    void aBrokenPreparedConvolutionIsSkippedToo() {
        Activation slopes = Activation.prelu(Tensor.zeros(PROBLEM.layer().inChannels()));
        for (Device device : TestDevices.usable()) {
            List<List<String>> cases = new ArrayList<>(ofInputGradient(device));
            cases.add(0, List.of());
            for (int i = 0; i < cases.size(); i++) {
                breakInputGradient(cases.get(i));
                for (Activation like : List.of(slopes, Activation.sigmoid())) {
                    warnings.clear();
                    Exemplar adjoint = new Exemplar(PROBLEM.asRank3(), like, Parts.INPUT_GRADIENT);
                    Tensor written = adjoint.unwritten();
                    try (OpenClBackend backend = open(device);
                            PreparedLayer layer = backend.prepareAdjoint(
                                    adjoint.problem().layer(),
                                    adjoint.weight(),
                                    adjoint.bias(),
                                    adjoint.activation())) {
                        layer.forward(adjoint.problem(), adjoint.read(), adjoint.residual(), written);
                        String taken = layer.describe(adjoint.problem());
                        // The plain kernel's file, which on some devices is the rule's own.
                        boolean none = cases.get(i).contains("input_gradient");
                        assertEquals(none, taken.contains("no kernel computes this layer right"), taken);
                    }
                    Tensor expected = adjoint.expected(reference, /* hasBias= */ true, /* hasResidual= */ true);
                    assertEquals("", adjoint.difference(expected, written).orElse(""));
                    assertEquals(i == 0, warnings.isEmpty(), warnings::toString);
                }
            }
        }
    }

    /** The files of the rule's choice, and those of the plain kernel as well. */
    private static List<List<String>> ofInputGradient(Device device) {
        ForwardVariant ruled = InputGradientRule.standard().choose(PROBLEM.asRank3(), device);
        List<String> plain = new ArrayList<>(ruled.sources());
        plain.add("input_gradient");
        return List.of(ruled.sources(), plain);
    }

    private static void breakInputGradient(List<String> files) {
        KernelSource.alter((file, text) -> files.contains(file) && !file.equals("common")
                ? text.replace("] = activate(", "] = 1.0f + activate(")
                        .replace("vstore4(activate4(", "vstore4(1.0f + activate4(")
                : text);
    }

    /** What stands in the file of each kernel that sums, and what breaks it there. */
    private static final Map<String, List<String>> SUMS = Map.of(
            "weight_gradient", List.of("*element = sum;", "*element = sum + 1.0f;"),
            "weight_gradient_clane", List.of("sum[a] += sums[a];", "sum[a] = sums[a];"),
            "weight_gradient_xlane", List.of("sum[a] += sums[a];", "sum[a] = sums[a];"),
            "weight_gradient_panels", List.of("* 0.5f;", "* 0.25f;"),
            "bias_gradient", List.of("two.x + two.y", "two.x - two.y"),
            "gradient_sum", List.of("sum += run;", "sum = run;"));

    static void breakSums(Collection<String> files) {
        KernelSource.alter((file, text) -> {
            if (!files.contains(file)) {
                return text;
            }
            List<String> bug = SUMS.get(file);
            assertTrue(text.contains(bug.get(0)), file);
            return text.replace(bug.get(0), bug.get(1));
        });
    }

    private OpenClBackend open(Device device, WeightGradientRule rule, String name) {
        Ledger ledger =
                new Ledger(new PrivateFolder(folder.resolve(name + device.info().index())), "self-check");
        return new OpenClBackend(
                device,
                ForwardRule.standard(),
                new GradientRules(InputGradientRule.standard(), rule),
                new SelfCheck(device, reference, ledger));
    }

    private void assertComputesWeightGradient(OpenClBackend backend) {
        Exemplar.WeightGradientOperands of = operands.ofWeightGradient();
        Tensor gradient = Exemplar.unwritten(operands.problem().layer().weightShape());
        backend.weightGradient(operands.problem(), of.input(), of.outputGradient(), gradient);
        assertEquals("", operands.difference(reference, of, gradient).orElse(""), "what the caller got");
    }

    /** Each variant sound, so that it passes; and broken, so that another takes its place, in the next session too. */
    @Test
    void aBrokenGradientByTheWeightIsSkippedToo() {
        long handles = OpenClBackend.nativeHandles();
        for (Device device : TestDevices.usable()) {
            Map<String, WeightGradientRule> rules = device.hostMemory() == Device.HostMemory.SAME
                    ? GradientVariantTest.weightGradientRules()
                    : Map.of("plain", (problem, any) -> WeightGradientRule.plain(problem));
            rules.forEach((name, rule) -> {
                WeightGradientVariant ruled = rule.choose(PROBLEM.asRank3(), device);
                if (name.equals("panels")) {
                    // Has no halves.
                    return;
                }
                KernelSource.alter(unaltered);
                warnings.clear();
                try (OpenClBackend backend = open(device, rule, name + " sound")) {
                    assertComputesWeightGradient(backend);
                }
                assertEquals(List.of(), warnings, name);
                breakSums(List.of(ruled.name()));
                for (int session = 0; session < 2; session++) {
                    warnings.clear();
                    try (OpenClBackend backend = open(device, rule, name)) {
                        assertComputesWeightGradient(backend);
                        assertComputesWeightGradient(backend);
                    }
                    assertEquals(1, warnings.size(), warnings::toString);
                    for (String part : List.of("expected ", "found ", ruled.name() + ".cl")) {
                        assertTrue(warnings.get(0).contains(part), () -> part + " in " + warnings);
                    }
                }
            });
        }
        assertEquals(handles, OpenClBackend.nativeHandles());
    }

    /** Also where the operands are the device's. */
    @Test
    void whereNoKernelSumsRightPlainJavaDoes() {
        long handles = OpenClBackend.nativeHandles();
        Exemplar.WeightGradientOperands of = operands.ofWeightGradient();
        for (Device device : TestDevices.usable()) {
            breakSums(SUMS.keySet());
            warnings.clear();
            try (OpenClBackend backend = open(device);
                    DeviceTensor input = lent(backend, of.input());
                    DeviceTensor outputGradient = lent(backend, of.outputGradient())) {
                assertComputesWeightGradient(backend);
                Tensor gradient = Exemplar.unwritten(operands.problem().layer().weightShape());
                try (DeviceTensor onDevice = lent(backend, gradient)) {
                    backend.weightGradient(operands.problem(), input, outputGradient, onDevice);
                    backend.download(onDevice, gradient);
                }
                assertEquals("", operands.difference(reference, of, gradient).orElse(""));
                assertTrue(warnings.get(warnings.size() - 1).contains("weight_gradient.cl"), warnings::toString);
            }
        }
        assertEquals(handles, OpenClBackend.nativeHandles());
    }

    private static DeviceTensor lent(OpenClBackend backend, Tensor tensor) {
        return new DeviceTensor(backend, backend.lend(tensor), tensor, tensor.shape());
    }

    /** With sums of one block and of several, which are added up by a kernel of their own. */
    @Test
    void aBrokenSumIsSkippedToo() {
        for (Device device : TestDevices.usable()) {
            for (String broken : List.of("bias_gradient", "gradient_sum")) {
                breakSums(List.of(broken));
                warnings.clear();
                try (OpenClBackend backend = open(device)) {
                    for (int i = 0; i < 2; i++) {
                        for (int[] shape : new int[][] {{2, 3, 50}, {2, 3, 5000}}) {
                            Tensor gradient = Exemplar.whole(shape);
                            Tensor found = Exemplar.unwritten(3);
                            backend.biasGradient(gradient, found);
                            Tensor expected = Tensor.zeros(3);
                            reference.biasGradient(gradient, expected);
                            assertArrayEquals(expected.toArray(), found.toArray());
                        }
                    }
                }
                assertEquals(1, warnings.size(), warnings::toString);
                assertTrue(warnings.get(0).contains(broken + ".cl"), warnings::toString);
            }
        }
    }

    @Test
    void aSumThatDoesNotCompileIsTriedOnce() {
        for (Device device : TestDevices.usable()) {
            KernelSource.alter((file, text) -> SUMS.containsKey(file) ? text + "\nthis is no C\n" : text);
            warnings.clear();
            try (OpenClBackend backend = open(device)) {
                Tensor found = Exemplar.unwritten(3);
                for (int i = 0; i < 2; i++) {
                    backend.biasGradient(Tensor.zeros(2, 3, 50), found);
                    assertArrayEquals(new float[3], found.toArray());
                }
                assertEquals(1, warnings.size(), warnings::toString);
                assertTrue(warnings.get(0).contains("fails: "), warnings::toString);
                assertComputesWeightGradient(backend);
            }
        }
    }

    /** What stands in the file of each elementwise kernel, and what breaks it there. */
    private static final Map<String, List<String>> ELEMENTWISE = Map.of(
            "activate", List.of("= activation(", "= 1.0f + activation("),
            "activation_gradient", List.of("output_gradient[at] * derivative", "output_gradient[at] + derivative"),
            "slope_gradient", List.of("two.x + two.y", "two.x - two.y"),
            "loss", List.of("two.x + two.y", "two.x - two.y"),
            "adam", List.of("MEAN_FACTOR * m", "MEAN_FACTOR * g"),
            "sgd", List.of("- RATE * v", "+ RATE * v"),
            "finite", List.of("max(two.x, two.y)", "two.x"));

    /** Each kernel sound and broken; what callers get is right, on the host and on the device. */
    @Test
    void aBrokenElementwiseKernelIsSkippedToo() {
        try (Engine oracle = Tconv.open("reference")) {
            for (Device device : TestDevices.usable()) {
                for (boolean broken : new boolean[] {false, true}) {
                    warnings.clear();
                    if (broken) {
                        breakElementwise();
                    } else {
                        KernelSource.alter(unaltered);
                    }
                    try (Engine engine = Engine.of(open(device))) {
                        for (ElementwiseContract.Case work : ElementwiseContract.all()) {
                            if (work.toString().matches("\\[2, 3, 5] .*|extremes .*|long .*|finite")) {
                                assertEquals("", work.difference(engine, oracle).orElse(""), "what the caller got");
                            }
                        }
                    }
                    for (String file : ELEMENTWISE.keySet()) {
                        assertEquals(
                                broken,
                                warnings.stream().anyMatch(said -> said.contains("the kernel " + file + ",")),
                                () -> file + ": " + warnings);
                    }
                    // Eight functions and their gradients, two losses, two steps, the slopes and the look for NaN.
                    assertEquals(broken ? 22 : 0, warnings.size(), warnings::toString);
                }
            }
        }
    }

    private static void breakElementwise() {
        KernelSource.alter((file, text) -> {
            List<String> bug = ELEMENTWISE.getOrDefault(file, List.of("", ""));
            assertTrue(text.contains(bug.get(0)), file);
            return bug.get(0).isEmpty() ? text : text.replace(bug.get(0), bug.get(1));
        });
    }

    @Test
    void aKernelThatDoesNotCompileIsSkippedToo() {
        for (Device device : TestDevices.usable()) {
            List<String> broken = storingFast(device);
            KernelSource.alter((file, text) -> broken.contains(file) ? text + "\nthis is no C\n" : text);
            warnings.clear();
            try (OpenClBackend backend = open(device)) {
                assertTrue(compute(backend).startsWith("forward"));
            }
            assertEquals(
                    fast(device).stream().map(ForwardVariant::name).distinct().count(),
                    warnings.size(),
                    warnings::toString);
        }
    }

    @Test
    void withoutTheCheckABrokenKernelComputes() {
        for (Device device : TestDevices.usable()) {
            List<String> all = new ArrayList<>(storingFast(device));
            all.add("forward");
            breakStores(all);
            try (OpenClBackend backend = new OpenClBackend(device, ForwardRule.standard())) {
                Tensor output = operands.unwritten();
                backend.forward(operands.problem(), operands.read(), operands.weight(), null, output);
                Tensor expected = operands.expected(reference, false, false);
                assertTrue(operands.difference(expected, output).isPresent());
            }
        }
    }

    @Test
    void theTrialCostsTheOracleLittle() {
        for (String layer : List.of(
                "ic1024_oc512_k4x4_s2x2_p1x1",
                "ic21_oc21_k64x64_s32x32_p16x16",
                "ic64_oc64_g64_k4x4_s2x2_p1x1",
                "ic64_oc32_k2x2x2_s2x2x2",
                "ic64_oc32_k4_s2_p1",
                "ic2_oc3_k3_s2_d5_p-7_op4",
                "ic2_oc3_k3x3_p40x3")) {
            Problem problem =
                    LayerTrial.problem(TransposedConvolution.parse(layer).asRank3());
            assertTrue(Exemplar.oracleFlops(problem) <= 2e6, problem::toString);
        }
    }
}
