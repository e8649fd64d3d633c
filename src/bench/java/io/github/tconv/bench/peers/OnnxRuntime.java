package io.github.tconv.bench.peers;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import io.github.tconv.bench.Contender;
import io.github.tconv.bench.Entrant;
import io.github.tconv.bench.Operands;
import io.github.tconv.op.Tensor;
import java.util.Arrays;
import java.util.Map;

/**
 * ONNX Runtime on the CPU: a session with the weight in its model, run from a tensor over the input's memory to a result
 * that is freed at once.
 */
final class OnnxRuntime implements Contender {
    private final OrtSession session;
    private final OnnxTensor input;
    private final Map<String, OnnxTensor> inputs;
    private final int[] outputShape;

    static Entrant entrant(int threads) {
        return new Entrant("ONNX Runtime", true, operands -> {
            try {
                return new OnnxRuntime(operands, threads);
            } catch (OrtException e) {
                throw failure(e);
            }
        });
    }

    private OnnxRuntime(Operands operands, int threads) throws OrtException {
        OrtEnvironment environment = OrtEnvironment.getEnvironment();
        try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
            options.setIntraOpNumThreads(threads);
            session = environment.createSession(OnnxModel.of(operands.problem().layer(), operands.weight()), options);
        }
        outputShape = operands.problem().outputShape();
        long[] inputShape =
                Arrays.stream(operands.input().shape()).asLongStream().toArray();
        input = OnnxTensor.createTensor(environment, operands.input().floats(), inputShape);
        inputs = Map.of(OnnxModel.INPUT, input);
    }

    @Override
    public void call() {
        try {
            session.run(inputs).close();
        } catch (OrtException e) {
            throw failure(e);
        }
    }

    @Override
    public Tensor result() {
        try (OrtSession.Result result = session.run(inputs)) {
            OnnxTensor output = (OnnxTensor) result.get(0);
            Tensor copy = Tensor.zeros(outputShape);
            copy.memory().put(output.getByteBuffer());
            return copy;
        } catch (OrtException e) {
            throw failure(e);
        }
    }

    @Override
    public void close() {
        input.close();
        try {
            session.close();
        } catch (OrtException e) {
            throw failure(e);
        }
    }

    private static IllegalStateException failure(OrtException e) {
        return new IllegalStateException(e.getMessage(), e);
    }
}
