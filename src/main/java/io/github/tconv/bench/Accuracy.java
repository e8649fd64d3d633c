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
    private static final double UNIT_ROUNDOFF = 0x1p-24;

    /** The exact value of one element of the output. */
    private record Exact(int place, double value, double magnitudes, long terms) {
        double bound() {
            // One rounding more than terms: the one of the double sum to the float that it is compared with.
            return gamma(terms + 1.0) * magnitudes;
        }
    }

    private static double gamma(double k) {
        return k * UNIT_ROUNDOFF / (1 - k * UNIT_ROUNDOFF);
    }

    /** The most terms that one element has. */
    private static double mostTerms(Problem problem) {
        TransposedConvolution layer = problem.layer();
        int[] weight = layer.weightShape();
        return Arrays.stream(weight).asDoubleStream().reduce(1, (a, b) -> a * b) / weight[1] / layer.groups();
    }

    private static double largest(Tensor tensor) {
        double largest = 0;
        for (int i = 0; i < tensor.elements(); i++) {
            largest = Math.max(largest, Math.abs(tensor.get(i)));
        }
        return largest;
    }

    /** The exact values that results of one layer are compared with. */
    static final class Sample {
        /** Roundings beside those of the sum, see {@link io.github.tconv.Engine#errorGrowth}. */
        private static final int OTHER_ROUNDINGS = 12;

        private final List<Exact> exact;
        /** The bound that belongs to an error growth of one. */
        private final double growthUnit;

        Sample(Operands operands) {
            double terms = mostTerms(operands.problem());
            growthUnit =
                    gamma(terms + OTHER_ROUNDINGS) * terms * largest(operands.input()) * largest(operands.weight());
            int elements = Arrays.stream(operands.problem().outputShape()).reduce(1, (a, b) -> a * b);
            SplittableRandom random = new SplittableRandom(elements);
            IntStream places = elements <= SAMPLES
                    ? IntStream.range(0, elements)
                    : random.ints(SAMPLES, 0, elements).sorted();
            Gather gather = new Gather(operands);
            exact = places.parallel().mapToObj(gather::at).toList();
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

    /** One output element by the definition: over all taps that meet an input element. */
    private static final class Gather {
        private final Problem problem;
        private final TransposedConvolution layer;
        private final Tensor input;
        private final Tensor weight;

        Gather(Operands operands) {
            problem = operands.problem().asRank3();
            layer = problem.layer();
            input = operands.input();
            weight = operands.weight();
        }

        Exact at(int place) {
            int ow = place % problem.outputSize(2);
            int row = place / problem.outputSize(2);
            int oh = row % problem.outputSize(1);
            int plane = row / problem.outputSize(1);
            int od = plane % problem.outputSize(0);
            int channel = plane / problem.outputSize(0);
            int oc = channel % layer.outChannels();
            int n = channel / layer.outChannels();
            int icPerGroup = layer.inChannels() / layer.groups();
            int ocPerGroup = layer.outChannels() / layer.groups();
            int firstIc = oc / ocPerGroup * icPerGroup;
            Axis depth = layer.axes().get(0);
            Axis height = layer.axes().get(1);
            Axis width = layer.axes().get(2);
            double sum = 0;
            double magnitudes = 0;
            long terms = 0;
            for (int kd = 0; kd < depth.kernel(); kd++) {
                int id = met(depth, od, kd, problem.inputSize(0));
                for (int kh = 0; id >= 0 && kh < height.kernel(); kh++) {
                    int ih = met(height, oh, kh, problem.inputSize(1));
                    for (int kw = 0; ih >= 0 && kw < width.kernel(); kw++) {
                        int iw = met(width, ow, kw, problem.inputSize(2));
                        for (int ic = firstIc; iw >= 0 && ic < firstIc + icPerGroup; ic++) {
                            int x = at(n * layer.inChannels() + ic, problem, id, ih, iw);
                            int pair = ic * ocPerGroup + oc % ocPerGroup;
                            int w = ((pair * depth.kernel() + kd) * height.kernel() + kh) * width.kernel() + kw;
                            double product = (double) input.get(x) * weight.get(w);
                            sum += product;
                            magnitudes += Math.abs(product);
                            terms++;
                        }
                    }
                }
            }
            return new Exact(place, sum, magnitudes, terms);
        }

        private static int at(int channel, Problem problem, int id, int ih, int iw) {
            return ((channel * problem.inputSize(0) + id) * problem.inputSize(1) + ih) * problem.inputSize(2) + iw;
        }

        private static int met(Axis axis, int o, int k, int inputSize) {
            long spread = (long) o + axis.padBegin() - (long) k * axis.dilation();
            long i = Math.floorDiv(spread, axis.stride());
            return Math.floorMod(spread, axis.stride()) == 0 && i >= 0 && i < inputSize ? (int) i : -1;
        }
    }
}
