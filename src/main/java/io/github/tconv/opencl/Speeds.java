package io.github.tconv.opencl;

import java.util.Arrays;

/**
 * How fast some devices are, one beside the other, and how a batch is shared accordingly. Only ratios are kept, which
 * differ little from layer to layer, and only calls in which several devices took part tell something. Thread-safe.
 */
final class Speeds {
    /** How far one call may move a speed, so that one that compiled, or waited for another process, does no harm. */
    private static final double MOST_STEP = 1.25;
    /**
     * What a device regains with each call that leaves it without an image, so that one that was slow for a while is
     * tried again: a device of a tenth of the speed takes one call in some 200.
     */
    private static final double REGAINED = 1.001;

    private final double[] speeds;

    Speeds(int devices) {
        speeds = new double[devices];
        Arrays.fill(speeds, 1.0 / devices);
    }

    /** Returns each device's part of all speed. */
    synchronized double[] relative() {
        double sum = Arrays.stream(speeds).sum();
        return Arrays.stream(speeds).map(speed -> speed / sum).toArray();
    }

    /**
     * Shares images among devices so that the last is done as early as can be.
     *
     * @param images how many
     * @param takesPart of each device whether it may have some
     * @param most how many devices may have some, at least 1
     * @return each device's number of images
     */
    synchronized int[] share(int images, boolean[] takesPart, int most) {
        int[] shares = new int[speeds.length];
        int devices = 0;
        for (int image = 0; image < images; image++) {
            int best = -1;
            for (int d = 0; d < shares.length; d++) {
                boolean may = takesPart[d] && (shares[d] > 0 || devices < most);
                if (may && (best < 0 || end(shares[d], d) < end(shares[best], best))) {
                    best = d;
                }
            }
            devices += shares[best] == 0 ? 1 : 0;
            shares[best]++;
        }
        return shares;
    }

    /**
     * Returns the device that is first done with one more call.
     *
     * @param running of each device how many calls are under way there
     * @param takesPart of each device whether it may be the one
     */
    synchronized int first(int[] running, boolean[] takesPart) {
        int best = -1;
        for (int d = 0; d < speeds.length; d++) {
            if (takesPart[d] && (best < 0 || end(running[d], d) < end(running[best], best))) {
                best = d;
            }
        }
        return best;
    }

    private double end(int before, int device) {
        return (before + 1) / speeds[device];
    }

    /**
     * Learns from a call.
     *
     * @param images each device's number of images
     * @param seconds how long each device took for them
     */
    synchronized void measured(int[] images, double[] seconds) {
        double measured = 0;
        double known = 0;
        int devices = 0;
        for (int d = 0; d < images.length; d++) {
            if (images[d] > 0) {
                measured += images[d] / seconds[d];
                known += speeds[d];
                devices++;
            }
        }
        if (devices < 2) {
            return;
        }
        for (int d = 0; d < images.length; d++) {
            // Half of the way, on a logarithmic scale.
            double step = images[d] == 0 ? REGAINED : Math.sqrt(images[d] / seconds[d] / measured * known / speeds[d]);
            speeds[d] *= Math.max(1 / MOST_STEP, Math.min(MOST_STEP, step));
        }
        double sum = Arrays.stream(speeds).sum();
        Arrays.setAll(speeds, d -> speeds[d] / sum);
    }
}
