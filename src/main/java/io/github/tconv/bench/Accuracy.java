package io.github.tconv.bench;

import io.github.tconv.op.Axis;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * How far a result is from the exact one, at a random sample of its elements. The exact values are sums in double
 * precision of products that are exact in it.
 *
 * @param maxError the largest distance, over the largest exact value
 * @param rmsError the root of the mean squared distance, over that of the exact values
 * @param withinBound whether each distance is at most γ(terms + 1) times the sum of its terms' magnitudes, what any
 *     order of float32 additions keeps to (Higham, "Accuracy and Stability of Numerical Algorithms", 2002, section 3.1),
 *     or at most what the contender says of itself ({@link io.github.tconv.Engine#errorGrowth})
 */
public record Accuracy(double maxError, double rmsError, boolean withinBound) {
    private static final int SAMPLES = 20_000;
    /** Products in double precision that a sample may take: the sums of a weight's gradient are long. */
    private static final double PRODUCTS = 3e8;

    private static final int FEWEST_SAMPLES = 1000;
    private static final double UNIT_ROUNDOFF = 0x1p-24;

    /** The exact value of one element of the result. */
    private record Exact(int place, double value, double magnitudes, long terms) {
        double bound() {
            // One rounding more than terms: the one of the double sum to the float that it is compared with.
            return gamma(terms + 1.0) * magnitudes;
        }
    }

    private static double gamma(double k) {
        return k * UNIT_ROUNDOFF / (1 - k * UNIT_ROUNDOFF);
    }

    /** The most terms of an element that is summed over some channels of a group: those times the taps. */
    private static double perGroup(Problem problem, int channels) {
        TransposedConvolution layer = problem.layer();
        double taps = layer.axes().stream().mapToDouble(Axis::kernel).reduce(1, (a, b) -> a * b);
        return taps * channels / layer.groups();
    }

    private static double largest(Tensor tensor) {
        double largest = 0;
        for (int i = 0; i < tensor.elements(); i++) {
            largest = Math.max(largest, Math.abs(tensor.get(i)));
        }
        return largest;
    }

    /** The positions of the input, of all images: as many terms has a gradient by the weight. */
    private static double positions(Problem problem) {
        return (double) Tensor.elementsOf(problem.inputShape())
                / problem.layer().inChannels();
    }

    /** The exact values that results of one layer are compared with. */
    static final class Sample {
        /** Roundings beside those of the sum, see {@link io.github.tconv.Engine#errorGrowth}. */
        private static final int OTHER_ROUNDINGS = 12;

        private final List<Exact> exact;
        /** The bound that belongs to an error growth of one. */
        private final double growthUnit;

        Sample(Operands operands) {
            Problem problem = operands.problem();
            growthUnit = switch (operands.operation()) {
                case FORWARD ->
                    growthUnit(perGroup(problem, problem.layer().inChannels()), operands.input(), operands.weight());
                case INPUT_GRADIENT ->
                    growthUnit(
                            perGroup(problem, problem.layer().outChannels()),
                            operands.outputGradient(),
                            operands.weight());
                case WEIGHT_GRADIENT -> growthUnit(positions(problem), operands.input(), operands.outputGradient());
            };
            int elements =
                    Arrays.stream(operands.operation().resultShape(problem)).reduce(1, (a, b) -> a * b);
            double products = problem.flops() / 2 / elements;
            int samples = (int) Math.max(FEWEST_SAMPLES, Math.min(SAMPLES, PRODUCTS / products));
            SplittableRandom random = new SplittableRandom(elements);
            IntStream places = elements <= samples
                    ? IntStream.range(0, elements)
                    : random.ints(samples, 0, elements).sorted();
            Gather gather = new Gather(operands);
            exact = places.parallel()
                    .mapToObj(place -> switch (operands.operation()) {
                        case FORWARD -> gather.output(place);
                        case INPUT_GRADIENT -> gather.inputGradient(place);
                        case WEIGHT_GRADIENT -> gather.weightGradient(place);
                    })
                    .toList();
        }

        private static double growthUnit(double terms, Tensor one, Tensor other) {
            return gamma(terms + OTHER_ROUNDINGS) * terms * largest(one) * largest(other);
        }

        /** Compares a result of plain sums with the exact values. */
        Accuracy of(Tensor result) {
            return of(result, 0);
        }

        /** Compares a result whose errors are bounded by {@link io.github.tconv.Engine#errorGrowth}. */
        Accuracy of(Tensor result, double errorGrowth) {
            double elsewhere = errorGrowth * growthUnit;
            double largest = 0;
            double squares = 0;
            double largestError = 0;
            double squaredErrors = 0;
            boolean within = true;
            for (Exact e : exact) {
                double error = Math.abs(result.get(e.place) - e.value);
                largest = Math.max(largest, Math.abs(e.value));
                squares += e.value * e.value;
                largestError = Math.max(largestError, error);
                squaredErrors += error * error;
                within &= error <= e.bound() + elsewhere;
            }
            return new Accuracy(largestError / largest, Math.sqrt(squaredErrors / squares), within);
        }

        /** The most that two results may differ anywhere, both being right and of such error growths at most. */
        double greatestDifference(double errorGrowth) {
            return 2 * (exact.stream().mapToDouble(Exact::bound).max().orElse(0) + errorGrowth * growthUnit);
        }
    }

    /** A sum in double precision of products that are exact in it. */
    private static final class Sum {
        private double sum;
        private double magnitudes;
        private long terms;

        void add(double product) {
            sum += product;
            magnitudes += Math.abs(product);
            terms++;
        }

        Exact at(int place) {
            return new Exact(place, sum, magnitudes, terms);
        }
    }

    /** One element by the definition: over all that meets it. */
    private static final class Gather {
        private final Problem problem;
        private final TransposedConvolution layer;
        private final Tensor input;
        private final Tensor weight;
        private final Tensor outputGradient;
        private final int icPerGroup;
        private final int ocPerGroup;
        private final Axis depth;
        private final Axis height;
        private final Axis width;

        Gather(Operands operands) {
            problem = operands.problem().asRank3();
            layer = problem.layer();
            input = operands.input();
            weight = operands.weight();
            outputGradient = operands.outputGradient();
            icPerGroup = layer.inChannels() / layer.groups();
            ocPerGroup = layer.outChannels() / layer.groups();
            depth = layer.axes().get(0);
            height = layer.axes().get(1);
            width = layer.axes().get(2);
        }

        Exact output(int place) {
            int ow = place % problem.outputSize(2);
            int row = place / problem.outputSize(2);
            int oh = row % problem.outputSize(1);
            int plane = row / problem.outputSize(1);
            int od = plane % problem.outputSize(0);
            int channel = plane / problem.outputSize(0);
            int oc = channel % layer.outChannels();
            int n = channel / layer.outChannels();
            int firstIc = oc / ocPerGroup * icPerGroup;
            Sum sum = new Sum();
            for (int kd = 0; kd < depth.kernel(); kd++) {
                int id = met(depth, od, kd, problem.inputSize(0));
                for (int kh = 0; id >= 0 && kh < height.kernel(); kh++) {
                    int ih = met(height, oh, kh, problem.inputSize(1));
                    for (int kw = 0; ih >= 0 && kw < width.kernel(); kw++) {
                        int iw = met(width, ow, kw, problem.inputSize(2));
                        for (int ic = firstIc; iw >= 0 && ic < firstIc + icPerGroup; ic++) {
                            sum.add((double) input.get(inputAt(n, ic, id, ih, iw))
                                    * weight.get(weightAt(ic, oc % ocPerGroup, kd, kh, kw)));
                        }
                    }
                }
            }
            return sum.at(place);
        }

        Exact inputGradient(int place) {
            int iw = place % problem.inputSize(2);
            int row = place / problem.inputSize(2);
            int ih = row % problem.inputSize(1);
            int plane = row / problem.inputSize(1);
            int id = plane % problem.inputSize(0);
            int channel = plane / problem.inputSize(0);
            int ic = channel % layer.inChannels();
            int n = channel / layer.inChannels();
            int firstOc = ic / icPerGroup * ocPerGroup;
            Sum sum = new Sum();
            for (int kd = 0; kd < depth.kernel(); kd++) {
                int od = reached(depth, id, kd, problem.outputSize(0));
                for (int kh = 0; od >= 0 && kh < height.kernel(); kh++) {
                    int oh = reached(height, ih, kh, problem.outputSize(1));
                    for (int kw = 0; oh >= 0 && kw < width.kernel(); kw++) {
                        int ow = reached(width, iw, kw, problem.outputSize(2));
                        for (int ocg = 0; ow >= 0 && ocg < ocPerGroup; ocg++) {
                            sum.add((double) outputGradient.get(outputAt(n, firstOc + ocg, od, oh, ow))
                                    * weight.get(weightAt(ic, ocg, kd, kh, kw)));
                        }
                    }
                }
            }
            return sum.at(place);
        }

        Exact weightGradient(int place) {
            int kw = place % width.kernel();
            int row = place / width.kernel();
            int kh = row % height.kernel();
            int plane = row / height.kernel();
            int kd = plane % depth.kernel();
            int pair = plane / depth.kernel();
            int ic = pair / ocPerGroup;
            int oc = ic / icPerGroup * ocPerGroup + pair % ocPerGroup;
            Sum sum = new Sum();
            for (int n = 0; n < problem.batch(); n++) {
                for (int id = 0; id < problem.inputSize(0); id++) {
                    int od = reached(depth, id, kd, problem.outputSize(0));
                    for (int ih = 0; od >= 0 && ih < problem.inputSize(1); ih++) {
                        int oh = reached(height, ih, kh, problem.outputSize(1));
                        for (int iw = 0; oh >= 0 && iw < problem.inputSize(2); iw++) {
                            int ow = reached(width, iw, kw, problem.outputSize(2));
                            if (ow >= 0) {
                                sum.add((double) input.get(inputAt(n, ic, id, ih, iw))
                                        * outputGradient.get(outputAt(n, oc, od, oh, ow)));
                            }
                        }
                    }
                }
            }
            return sum.at(place);
        }

        private int inputAt(int n, int ic, int id, int ih, int iw) {
            int plane = (n * layer.inChannels() + ic) * problem.inputSize(0) + id;
            return (plane * problem.inputSize(1) + ih) * problem.inputSize(2) + iw;
        }

        private int outputAt(int n, int oc, int od, int oh, int ow) {
            int plane = (n * layer.outChannels() + oc) * problem.outputSize(0) + od;
            return (plane * problem.outputSize(1) + oh) * problem.outputSize(2) + ow;
        }

        private int weightAt(int ic, int ocg, int kd, int kh, int kw) {
            int plane = (ic * ocPerGroup + ocg) * depth.kernel() + kd;
            return (plane * height.kernel() + kh) * width.kernel() + kw;
        }

        /** The input position that a tap takes to an output position, or -1. */
        private static int met(Axis axis, int o, int k, int inputSize) {
            long spread = (long) o + axis.padBegin() - (long) k * axis.dilation();
            long i = Math.floorDiv(spread, axis.stride());
            return Math.floorMod(spread, axis.stride()) == 0 && i >= 0 && i < inputSize ? (int) i : -1;
        }

        /** The output position to which a tap takes an input position, or -1. */
        private static int reached(Axis axis, int i, int k, int outputSize) {
            long o = (long) i * axis.stride() - axis.padBegin() + (long) k * axis.dilation();
            return o >= 0 && o < outputSize ? (int) o : -1;
        }
    }
}
