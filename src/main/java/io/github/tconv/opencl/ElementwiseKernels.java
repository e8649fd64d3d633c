package io.github.tconv.opencl;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Elementwise;
import io.github.tconv.op.Loss;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Optimizer;
import java.util.List;

/** Elementwise work on a session's device, each operation by the kernel of the same name. */
final class ElementwiseKernels implements Elementwise {
    /** Elements that a work-item sums, as those of {@link ChannelBlocks}. */
    private static final int BLOCK = ChannelBlocks.LENGTH;

    static final String ACTIVATE = "activate";
    static final String ACTIVATION_GRADIENT = "activation_gradient";
    static final String SLOPE_GRADIENT = "slope_gradient";
    static final String LOSS = "loss";
    static final String FINITE = "finite";

    private final Session session;

    ElementwiseKernels(Session session) {
        this.session = session;
    }

    /** The kernel of an optimizer. */
    static String name(Optimizer optimizer) {
        return optimizer instanceof Optimizer.Adam ? "adam" : "sgd";
    }

    Program program(String name, String options) {
        return session.programs().get(List.of("common", name), options);
    }

    static String options(Activation activation) {
        return LayerConstants.withEpilogue(LayerConstants.ANY, false, false, activation);
    }

    static String options(Loss loss) {
        return new Defines(LayerConstants.ANY).with("L2", loss == Loss.L2).toString();
    }

    /** The slopes on the device; any buffer where there are none, which the kernel does not read then. */
    private static DeviceBuffer slopes(Call call, Activation activation, DeviceBuffer any) {
        DeviceBuffer slopes = call.optional(activation.slopes());
        return slopes == null ? any : slopes;
    }

    /** The sizes as a kernel sees them: a single plane where channels make no difference, which wastes no lanes. */
    private record Planes(int batch, int channels, int size) {
        static Planes of(Activation activation, Operand tensor) {
            if (activation.slopes() == null) {
                return new Planes(1, 1, tensor.elements());
            }
            int batch = tensor.size(0);
            int channels = tensor.size(1);
            return new Planes(batch, channels, tensor.elements() / (batch * channels));
        }

        NdRange range() {
            return NdRange.of(size, channels, batch);
        }
    }

    @Override
    public void activate(Activation activation, Operand input, Operand output) {
        Program program = program(ACTIVATE, options(activation));
        Planes planes = Planes.of(activation, input);
        try (Call call = session.call()) {
            DeviceBuffer x = call.operand(input);
            DeviceBuffer slopes = slopes(call, activation, x);
            DeviceBuffer y = call.result(output);
            try (Kernel kernel = program.kernel(ACTIVATE)) {
                kernel.with(x)
                        .with(slopes)
                        .with(y)
                        .with(planes.channels, planes.size)
                        .enqueue(session.queue(), planes.range());
            }
            call.complete(program);
        }
    }

    @Override
    public void activationGradient(
            Activation activation, Operand input, Operand outputGradient, Operand inputGradient) {
        Program program = program(ACTIVATION_GRADIENT, options(activation));
        Planes planes = Planes.of(activation, input);
        try (Call call = session.call()) {
            DeviceBuffer x = call.operand(input);
            DeviceBuffer slopes = slopes(call, activation, x);
            DeviceBuffer gy = call.operand(outputGradient);
            DeviceBuffer gx = call.result(inputGradient);
            try (Kernel kernel = program.kernel(ACTIVATION_GRADIENT)) {
                kernel.with(x)
                        .with(slopes)
                        .with(gy)
                        .with(gx)
                        .with(planes.channels, planes.size)
                        .enqueue(session.queue(), planes.range());
            }
            call.complete(program);
        }
    }

