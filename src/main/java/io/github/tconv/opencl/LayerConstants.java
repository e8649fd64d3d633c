package io.github.tconv.opencl;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Axis;
import io.github.tconv.op.Problem;
import io.github.tconv.op.TransposedConvolution;

/** The constants of a layer as compiler options, in the names of {@code common.cl}. */
final class LayerConstants {
    /** The language that every kernel is written in; some drivers print the number of warnings to the user's terminal. */
    static final String LANGUAGE = "-cl-std=CL1.2 -w";

    /** The common file needs the constants of some layer; kernels that serve all layers use none of them. */
    static final String ANY;

    private static final String[] AXES = {"D", "H", "W"};

    static {
        ANY = of(TransposedConvolution.of3d().build());
    }

    private LayerConstants() {}

    /** Returns the options for a layer of rank 3. */
    static String of(TransposedConvolution layer) {
        Defines options = new Defines(LANGUAGE)
                .with("IC", layer.inChannels())
                .with("OC", layer.outChannels())
                .with("GROUPS", layer.groups());
        for (int a = 0; a < AXES.length; a++) {
            Axis axis = layer.axes().get(a);
            options.with("K" + AXES[a], axis.kernel())
                    .with("S" + AXES[a], axis.stride())
                    .with("D" + AXES[a], axis.dilation())
                    .with("P" + AXES[a], axis.padBegin());
        }
        return options.toString();
    }

    static String withBias(String options, boolean hasBias) {
        return new Defines(options).with("HAS_BIAS", hasBias).toString();
    }

    /** Adds what the forward kernels do while they store. */
    static String withEpilogue(String options, boolean hasBias, boolean hasResidual, Activation activation) {
        return new Defines(withBias(options, hasBias))
                .with("HAS_RESIDUAL", hasResidual)
                .with("ACTIVATION", code(activation.kind()))
                .with("ACT_A", literal(activation.a()))
                .with("ACT_B", literal(activation.b()))
                .toString();
    }

    /** The number by which {@code common.cl} knows a function. */
    private static int code(Activation.Kind kind) {
        return switch (kind) {
            case NONE -> 0;
            case RELU -> 1;
            case LEAKY_RELU -> 2;
            case PRELU -> 3;
            case SIGMOID -> 4;
            case TANH -> 5;
            case CLAMP -> 6;
            case SILU -> 7;
        };
    }

    /** A float in the one notation that loses nothing; parentheses keep a sign apart from what stands before it. */
    private static String literal(float value) {
        return "(" + Float.toHexString(value) + "f)";
    }

    /** The run-time sizes in the order in which every kernel of a problem takes them. */
    static int[] sizes(Problem rank3) {
        return new int[] {
            rank3.batch(),
            rank3.inputSize(0),
            rank3.inputSize(1),
            rank3.inputSize(2),
            rank3.outputSize(0),
            rank3.outputSize(1),
            rank3.outputSize(2)
        };
    }
}
