package io.github.tconv.reference;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Axis;
import io.github.tconv.op.Backend;
import io.github.tconv.op.DeviceTensor;
import io.github.tconv.op.Elementwise;
import io.github.tconv.op.Operand;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.nio.FloatBuffer;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The four operations as plain loops over their definition, with double accumulators, in parallel over independent
 * results on the common pool. Every sum is added in one fixed order, so the bits do not depend on the threads.
 *
 * <p>Everything is rank 3 here ({@link Problem#asRank3()}); {@code d}, {@code h} and {@code w} are depth, height and
 * width, {@code i}, {@code o} and {@code k} count input, output and kernel. Along the width the loops run over input
 * elements, of which {@link Span} gives those whose output element exists, so that no inner loop has a test in it.
 */
public final class ReferenceBackend implements Backend {
    private final Elementwise elementwise = new ElementwiseLoops();
    private volatile boolean closed;

    @Override
    public String describe() {
        return "reference (plain Java, %d threads)"
                .formatted(Runtime.getRuntime().availableProcessors());
    }

    @Override
    public void forward(Problem problem, Operand input, Operand weight, @Nullable Operand bias, Operand output) {
        forward(problem, host(input), host(weight), hostOrNull(bias), Activation.none(), null, host(output));
    }

    private static void forward(
            Problem problem,
            Tensor input,
            Tensor weight,
            @Nullable Tensor bias,
            Activation activation,
            @Nullable Tensor residual,
            Tensor output) {
        Sizes z = new Sizes(problem);
        FloatBuffer x = input.floats();
        FloatBuffer w = weight.floats();
        FloatBuffer y = output.floats();
        parallel(z.batch * z.oc, plane -> {
            int n = plane / z.oc;
            int oc = plane % z.oc;
            double[] row = new double[z.ow];
            for (int od = 0; od < z.od; od++) {
                for (int oh = 0; oh < z.oh; oh++) {
                    java.util.Arrays.fill(row, bias == null ? 0 : bias.get(oc));
                    for (int ic = z.firstIc(oc); ic < z.firstIc(oc) + z.icPerGroup; ic++) {
                        for (int kd = 0; kd < z.depth.kernel(); kd++) {
                            int id = inputAt(z.depth, od, kd, z.id);
                            for (int kh = 0; id >= 0 && kh < z.height.kernel(); kh++) {
                                int ih = inputAt(z.height, oh, kh, z.ih);
                                if (ih >= 0) {
                                    addRow(z, x, z.inputRow(n, ic, id, ih), w, z.taps(ic, oc, kd, kh), row);
                                }
                            }
                        }
                    }
                    int first = z.outputRow(n, oc, od, oh);
                    finish(row, activation, oc, residual, first);
                    store(row, y, first);
                }
            }
        });
    }

    /** Adds the residual and applies the activation. */
    private static void finish(double[] row, Activation activation, int channel, @Nullable Tensor residual, int first) {
        if (residual == null && activation.kind() == Activation.Kind.NONE) {
            return;
        }
        for (int w = 0; w < row.length; w++) {
            row[w] = activation.apply(row[w] + (residual == null ? 0 : residual.get(first + w)), channel);
        }
    }

    /** Spreads one input row over one output row: {@code row[iw * stride - pad + kw * dilation] += x * w}. */
    private static void addRow(Sizes z, FloatBuffer x, int xRow, FloatBuffer w, int taps, double[] row) {
        int stride = z.width.stride();
        for (int kw = 0; kw < z.width.kernel(); kw++) {
            Span span = z.widthSpans[kw];
            double value = w.get(taps + kw);
            int o = span.firstOutput;
            for (int i = xRow + span.first; i < xRow + span.end; i++) {
                row[o] += x.get(i) * value;
                o += stride;
            }
        }
    }

    @Override
    public void inputGradient(
            Problem problem, Operand outputGradient, Operand weight, @Nullable Operand bias, Operand inputGradient) {
        inputGradient(
                problem,
                host(outputGradient),
                host(weight),
                hostOrNull(bias),
                Activation.none(),
                null,
                host(inputGradient));
    }

    private static void inputGradient(
            Problem problem,
            Tensor outputGradient,
            Tensor weight,
            @Nullable Tensor bias,
            Activation activation,
            @Nullable Tensor residual,
            Tensor inputGradient) {
        Sizes z = new Sizes(problem);
        FloatBuffer gy = outputGradient.floats();
        FloatBuffer w = weight.floats();
        FloatBuffer gx = inputGradient.floats();
        parallel(z.batch * z.ic, plane -> {
            int n = plane / z.ic;
            int ic = plane % z.ic;
            double[] row = new double[z.iw];
            for (int id = 0; id < z.id; id++) {
                for (int ih = 0; ih < z.ih; ih++) {
                    java.util.Arrays.fill(row, bias == null ? 0 : bias.get(ic));
                    for (int oc = z.firstOc(ic); oc < z.firstOc(ic) + z.ocPerGroup; oc++) {
                        for (int kd = 0; kd < z.depth.kernel(); kd++) {
                            int od = outputAt(z.depth, id, kd, z.od);
                            for (int kh = 0; od >= 0 && kh < z.height.kernel(); kh++) {
                                int oh = outputAt(z.height, ih, kh, z.oh);
                                if (oh >= 0) {
                                    collectRow(z, gy, z.outputRow(n, oc, od, oh), w, z.taps(ic, oc, kd, kh), row);
                                }
                            }
                        }
                    }
                    int first = z.inputRow(n, ic, id, ih);
                    finish(row, activation, ic, residual, first);
                    store(row, gx, first);
                }
            }
        });
    }

    /** Collects one input row from one output row: {@code row[iw] += gy[iw * stride - pad + kw * dilation] * w}. */
    private static void collectRow(Sizes z, FloatBuffer gy, int gyRow, FloatBuffer w, int taps, double[] row) {
        int stride = z.width.stride();
        for (int kw = 0; kw < z.width.kernel(); kw++) {
            Span span = z.widthSpans[kw];
            double value = w.get(taps + kw);
            int o = gyRow + span.firstOutput;
            for (int i = span.first; i < span.end; i++) {
                row[i] += gy.get(o) * value;
                o += stride;
            }
        }
    }

    @Override
    public void weightGradient(Problem problem, Operand input, Operand outputGradient, Operand weightGradient) {
        Sizes z = new Sizes(problem);
        FloatBuffer x = host(input).floats();
        FloatBuffer gy = host(outputGradient).floats();
        FloatBuffer gw = host(weightGradient).floats();
        parallel(z.ic * z.ocPerGroup, pair -> {
            int ic = pair / z.ocPerGroup;
            int oc = z.firstOc(ic) + pair % z.ocPerGroup;
            for (int kd = 0; kd < z.depth.kernel(); kd++) {
                for (int kh = 0; kh < z.height.kernel(); kh++) {
                    double[] taps = new double[z.width.kernel()];
                    for (int n = 0; n < z.batch; n++) {
                        for (int id = 0; id < z.id; id++) {
                            int od = outputAt(z.depth, id, kd, z.od);
                            for (int ih = 0; od >= 0 && ih < z.ih; ih++) {
                                int oh = outputAt(z.height, ih, kh, z.oh);
                                if (oh >= 0) {
                                    dotRow(z, x, z.inputRow(n, ic, id, ih), gy, z.outputRow(n, oc, od, oh), taps);
                                }
                            }
                        }
                    }
                    store(taps, gw, z.taps(ic, oc, kd, kh));
                }
            }
        });
    }

    /** Multiplies one input row with one output row: {@code taps[kw] += x[iw] * gy[iw * stride - pad + kw * dilation]}. */
    private static void dotRow(Sizes z, FloatBuffer x, int xRow, FloatBuffer gy, int gyRow, double[] taps) {
        int stride = z.width.stride();
        for (int kw = 0; kw < z.width.kernel(); kw++) {
            Span span = z.widthSpans[kw];
            double sum = 0;
            int o = gyRow + span.firstOutput;
            for (int i = xRow + span.first; i < xRow + span.end; i++) {
                sum += (double) x.get(i) * gy.get(o);
                o += stride;
            }
            taps[kw] += sum;
        }
    }

    @Override
    public void biasGradient(Operand outputGradient, Operand biasGradient) {
        int batch = outputGradient.size(0);
        int channels = outputGradient.size(1);
        int plane = outputGradient.elements() / (batch * channels);
        FloatBuffer gy = host(outputGradient).floats();
        Tensor sums = host(biasGradient);
        parallel(channels, c -> {
            double sum = 0;
            for (int n = 0; n < batch; n++) {
                int first = (n * channels + c) * plane;
                for (int o = first; o < first + plane; o++) {
                    sum += gy.get(o);
                }
            }
            sums.set(c, (float) sum);
        });
    }

    /** Either direction of a layer. */
    @FunctionalInterface
    private interface Direction {
        void compute(
                Problem problem,
                Tensor read,
                Tensor weight,
                @Nullable Tensor bias,
                Activation activation,
                @Nullable Tensor residual,
                Tensor written);
    }

    @Override
    public Elementwise elementwise() {
        return elementwise;
    }

    @Override
    public PreparedLayer prepare(
            TransposedConvolution layer, Tensor weight, @Nullable Tensor bias, Activation activation) {
        return prepared(ReferenceBackend::forward, weight, bias, activation);
    }

    @Override
    public PreparedLayer prepareAdjoint(
            TransposedConvolution layer, Tensor weight, @Nullable Tensor bias, Activation activation) {
        return prepared(ReferenceBackend::inputGradient, weight, bias, activation);
    }

    private static PreparedLayer prepared(
            Direction direction, Tensor weight, @Nullable Tensor bias, Activation activation) {
        Tensor keptWeight = weight.copy();
        Tensor keptBias = bias == null ? null : bias.copy();
        Operand slopes = activation.slopes();
        Activation keptActivation =
                slopes == null ? activation : Activation.prelu(host(slopes).copy());
        return new PreparedLayer() {
            @Override
            public void forward(Problem problem, Operand input, @Nullable Operand residual, Operand output) {
                direction.compute(
                        problem, host(input), keptWeight, keptBias, keptActivation, hostOrNull(residual), host(output));
            }

            @Override
            public String describe(Problem problem) {
                return "plain Java";
            }

            @Override
            public long workspaceBytes(Problem problem) {
                return 0;
            }

            @Override
            public void close() {
                // Nothing but garbage to collect.
            }
        };
    }

    /** A device tensor of this backend is memory of the host, like every tensor's. */
    private final class HostMemory implements Memory {
        private volatile @Nullable Tensor tensor;

        HostMemory(Tensor tensor) {
            this.tensor = tensor;
        }

        Tensor tensor() {
            Tensor open = tensor;
            if (open == null) {
                throw new IllegalStateException("the device tensor is closed");
            }
            return open;
        }

        @Override
        public boolean isOpen() {
            return tensor != null && !closed;
        }

        @Override
        public void close() {
            tensor = null;
        }
    }

    /** The memory that an operand is over. A device tensor's has its elements, not its shape. */
    static Tensor host(Operand operand) {
        if (operand instanceof DeviceTensor onDevice) {
            return ((HostMemory) onDevice.memory()).tensor();
        }
        return (Tensor) operand;
    }

    private static @Nullable Tensor hostOrNull(@Nullable Operand operand) {
        return operand == null ? null : host(operand);
    }

    @Override
    public Memory allocate(int elements) {
        return new HostMemory(Tensor.zeros(elements));
    }

    @Override
    public Memory lend(Tensor tensor) {
        return new HostMemory(tensor);
    }

    @Override
    public void upload(Tensor source, DeviceTensor target) {
        copy(source, host(target));
    }

    @Override
    public void download(DeviceTensor source, Tensor target) {
        copy(host(source), target);
    }

    private static void copy(Tensor from, Tensor to) {
        to.floats().put(from.floats());
    }

    /** Only notes it: everything held is the garbage collector's. */
    @Override
    public void close() {
        closed = true;
    }

    private static void parallel(int count, IntConsumer work) {
        IntStream.range(0, count).parallel().forEach(work);
    }

    private static void store(double[] row, FloatBuffer target, int first) {
        for (int i = 0; i < row.length; i++) {
            target.put(first + i, (float) row[i]);
        }
    }

    /** The input element that tap {@code k} takes to output element {@code o}, or -1 if there is none. */
    private static int inputAt(Axis axis, int o, int k, int inputSize) {
        long scaled = o + (long) axis.padBegin() - (long) k * axis.dilation();
        long i = scaled / axis.stride();
        return scaled >= 0 && scaled % axis.stride() == 0 && i < inputSize ? (int) i : -1;
    }

    /** The output element to which tap {@code k} takes input element {@code i}, or -1 if it is cut off. */
    private static int outputAt(Axis axis, int i, int k, int outputSize) {
        long o = (long) i * axis.stride() - axis.padBegin() + (long) k * axis.dilation();
        return o >= 0 && o < outputSize ? (int) o : -1;
    }

    /** The input elements {@code first <= i < end} that a tap takes to an existing output element. */
    private static final class Span {
        final int first;
        final int end;
        final int firstOutput;

        Span(Axis axis, int k, int inputSize, int outputSize) {
            long offset = (long) k * axis.dilation() - axis.padBegin();
            long from = Math.max(0, -Math.floorDiv(offset, axis.stride()));
            long to = Math.min(inputSize, Math.floorDiv(outputSize - 1 - offset, axis.stride()) + 1);
            boolean any = from < to;
            first = any ? (int) from : 0;
            end = any ? (int) to : 0;
            firstOutput = any ? (int) (from * axis.stride() + offset) : 0;
        }
    }

    /** The sizes of a problem of rank 3 and the places of its rows, in elements. A tensor's elements fit 32 bits. */
    private static final class Sizes {
        final Axis depth;
        final Axis height;
        final Axis width;
        final int batch;
        final int ic;
        final int oc;
        final int icPerGroup;
        final int ocPerGroup;
        final int id;
        final int ih;
        final int iw;
        final int od;
        final int oh;
        final int ow;
        final Span[] widthSpans;

        Sizes(Problem anyRank) {
            Problem problem = anyRank.asRank3();
            TransposedConvolution layer = problem.layer();
            depth = layer.axes().get(0);
            height = layer.axes().get(1);
            width = layer.axes().get(2);
            batch = problem.batch();
            ic = layer.inChannels();
            oc = layer.outChannels();
            icPerGroup = ic / layer.groups();
            ocPerGroup = oc / layer.groups();
            id = problem.inputSize(0);
            ih = problem.inputSize(1);
            iw = problem.inputSize(2);
            od = problem.outputSize(0);
            oh = problem.outputSize(1);
            ow = problem.outputSize(2);
            widthSpans = IntStream.range(0, width.kernel())
                    .mapToObj(k -> new Span(width, k, iw, ow))
                    .toArray(Span[]::new);
        }

        int firstIc(int ofOc) {
            return ofOc / ocPerGroup * icPerGroup;
        }

        int firstOc(int ofIc) {
            return ofIc / icPerGroup * ocPerGroup;
        }

        int inputRow(int n, int c, int d, int h) {
            return (((n * ic + c) * id + d) * ih + h) * iw;
        }

        int outputRow(int n, int c, int d, int h) {
            return (((n * oc + c) * od + d) * oh + h) * ow;
        }

        int taps(int inChannel, int outChannel, int kd, int kh) {
            int pair = inChannel * ocPerGroup + outChannel % ocPerGroup;
            return ((pair * depth.kernel() + kd) * height.kernel() + kh) * width.kernel();
        }
    }
}
