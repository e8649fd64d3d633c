package io.github.tconv.op;

/**
 * The matrix of a convolution, written out. A convolution is linear: flatten its input (channels, then spatial axes, in
 * C order) to a vector x, and its output is W·x. The transposed convolution with the same settings is Wᵀ·y, hence its
 * name. Meant for small sizes: the matrix has outputs × inputs elements, nearly all of them zero.
 */
public final class ConvolutionMatrix {
    private ConvolutionMatrix() {}

    /**
     * Writes out the matrix of a convolution for one image.
     *
     * @param convolution the layer
     * @param weight its weight
     * @param inputSize the spatial sizes of its input, one an axis
     * @return a tensor of shape (elements of the output, elements of the input)
     * @throws IllegalArgumentException if the weight does not fit the layer, there is no output, or the matrix is too
     *     large for a tensor
     */
    public static Tensor of(Convolution convolution, Tensor weight, int... inputSize) {
        Problem problem = convolution.problem(1, inputSize).asRank3();
        TransposedConvolution adjoint = problem.layer();
        if (!weight.hasShape(convolution.weightShape())) {
            throw new IllegalArgumentException("weight must have shape %s: %s"
                    .formatted(java.util.Arrays.toString(convolution.weightShape()), weight));
        }
        int rows = Tensor.checkShape("output", problem.inputShape());
        int columns = Tensor.checkShape("input", problem.outputShape());
        Tensor matrix = Tensor.zeros(rows, columns);

        Axis depth = adjoint.axes().get(0);
        Axis height = adjoint.axes().get(1);
        Axis width = adjoint.axes().get(2);
        int readPerGroup = adjoint.outChannels() / adjoint.groups();
        int writtenPerGroup = adjoint.inChannels() / adjoint.groups();
        int w = 0;
        for (int written = 0; written < adjoint.inChannels(); written++) {
            for (int inGroup = 0; inGroup < readPerGroup; inGroup++) {
                int read = written / writtenPerGroup * readPerGroup + inGroup;
                for (int kd = 0; kd < depth.kernel(); kd++) {
                    for (int kh = 0; kh < height.kernel(); kh++) {
                        for (int kw = 0; kw < width.kernel(); kw++) {
                            spread(matrix, problem, written, read, new int[] {kd, kh, kw}, weight.get(w++));
                        }
                    }
                }
            }
        }
        return matrix;
    }

    /** Sets one weight wherever it stands in the matrix: at every output position whose tap lies inside the input. */
    private static void spread(Tensor matrix, Problem problem, int written, int read, int[] tap, float value) {
        int columns = matrix.size(1);
        for (int id = 0; id < problem.inputSize(0); id++) {
            for (int ih = 0; ih < problem.inputSize(1); ih++) {
                for (int iw = 0; iw < problem.inputSize(2); iw++) {
                    long od = position(problem, 0, id, tap);
                    long oh = position(problem, 1, ih, tap);
                    long ow = position(problem, 2, iw, tap);
                    if (od >= 0 && oh >= 0 && ow >= 0) {
                        long row = flat(written, id, ih, iw, problem.inputShape());
                        long column = flat(read, od, oh, ow, problem.outputShape());
                        matrix.set(Math.toIntExact(row * columns + column), value);
                    }
                }
            }
        }
    }

    /** Where tap and position meet on the convolution's input, or -1 in its padding. */
    private static long position(Problem problem, int a, int i, int[] tap) {
        Axis axis = problem.layer().axes().get(a);
        long o = (long) i * axis.stride() - axis.padBegin() + (long) tap[a] * axis.dilation();
        return o < problem.outputSize(a) ? o : -1;
    }

    private static long flat(int channel, long d, long h, long w, int[] shape) {
        return ((channel * (long) shape[2] + d) * shape[3] + h) * shape[4] + w;
    }
}
