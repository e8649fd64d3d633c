package io.github.tconv.verify;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.tconv.Engine;
import io.github.tconv.Tconv;
import io.github.tconv.op.Activation;
import io.github.tconv.op.Problem;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.AfterParameterizedClassInvocation;
import org.junit.jupiter.params.BeforeParameterizedClassInvocation;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.MethodSource;

/** What every backend owes, on every engine of this machine: all operations of the whole catalogue. */
@ParameterizedClass(name = "{0}")
@MethodSource("io.github.tconv.EnginesPresent#names")
class BackendContractTest {
    private static final Engine ORACLE = Tconv.open("reference");
    private static Engine engine = ORACLE;

    @SuppressWarnings("unused") // Shown in the name of the tests; the engine is open before.
    BackendContractTest(String name) {}

    @BeforeParameterizedClassInvocation
    static void open(String name) {
        engine = Tconv.open(name);
    }

    @AfterParameterizedClassInvocation
    static void close() {
        engine.close();
    }

    @AfterAll
    static void closeOracle() {
        ORACLE.close();
    }

    @TestFactory
    Stream<DynamicNode> theCatalogueIsComputedAsByTheOracle() {
        Verification verification = new Verification(engine, ORACLE);
        return Catalogue.all().stream()
                .map(problem -> DynamicContainer.dynamicContainer(
                        problem.toString(),
                        Stream.of(Check.values())
                                .map(check -> DynamicTest.dynamicTest(
                                        check.toString(), () -> passes(verification.verify(problem, check))))));
    }

    @TestFactory
    Stream<DynamicNode> aPreparedLayerAppliesEveryActivation() {
        Verification verification = new Verification(engine, ORACLE);
        Problem problem = Problem.parse("n2_ic6_oc4_g2_i5x7_k2x4_s3x2_d2x1_p1x0");
        return Stream.of(Activation.Kind.values())
                .map(kind -> DynamicTest.dynamicTest(
                        kind.toString(), () -> passes(verification.verify(problem, Check.PREPARED, kind))));
    }

    @TestFactory
    Stream<DynamicNode> elementwiseWorkIsDoneAsByTheOracle() {
        return ElementwiseContract.all().stream()
                .map(work -> DynamicTest.dynamicTest(
                        work.toString(), () -> assertEquals(Optional.empty(), work.difference(engine, ORACLE))));
    }

    private static void passes(Result result) {
        assertEquals(Optional.empty(), result.message());
    }
}
