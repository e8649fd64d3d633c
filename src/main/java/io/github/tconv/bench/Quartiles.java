package io.github.tconv.bench;

import java.util.Collection;

/**
 * The middle of samples and how they spread.
 *
 * @param first a quarter of the samples is below
 * @param median half of the samples is below
 * @param third three quarters of the samples are below
 */
public record Quartiles(double first, double median, double third) {

    static Quartiles of(Collection<Double> samples) {
        double[] sorted =
                samples.stream().mapToDouble(Double::doubleValue).sorted().toArray();
        if (sorted.length == 0) {
            throw new IllegalArgumentException("quartiles need at least one sample");
        }
        return new Quartiles(quantile(sorted, 0.25), quantile(sorted, 0.5), quantile(sorted, 0.75));
    }

    /** Interpolates linearly between the two nearest samples. */
    private static double quantile(double[] sorted, double share) {
        double place = share * (sorted.length - 1);
        int below = (int) place;
        int above = Math.min(below + 1, sorted.length - 1);
        return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
    }

    static double geometricMean(Collection<Double> values) {
        return Math.exp(values.stream().mapToDouble(Math::log).average().orElse(Double.NaN));
    }
}
