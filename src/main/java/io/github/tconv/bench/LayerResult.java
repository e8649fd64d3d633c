package io.github.tconv.bench;

import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * What was measured of one layer. Sample {@code i} of every list was taken in round {@code i}.
 *
 * @param name the layer's name
 * @param descriptor the problem
 * @param source where the layer comes from
 * @param gflop the billions of floating-point operations of one call
 * @param peakGflops the device's peak in each round; empty if it was not measured
 * @param foreignShare the share of all processors' time that other processes took while these samples were taken
 * @param leftOut the rounds that were left out because others took more
 * @param entries the contenders, in the order of the columns
 */
public record LayerResult(
        String name,
        String descriptor,
        String source,
        double gflop,
        List<Double> peakGflops,
        double foreignShare,
        int leftOut,
        List<Entry> entries) {

    /**
     * One contender's share.
     *
     * @param contender its name
     * @param peer whether it is from outside
     * @param failure why it could not compute the layer, or null if it could
     * @param milliseconds the time of each call; empty if it failed
     * @param accuracy how right it is, or null if it failed
     * @param workspaceBytes the memory it takes beyond input, weight and output, or null if it does not tell
     */
    public record Entry(
            String contender,
            boolean peer,
            @Nullable String failure,
            List<Double> milliseconds,
            @Nullable Accuracy accuracy,
            @Nullable Long workspaceBytes) {

        /**
         * Tells whether there are samples.
         *
         * @return false if it could not compute the layer
         */
        public boolean measured() {
            return !milliseconds.isEmpty();
        }

        double median() {
            return Quartiles.of(milliseconds).median();
        }
    }

    int rounds() {
        return entries.stream()
                .mapToInt(entry -> entry.milliseconds.size())
                .max()
                .orElse(0);
    }

    /**
     * Returns the speed of a contender.
     *
     * @param entry an entry of this layer with samples
     * @return billions of floating-point operations a second, by the median time
     */
    public double gflops(Entry entry) {
        return gflop / (entry.median() * 1e-3);
    }

    /**
     * Returns the device's peak while this layer was measured.
     *
     * @return the median in GFLOP/s, not a number if it was not measured
     */
    public double medianPeak() {
        return peakGflops.isEmpty() ? Double.NaN : Quartiles.of(peakGflops).median();
    }

    /** The share of the peak of the same round, or nothing if no peak was measured. */
    Optional<Double> shareOfPeak(Entry entry) {
        if (peakGflops.isEmpty()) {
            return Optional.empty();
        }
        return Optional.of(Quartiles.of(IntStream.range(0, peakGflops.size())
                        .mapToObj(i -> gflop / (entry.milliseconds.get(i) * 1e-3) / peakGflops.get(i))
                        .toList())
                .median());
    }

    /** How many times as fast one contender is as another, round by round. */
    static Quartiles ratio(Entry ours, Entry theirs) {
        return Quartiles.of(IntStream.range(0, ours.milliseconds.size())
                .mapToObj(i -> theirs.milliseconds.get(i) / ours.milliseconds.get(i))
                .toList());
    }

    /**
     * Finds a contender's entry.
     *
     * @param contender its name
     * @return the entry, or empty if it took no part
     */
    public Optional<Entry> entry(String contender) {
        return entries.stream()
                .filter(entry -> entry.contender.equals(contender))
                .findFirst();
    }

    /** The peer with the smallest median. */
    Optional<Entry> fasterPeer() {
        return entries.stream()
                .filter(entry -> entry.peer && entry.measured())
                .min(java.util.Comparator.comparingDouble(Entry::median));
    }
}
