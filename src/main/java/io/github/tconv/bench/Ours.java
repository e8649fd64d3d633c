package io.github.tconv.bench;

import io.github.tconv.Engine;
import io.github.tconv.Prepared;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.util.List;
import java.util.function.Supplier;

/** This library's two ways of calling a prepared layer. */
public final class Ours {
    private Ours() {}

    /**
     * Returns both ways of calling on one engine.
     *
     * @param engine the engine, which must stay open
     * @return the call into a given output, and the one that makes a fresh output
     */
    public static List<Entrant> on(Engine engine) {
        return List.of(
                new Entrant("tconv given", false, operands -> {
                    Prepared prepared = prepare(engine, operands);
                    Tensor output = Tensor.zeros(operands.problem().outputShape());
                    return contender(engine, prepared, operands.problem(), () -> {
                        prepared.forward(operands.input(), output);
                        return output;
                    });
                }),
                new Entrant("tconv fresh", false, operands -> {
                    Prepared prepared = prepare(engine, operands);
                    return contender(engine, prepared, operands.problem(), () -> prepared.forward(operands.input()));
                }));
    }

    private static Prepared prepare(Engine engine, Operands operands) {
        return engine.prepare(operands.problem().layer(), operands.weight(), null);
    }

    private static Contender contender(Engine engine, Prepared prepared, Problem problem, Supplier<Tensor> forward) {
        return new Contender() {
            @Override
            public void call() {
                Tensor unused = forward.get();
            }

            @Override
            public Tensor result() {
                Tensor output = forward.get();
                return Tensor.of(output.toArray(), output.shape());
            }

            @Override
            public Long workspaceBytes() {
                return prepared.workspaceBytes(problem);
            }

            @Override
            public double errorGrowth() {
                return engine.errorGrowth(problem);
            }

            @Override
            public void close() {
                prepared.close();
            }
        };
    }
}
