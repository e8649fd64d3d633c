package io.github.tconv.verify;

import io.github.tconv.op.Axis;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;

/**
 * The mathematics of a transposed convolution, stated once more with nothing of the library's: every input element meets
 * every weight at one output position, or at none. Slow, in double, and an oracle for the oracle.
 */
final class Definition {
    /** Input element, weight, output element, all as places in C order. */
    interface Meeting {
        void at(int input, int weight, int output);
    }

    private Definition() {}

    /** Visits every triple of elements that are multiplied or added in some operation. */
    static void visit(Problem problem, Meeting meeting) {
        TransposedConvolution layer = problem.layer();
        int rank = layer.rank();
        int[] in = {1, 1, 1};
        int[] out = {1, 1, 1};
        int[] kernel = {1, 1, 1};
        int[] stride = {1, 1, 1};
        int[] dilation = {1, 1, 1};
        int[] pad = {0, 0, 0};
        for (int a = 0; a < rank; a++) {
            Axis axis = layer.axes().get(a);
            int at = 3 - rank + a;
            in[at] = problem.inputSize(a);
            kernel[at] = axis.kernel();
            stride[at] = axis.stride();
            dilation[at] = axis.dilation();
            pad[at] = axis.padBegin();
            out[at] = (in[at] - 1) * stride[at]
                    - pad[at]
                    - axis.padEnd()
                    + (kernel[at] - 1) * dilation[at]
                    + axis.outputPadding()
                    + 1;
        }
        int ics = layer.inChannels();
        int ocs = layer.outChannels();
        int ocsPerGroup = ocs / layer.groups();
        int icsPerGroup = ics / layer.groups();
        for (int n = 0; n < problem.batch(); n++) {
            for (int ic = 0; ic < ics; ic++) {
                for (int ocg = 0; ocg < ocsPerGroup; ocg++) {
                    int oc = ic / icsPerGroup * ocsPerGroup + ocg;
                    for (int i = 0; i < in[0] * in[1] * in[2]; i++) {
                        for (int k = 0; k < kernel[0] * kernel[1] * kernel[2]; k++) {
                            int[] at = unflatten(i, in);
                            int[] tap = unflatten(k, kernel);
                            boolean inside = true;
                            int o = 0;
                            for (int a = 0; a < 3; a++) {
                                int position = at[a] * stride[a] - pad[a] + tap[a] * dilation[a];
                                inside &= position >= 0 && position < out[a];
                                o = o * out[a] + position;
                            }
                            if (inside) {
                                meeting.at(
                                        (n * ics + ic) * in[0] * in[1] * in[2] + i,
                                        (ic * ocsPerGroup + ocg) * kernel[0] * kernel[1] * kernel[2] + k,
                                        (n * ocs + oc) * out[0] * out[1] * out[2] + o);
                            }
                        }
                    }
                }
            }
        }
    }

    private static int[] unflatten(int place, int[] sizes) {
        return new int[] {place / (sizes[1] * sizes[2]), place / sizes[2] % sizes[1], place % sizes[2]};
    }

    static double[] forward(Problem problem, Tensor input, Tensor weight, Tensor bias) {
        double[] output = perChannel(problem.outputShape(), bias);
        visit(problem, (i, w, o) -> output[o] += (double) input.get(i) * weight.get(w));
        return output;
    }

    static double[] inputGradient(Problem problem, Tensor outputGradient, Tensor weight, Tensor bias) {
        double[] inputGradient = perChannel(problem.inputShape(), bias);
        visit(problem, (i, w, o) -> inputGradient[i] += (double) outputGradient.get(o) * weight.get(w));
        return inputGradient;
    }

    static double[] weightGradient(Problem problem, Tensor input, Tensor outputGradient) {
        double[] weightGradient = new double[elements(problem.layer().weightShape())];
        visit(problem, (i, w, o) -> weightGradient[w] += (double) input.get(i) * outputGradient.get(o));
        return weightGradient;
    }

    static double[] biasGradient(Problem problem, Tensor outputGradient) {
        double[] biasGradient = new double[problem.layer().outChannels()];
        int plane = elements(problem.outputShape()) / (problem.batch() * biasGradient.length);
        for (int o = 0; o < outputGradient.elements(); o++) {
            biasGradient[o / plane % biasGradient.length] += outputGradient.get(o);
        }
        return biasGradient;
    }

    private static double[] perChannel(int[] shape, Tensor bias) {
        double[] values = new double[elements(shape)];
        int plane = values.length / (shape[0] * shape[1]);
        for (int i = 0; i < values.length; i++) {
            values[i] = bias.get(i / plane % shape[1]);
        }
        return values;
    }

    private static int elements(int[] shape) {
        int elements = 1;
        for (int size : shape) {
            elements *= size;
        }
        return elements;
    }
}
