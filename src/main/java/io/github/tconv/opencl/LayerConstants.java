package io.github.tconv.opencl;

import io.github.tconv.op.Axis;
import io.github.tconv.op.Problem;
import io.github.tconv.op.TransposedConvolution;

/** The constants of a layer as compiler options, in the names of {@code common.cl}. */
final class LayerConstants {
    /** The language that every kernel is written in. */
    static final String LANGUAGE = "-cl-std=CL1.2";

    private static final String[] AXES = {"D", "H", "W"};

    private LayerConstants() {}

    /** Returns the options for a layer of rank 3. */
    static String of(TransposedConvolution layer) {
        StringBuilder options = new StringBuilder(LANGUAGE);
        define(options, "IC", layer.inChannels());
        define(options, "OC", layer.outChannels());
        define(options, "GROUPS", layer.groups());
        for (int a = 0; a < AXES.length; a++) {
            Axis axis = layer.axes().get(a);
            define(options, "K" + AXES[a], axis.kernel());
            define(options, "S" + AXES[a], axis.stride());
            define(options, "D" + AXES[a], axis.dilation());
            define(options, "P" + AXES[a], axis.padBegin());
        }
        return options.toString();
    }

    static String withBias(String options, boolean hasBias) {
        return options + " -DHAS_BIAS=" + (hasBias ? 1 : 0);
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

    private static void define(StringBuilder options, String name, int value) {
        options.append(" -D").append(name).append('=').append(value);
    }
}
