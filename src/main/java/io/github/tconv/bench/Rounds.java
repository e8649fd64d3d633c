package io.github.tconv.bench;

import io.github.tconv.op.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.function.DoubleSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Measures contenders call by call in turn, so that a machine whose speed drifts drifts for all of them. Each round
 * calls every contender once, beginning with another one than the round before, and measures the peak once. Rounds
 * during which other processes took the processors are left out, whatever came of them.
 *
 * @param seconds how long to measure each layer
 * @param patience how many times as long to go on, at most, if other processes disturb
 * @param pauseMillis how long to leave the processor to a contender's threads that still spin after its call, before
 *     the next one is called
 * @param loopMillis how long a contender, and the peak, is called again and again in its turn before the call that is
 *     timed
 * @param peak measures the device's peak in GFLOP/s, or null where there is none to measure
 */
public record Rounds(
        double seconds,
        double patience,
        double pauseMillis,
        double loopMillis,
        @Nullable DoubleSupplier peak) {
    private static final int LEAST_ROUNDS = 5;
    private static final double WARM_UP_SHARE = 0.2;
    /** Other processes' time is counted in ticks of 10 ms, so a judgement needs this long. */
    private static final double WINDOW_SECONDS = 0.25;
    /** The share of the processors that others may take in a window that counts. */
    private static final double QUIET_SHARE = 0.08;

    /** One round: each contender's milliseconds, and the peak in GFLOP/s or not a number. */
    private record Round(List<Double> milliseconds, double peak) {}

    /** What is kept of a layer's rounds, and the share of the processors that others took meanwhile. */
    private record Kept(List<Round> rounds, double foreignShare, int leftOut) {}

    /**
     * Measures one layer. Results are compared with exact values, and with each other, before the clock starts.
     *
     * @param layer the layer
     * @param operation what is computed of it
     * @param entrants who takes part
     * @return what was measured
     * @throws IllegalStateException if a result of this library is wrong, or a peer's is not that of this library
     */
    public LayerResult measure(BenchmarkLayer layer, BenchmarkOperation operation, List<Entrant> entrants) {
        Operands operands = Operands.random(layer.problem(), operation);
        Accuracy.Sample sample = new Accuracy.Sample(operands);
        List<Lane> lanes = new ArrayList<>();
        try {
            Tensor first = null;
            double growth = 0;
            for (Entrant entrant : entrants) {
                Lane lane = new Lane(entrant, operands);
                lanes.add(lane);
                Tensor result = lane.firstResult();
                if (result != null) {
                    growth = Math.max(growth, lane.errorGrowth());
                    Accuracy accuracy = sample.of(result, lane.errorGrowth());
                    lane.accuracy = accuracy;
                    if (accuracy.withinBound()) {
                        checkDifference(layer, entrant, result, first, sample.greatestDifference(growth));
                        first = first == null ? result : first;
                    } else {
                        lane.giveUp(new IllegalStateException("%s is wrong on %s: relative error %.2g"
                                .formatted(entrant.name(), layer.problem(), accuracy.maxError())));
                    }
                }
            }
            List<Lane> able =
                    lanes.stream().filter(lane -> lane.contender != null).toList();
            Kept kept = run(able);
            return new LayerResult(
                    layer.name(),
                    layer.problem().toString(),
                    layer.source(),
                    layer.problem().flops() * 1e-9,
                    peak == null
                            ? List.of()
                            : kept.rounds.stream().map(Round::peak).toList(),
                    kept.foreignShare,
                    kept.leftOut,
                    lanes.stream()
                            .map(lane -> lane.entry(able.indexOf(lane), kept.rounds))
                            .toList());
        } finally {
            lanes.forEach(Lane::close);
        }
    }

    private static void checkDifference(
            BenchmarkLayer layer, Entrant entrant, Tensor result, @Nullable Tensor other, double greatestDifference) {
        for (int i = 0; other != null && i < result.elements(); i++) {
            double difference = Math.abs(result.get(i) - other.get(i));
            if (!(difference <= greatestDifference)) {
                throw new IllegalStateException(
                        "%s differs from the others on %s at element %d: by %.2g, more than %.2g"
                                .formatted(entrant.name(), layer.problem(), i, difference, greatestDifference));
            }
        }
    }

    private Kept run(List<Lane> lanes) {
        // Each in a loop, without rests: Java's compiler counts calls.
        for (Lane lane : lanes) {
            ForeignLoad warmUp = ForeignLoad.now();
            do {
                double unused = lane.call();
            } while (warmUp.secondsSince() < seconds * WARM_UP_SHARE / lanes.size());
        }
        List<Round> quiet = new ArrayList<>();
        List<Round> disturbed = new ArrayList<>();
        double quietSeconds = 0;
        double quietShares = 0;
        double goal = seconds * (1 - WARM_UP_SHARE);
        ForeignLoad all = ForeignLoad.now();
        while (quiet.size() + disturbed.size() < LEAST_ROUNDS
                || (quietSeconds < goal && all.secondsSince() < goal * patience)) {
            ForeignLoad window = ForeignLoad.now();
            List<Round> rounds = new ArrayList<>();
            while (window.secondsSince() < Math.min(goal, WINDOW_SECONDS)) {
                rounds.add(round(lanes, rounds.size()));
            }
            double share = window.shareSince();
            if (share <= QUIET_SHARE) {
                quiet.addAll(rounds);
                quietShares += share * window.secondsSince();
                quietSeconds += window.secondsSince();
            } else {
                disturbed.addAll(rounds);
            }
        }
        if (quiet.size() >= LEAST_ROUNDS) {
            return new Kept(quiet, quietShares / quietSeconds, disturbed.size());
        }
        quiet.addAll(disturbed);
        return new Kept(quiet, all.shareSince(), 0);
    }

    private Round round(List<Lane> lanes, int round) {
        Double[] milliseconds = new Double[lanes.size()];
        for (int i = 0; i < lanes.size(); i++) {
            pause();
            int lane = (round + i) % lanes.size();
            milliseconds[lane] = lastOfLoop(lanes.get(lane)::call);
        }
        pause();
        return new Round(List.of(milliseconds), peak == null ? Double.NaN : lastOfLoop(peak));
    }

    private double lastOfLoop(DoubleSupplier call) {
        long start = System.nanoTime();
        while (System.nanoTime() - start < loopMillis * 1e6) {
            double unused = call.getAsDouble();
        }
        return call.getAsDouble();
    }

    private void pause() {
        LockSupport.parkNanos((long) (pauseMillis * 1e6));
    }

    /** One contender while a layer is measured. */
    private static final class Lane {
        final Entrant entrant;

        @Nullable
        Contender contender;

        @Nullable
        Accuracy accuracy;

        @Nullable
        String failure;

        @Nullable
        Long workspaceBytes;

        Lane(Entrant entrant, Operands operands) {
            this.entrant = entrant;
            try {
                contender = entrant.prepare().apply(operands);
            } catch (RuntimeException e) {
                giveUp(e);
            }
        }

        @Nullable
        Tensor firstResult() {
            try {
                if (contender == null) {
                    return null;
                }
                Tensor result = contender.result();
                workspaceBytes = contender.workspaceBytes();
                return result;
            } catch (RuntimeException e) {
                giveUp(e);
                return null;
            }
        }

        double errorGrowth() {
            return contender == null ? 0 : contender.errorGrowth();
        }

        /** A peer may lack an option, or be wrong; this library may not. */
        private void giveUp(RuntimeException e) {
            if (!entrant.peer()) {
                throw e;
            }
            failure = String.valueOf(e.getMessage()).lines().findFirst().orElse("");
            close();
        }

        double call() {
            long start = System.nanoTime();
            if (contender != null) {
                contender.call();
            }
            return (System.nanoTime() - start) * 1e-6;
        }

        LayerResult.Entry entry(int place, List<Round> rounds) {
            List<Double> milliseconds = place < 0
                    ? List.of()
                    : rounds.stream()
                            .map(round -> round.milliseconds.get(place))
                            .toList();
            return new LayerResult.Entry(
                    entrant.name(), entrant.peer(), failure, milliseconds, accuracy, workspaceBytes);
        }

        void close() {
            if (contender != null) {
                contender.close();
                contender = null;
            }
        }
    }
}
