package io.github.tconv.bench;

import io.github.tconv.Engine;
import io.github.tconv.Prepared;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** This library's two ways of calling: into a given result, and with a fresh one. */
public final class Ours {
    private Ours() {}

    /**
     * Returns both ways of calling on one engine. The forward pass is that of a prepared layer; gradients are the
     * engine's, which take the weight as it is.
     *
     * @param engine the engine, which must stay open
     * @return the call into a given result, and the one that makes a fresh result
     */
    public static List<Entrant> on(Engine engine) {
        return List.of(
                new Entrant("tconv given", false, operands -> {
                    Problem problem = operands.problem();
                    Tensor result = Tensor.zeros(operands.operation().resultShape(problem));
                    return switch (operands.operation()) {
                        case FORWARD -> {
                            Prepared prepared = prepare(engine, operands);
                            yield contender(prepared, problem, engine.errorGrowth(problem), () -> {
                                prepared.forward(operands.input(), result);
                                return result;
                            });
                        }
                        case INPUT_GRADIENT ->
                            contender(null, problem, engine.inputGradientErrorGrowth(problem), () -> {
                                engine.inputGradient(
                                        problem, operands.outputGradient(), operands.weight(), null, result);
                                return result;
                            });
                        case WEIGHT_GRADIENT ->
                            contender(null, problem, engine.weightGradientErrorGrowth(problem), () -> {
                                engine.weightGradient(problem, operands.input(), operands.outputGradient(), result);
                                return result;
                            });
                    };
                }),
                new Entrant("tconv fresh", false, operands -> {
                    Problem problem = operands.problem();
                    return switch (operands.operation()) {
                        case FORWARD -> {
                            Prepared prepared = prepare(engine, operands);
                            yield contender(
                                    prepared,
                                    problem,
                                    engine.errorGrowth(problem),
                                    () -> prepared.forward(operands.input()));
                        }
                        case INPUT_GRADIENT ->
                            contender(
                                    null,
                                    problem,
                                    engine.inputGradientErrorGrowth(problem),
                                    () -> engine.inputGradient(
                                            problem.layer(), operands.outputGradient(), operands.weight()));
                        case WEIGHT_GRADIENT ->
                            contender(
                                    null,
                                    problem,
                                    engine.weightGradientErrorGrowth(problem),
                                    () -> engine.weightGradient(
                                            problem.layer(), operands.input(), operands.outputGradient()));
                    };
                }));
    }

    private static Prepared prepare(Engine engine, Operands operands) {
        return engine.prepare(operands.problem().layer(), operands.weight(), null);
    }

    private static Contender contender(
            @Nullable Prepared prepared, Problem problem, double growth, Supplier<Tensor> compute) {
        return new Contender() {
            @Override
            public void call() {
                Tensor unused = compute.get();
            }

            @Override
            public Tensor result() {
                Tensor result = compute.get();
                return Tensor.of(result.toArray(), result.shape());
            }

            @Override
            public @Nullable Long workspaceBytes() {
                return prepared == null ? null : prepared.workspaceBytes(problem);
            }

            @Override
            public double errorGrowth() {
                return growth;
            }

            @Override
            public void close() {
                if (prepared != null) {
                    prepared.close();
                }
            }
        };
    }
}