    @Override
    public void slopeGradient(Operand input, Operand outputGradient, Operand slopeGradient) {
        Program program = program(SLOPE_GRADIENT, LayerConstants.ANY);
        ChannelBlocks blocks = ChannelBlocks.of(input);
        try (Call call = session.call()) {
            DeviceBuffer x = call.operand(input);
            DeviceBuffer gy = call.operand(outputGradient);
            Parted gs = new Parted(session, call, call.result(slopeGradient), blocks.count(), blocks.channels());
            try (Kernel kernel = program.kernel(SLOPE_GRADIENT)) {
                kernel.with(x)
                        .with(gy)
                        .with(gs.target())
                        .with(blocks.arguments())
                        .enqueue(session.queue(), blocks.range());
            }
            gs.add();
            call.complete(program);
        }
    }

    @Override
    public void loss(Loss loss, Operand output, Operand target, Operand outputGradient, Operand sum) {
        Program program = program(LOSS, options(loss));
        int elements = output.elements();
        int blocks = (int) Grid.tiles(elements, BLOCK);
        try (Call call = session.call()) {
            DeviceBuffer y = call.operand(output);
            DeviceBuffer t = call.operand(target);
            DeviceBuffer gy = call.result(outputGradient);
            Parted total = new Parted(session, call, call.result(sum), blocks, 1);
            try (Kernel kernel = program.kernel(LOSS)) {
                kernel.with(y)
                        .with(t)
                        .with(gy)
                        .with(total.target())
                        .with(BLOCK, elements)
                        .withFloats(1f / elements)
                        .enqueue(session.queue(), NdRange.exactly(blocks));
            }
            total.add();
            call.complete(program);
        }
    }

    @Override
    public void step(
            Optimizer optimizer,
            long step,
            Operand weight,
            Operand gradient,
            List<? extends Operand> memory,
            Operand moved) {
        String name = name(optimizer);
        Program program = program(name, LayerConstants.ANY);
        try (Call call = session.call();
                Kernel kernel = program.kernel(name)) {
            kernel.with(call.operand(weight)).with(call.operand(gradient));
            // Read here and written there: the same memory, but for a host's tensor on a device with memory of its own.
            for (Operand part : memory) {
                kernel.with(call.operand(part));
            }
            for (Operand part : memory) {
                kernel.with(call.result(part));
            }
            kernel.with(call.result(moved)).with(weight.elements());
            if (optimizer instanceof Optimizer.Adam adam) {
                kernel.withFloats(
                        (float) adam.beta1(),
                        (float) (1 - adam.beta1()),
                        (float) adam.beta2(),
                        (float) (1 - adam.beta2()),
                        (float) adam.meanFactor(step),
                        (float) adam.squareFactor(step),
                        (float) adam.epsilon());
            } else if (optimizer instanceof Optimizer.Sgd sgd) {
                kernel.withFloats((float) sgd.momentum(), (float) sgd.rate());
            }
            kernel.enqueue(session.queue(), NdRange.of(weight.elements()));
            call.complete(program);
        }
    }

    @Override
    public void finite(List<? extends Operand> tensors, Operand verdicts) {
        Program program = program(FINITE, LayerConstants.ANY);
        try (Call call = session.call()) {
            DeviceBuffer result = call.result(verdicts);
            for (int i = 0; i < tensors.size(); i++) {
                DeviceBuffer values = call.operand(tensors.get(i));
                int elements = tensors.get(i).elements();
                while (elements > BLOCK) {
                    int blocks = (int) Grid.tiles(elements, BLOCK);
                    DeviceBuffer parts = call.workspace(blocks);
                    finite(program, values, elements, parts, 0);
                    values = parts;
                    elements = blocks;
                }
                finite(program, values, elements, result, i);
            }
            call.complete(program);
        }
    }

    private void finite(Program program, DeviceBuffer values, int elements, DeviceBuffer verdicts, int first) {
        try (Kernel kernel = program.kernel(FINITE)) {
            kernel.with(values)
                    .with(verdicts)
                    .with(BLOCK, elements, first)
                    .enqueue(session.queue(), NdRange.exactly(Grid.tiles(elements, BLOCK)));
        }
    }
}
