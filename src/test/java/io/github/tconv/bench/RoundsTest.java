package io.github.tconv.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.Engine;
import io.github.tconv.Tconv;
import io.github.tconv.op.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class RoundsTest {
    private static final BenchmarkLayer LAYER = BenchmarkLayer.of("ic2_oc3_i4x5_k3x2_s2x1");

    private final Rounds rounds = new Rounds(0.01, 1, 0, 0.1, () -> 100);

    @Test
    void everyContenderIsCalledAsOftenAndTheFirstOneTakesTurns() {
        List<String> calls = new ArrayList<>();
        try (Engine engine = Tconv.open("reference")) {
            LayerResult result = rounds.measure(
                    LAYER,
                    BenchmarkOperation.FORWARD,
                    List.of(
                            noted("a", false, engine, calls),
                            noted("b", true, engine, calls),
                            noted("c", true, engine, calls)));

            // After the loops of a, b and c each turn is a loop, too, that ends with the call that is timed.
            List<String> turns = new ArrayList<>();
            for (String name : calls) {
                if (turns.isEmpty() || !turns.get(turns.size() - 1).equals(name)) {
                    turns.add(name);
                }
            }
            assertEquals(List.of("a", "b", "c", "a", "b", "c", "b", "c", "a"), turns.subList(0, 9));
            assertTrue(calls.size() > 2 * turns.size(), () -> calls.size() + " calls in " + turns.size() + " turns");
            for (LayerResult.Entry entry : result.entries()) {
                assertEquals(result.rounds(), entry.milliseconds().size());
                assertTrue(entry.milliseconds().stream().allMatch(ms -> ms > 0));
                Accuracy accuracy = assertNotNullAnd(entry.accuracy());
                assertTrue(accuracy.withinBound());
            }
            assertEquals(result.rounds(), result.peakGflops().size());
            assertTrue(result.rounds() >= 5);
        }
    }

    private static Accuracy assertNotNullAnd(Accuracy accuracy) {
        assertNotNull(accuracy);
        return accuracy;
    }

    private static Entrant noted(String name, boolean peer, Engine engine, List<String> calls) {
        return changed(name, peer, engine, UnaryOperator.identity(), () -> calls.add(name));
    }

    private static Entrant changed(
            String name, boolean peer, Engine engine, UnaryOperator<Tensor> change, Runnable onCall) {
        return new Entrant(name, peer, operands -> new Contender() {
            @Override
            public void call() {
                onCall.run();
            }

            @Override
            public Tensor result() {
                return change.apply(
                        engine.forward(operands.problem().layer(), operands.input(), operands.weight(), null));
            }

            @Override
            public void close() {}
        });
    }

    @Test
    void aWrongResultIsNotMeasuredAndOursEndsTheBenchmark() {
        try (Engine engine = Tconv.open("reference")) {
            UnaryOperator<Tensor> spoil = output -> {
                output.set(3, output.get(3) + 0.01f);
                return output;
            };
            Entrant wrong = changed("wrong", true, engine, spoil, () -> {});
            List<Entrant> entrants =
                    Stream.concat(Ours.on(engine).stream(), Stream.of(wrong)).toList();

            LayerResult result = rounds.measure(LAYER, BenchmarkOperation.FORWARD, entrants);

            LayerResult.Entry entry = result.entries().get(2);
            assertTrue(
                    String.valueOf(entry.failure()).startsWith("wrong is wrong on " + LAYER.problem()), entry::failure);
            assertEquals(List.of(), entry.milliseconds());
            List<Entrant> ours = List.of(changed("ours", false, engine, spoil, () -> {}));
            String message = assertThrows(
                            IllegalStateException.class, () -> rounds.measure(LAYER, BenchmarkOperation.FORWARD, ours))
                    .getMessage();
            assertTrue(message.startsWith("ours is wrong on " + LAYER.problem()), message);
        }
    }

    @Test
    void aPeerThatCannotIsNamedWithItsReasonAndWeMustNot() {
        try (Engine engine = Tconv.open("reference")) {
            Entrant unable = new Entrant("unable", true, operands -> {
                throw new UnsupportedOperationException("no such padding");
            });
            List<Entrant> entrants =
                    Stream.concat(Ours.on(engine).stream(), Stream.of(unable)).toList();

            LayerResult result = rounds.measure(LAYER, BenchmarkOperation.FORWARD, entrants);

            assertEquals("no such padding", result.entries().get(2).failure());
            assertTrue(new BenchmarkTable(List.of(result)).toString().contains("unable cannot: no such padding"));
            assertThrows(
                    UnsupportedOperationException.class,
                    () -> rounds.measure(
                            LAYER, BenchmarkOperation.FORWARD, List.of(new Entrant("ours", false, unable.prepare()))));
        }
    }
}
