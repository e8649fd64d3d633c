package io.github.tconv.opencl;

import io.github.tconv.op.Activation;
import io.github.tconv.op.Backend;
import io.github.tconv.op.DeviceException;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import io.github.tconv.opencl.Tuner.Row;
import io.github.tconv.opencl.Tuner.Verdict;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.DoubleConsumer;
import org.jspecify.annotations.Nullable;

/**
 * One problem's candidates, called one after the other and then in turn, so that a machine whose speed drifts drifts for
 * all of them. Not thread-safe.
 */
final class Contest {
    /** So much faster than the rule's choice must a candidate be to take its place; below lies the noise. */
    static final double LEAST_GAIN = 1.03;
    /** A candidate that is so much slower than the fastest is dropped, and other tiles of its variant are not tried. */
    private static final double HOPELESS = 1.25;
    /** One that is so much slower after some rounds is dropped too. */
    private static final double BEHIND = 1.05;
    /** The share of the time in which new candidates may still be compiled. */
    private static final double COMPILING_SHARE = 0.65;

    private static final int DUEL_ROUNDS = 5;
    private static final int ROUNDS_BEFORE_DROPPING = 7;
    private static final int MOST_FINALISTS = 8;
    /** Calls that are shorter than this are measured several at once. */
    private static final double LEAST_SAMPLE_SECONDS = 0.0005;

    /** A variant with a tile while one problem is measured. */
    static final class Entry {
        final ForwardVariant variant;
        final ForwardVariant.Tile tile;
        final String variantLabel;
        /** Its place among the variant's tiles, the best guess being 0. */
        final int place;

        final boolean ofRule;
        /** Its time over the yardstick's in each round of both. */
        final List<Double> ratios = new ArrayList<>();

        Verdict verdict = Verdict.NOT_TRIED;
        String remark = "";

        @Nullable
        PreparedForward prepared;

        Entry(ForwardVariant variant, ForwardVariant.Tile tile, int place, boolean ofRule) {
            this.variant = variant;
            this.variantLabel = ForwardCandidates.label(variant);
            this.tile = tile;
            this.place = place;
            this.ofRule = ofRule;
        }

        /** How many times as long as the yardstick it takes; not a number if it was not measured. */
        double relative() {
            return ratios.isEmpty() ? Double.NaN : median(ratios);
        }

        boolean measured() {
            return verdict == Verdict.SLOWER && !ratios.isEmpty();
        }

        void close() {
            if (prepared != null) {
                prepared.close();
                prepared = null;
            }
        }
    }

    private final Session session;
    private final Backend oracle;
    final Problem problem;
    final String ruleLabel;
    private final List<Entry> entries = new ArrayList<>();
    private final Exemplar operands;
    private final Tensor output;
    /** Milliseconds of the yardstick: what every other candidate's time is divided by, round by round. */
    private final List<Double> yardstick = new ArrayList<>();

    private int calls = 1;

    /**
     * Lists the candidates, the rule's choice first.
     *
     * @param session where they compute
     * @param oracle what each of them is compared with
     * @param problem of rank 3
     * @param ruleVariant what the library takes for a layer that is not tuned
     * @param variants what else could compute the problem's layer
     */
    Contest(
            Session session,
            Backend oracle,
            Problem problem,
            ForwardVariant ruleVariant,
            List<ForwardVariant> variants) {
        this.session = session;
        this.oracle = oracle;
        this.problem = problem;
        this.ruleLabel = ForwardCandidates.label(ruleVariant);
        this.operands = new Exemplar(problem, Activation.none());
        this.output = operands.unwritten();
        List<ForwardVariant> all = new ArrayList<>();
        // The candidates' own object, where the rule's choice is one of them: it is the one to remember.
        all.add(variants.stream()
                .filter(variant -> ForwardCandidates.label(variant).equals(ruleLabel))
                .findFirst()
                .orElse(ruleVariant));
        variants.stream().filter(variant -> !all.contains(variant)).forEach(all::add);
        all.forEach(variant -> {
            List<ForwardVariant.Tile> ofVariant = variant.tiles(problem);
            for (int i = 0; i < ofVariant.size(); i++) {
                entries.add(new Entry(variant, ofVariant.get(i), i, entries.isEmpty()));
            }
        });
    }

    /**
     * Measures the candidates.
     *
     * @param seconds how long, compilation included
     * @param progress is told now and then which share of the time is over
     */
    void run(double seconds, DoubleConsumer progress) {
        long start = System.nanoTime();
        Tensor expected = operands.expected(oracle, false, false);
        // The first of them is the yardstick: the rule's choice, unless that does not work.
        List<Entry> finalists = new ArrayList<>();
        try {
            for (Entry entry = next(); entry != null; entry = next()) {
                double share = (System.nanoTime() - start) * 1e-9 / seconds;
                progress.accept(Math.min(1, share));
                if (share > (finalists.isEmpty() ? 1 : COMPILING_SHARE)) {
                    break;
                }
                if (makeReady(entry, expected)) {
                    join(entry, finalists);
                }
            }
            finalists.forEach(finalist -> finalist.ratios.clear());
            yardstick.clear();
            double share = 0;
            for (int round = 0;
                    !finalists.isEmpty() && (round < ROUNDS_BEFORE_DROPPING || (share < 1 && finalists.size() > 1));
                    round++) {
                round(finalists, round);
                share = (System.nanoTime() - start) * 1e-9 / seconds;
                progress.accept(Math.min(1, share));
                if (round % ROUNDS_BEFORE_DROPPING == ROUNDS_BEFORE_DROPPING - 1) {
                    dropThoseBehind(finalists);
                }
            }
        } finally {
            entries.forEach(Entry::close);
        }
    }

    /**
     * Returns what to try next: first the best guess of every variant, then the other tiles of those that were not
     * hopeless, the fastest variant's first.
     */
    private @Nullable Entry next() {
        Optional<Entry> untried = entries.stream()
                .filter(entry -> entry.verdict == Verdict.NOT_TRIED && entry.place == 0)
                .findFirst();
        if (untried.isPresent()) {
            return untried.get();
        }
        Map<String, Double> least = relatives();
        double fastest =
                least.values().stream().mapToDouble(Double::doubleValue).min().orElse(Double.NaN);
        return entries.stream()
                .filter(entry -> entry.verdict == Verdict.NOT_TRIED
                        && least.getOrDefault(entry.variantLabel, Double.NaN) <= HOPELESS * fastest)
                .min(Comparator.comparingDouble(entry -> least.get(entry.variantLabel)))
                .orElse(null);
    }

    private boolean makeReady(Entry entry, Tensor expected) {
        try {
            PreparedForward prepared = new PreparedForward(
                    session,
                    problem.layer(),
                    operands.weight(),
                    null,
                    Activation.none(),
                    (any, device) -> RetiledVariant.always(entry.variant, entry.tile),
                    /* copy= */ false);
            entry.prepared = prepared;
            output.floats().put(0, operands.unwritten().floats(), 0, output.elements());
            prepared.forward(problem, operands.read(), null, output);
            Optional<String> difference = operands.difference(expected, output);
            entry.verdict = difference.isPresent() ? Verdict.WRONG : Verdict.SLOWER;
            entry.remark = difference.orElse("");
        } catch (DeviceException e) {
            entry.verdict = Verdict.FAILED;
            entry.remark = String.valueOf(e.getMessage()).lines().findFirst().orElse("");
        }
        if (entry.verdict != Verdict.SLOWER) {
            entry.close();
        }
        return entry.verdict == Verdict.SLOWER;
    }

    /** Lets a new candidate run beside the yardstick and the fastest, and keeps it if it is not hopeless. */
    private void join(Entry entry, List<Entry> finalists) {
        if (finalists.isEmpty()) {
            double once = call(entry) * 1e-3;
            calls = (int) Math.max(1, Math.min(100, Math.ceil(LEAST_SAMPLE_SECONDS / once)));
            finalists.add(entry);
            round(finalists, 0);
            return;
        }
        double least = leastRelative(finalists);
        List<Entry> duel = List.of(finalists.get(0), entry);
        for (int round = 0; round < DUEL_ROUNDS; round++) {
            round(duel, round);
        }
        finalists.add(entry);
        if (entry.relative() > HOPELESS * least) {
            drop(entry, finalists);
        } else if (finalists.size() > MOST_FINALISTS) {
            drop(
                    finalists.stream()
                            .skip(1)
                            .max(Comparator.comparingDouble(Entry::relative))
                            .orElseThrow(),
                    finalists);
        }
    }

    private static double leastRelative(List<Entry> finalists) {
        return finalists.stream().mapToDouble(Entry::relative).min().orElseThrow();
    }

    private void dropThoseBehind(List<Entry> finalists) {
        double least = leastRelative(finalists);
        List.copyOf(finalists).stream()
                .skip(1)
                .filter(entry -> entry.relative() > BEHIND * least)
                .forEach(entry -> drop(entry, finalists));
    }

    /** Only its times are kept, so that few weights are on the device at once. */
    private static void drop(Entry entry, List<Entry> finalists) {
        entry.close();
        finalists.remove(entry);
    }

    /** Calls the yardstick, which is the first, and others once, beginning with another than the round before. */
    private void round(List<Entry> some, int round) {
        double[] milliseconds = new double[some.size()];
        for (int i = 0; i < milliseconds.length; i++) {
            int place = (round + i) % milliseconds.length;
            milliseconds[place] = call(some.get(place));
        }
        for (int i = 0; i < milliseconds.length; i++) {
            some.get(i).ratios.add(milliseconds[i] / milliseconds[0]);
        }
        yardstick.add(milliseconds[0]);
    }

    private double milliseconds(Entry entry) {
        return entry.ratios.isEmpty() ? Double.NaN : entry.relative() * median(yardstick);
    }

    private double call(Entry entry) {
        PreparedForward prepared = entry.prepared;
        if (prepared == null) {
            throw new IllegalStateException("a candidate that was dropped is not called");
        }
        long start = System.nanoTime();
        for (int i = 0; i < calls; i++) {
            prepared.forward(problem, operands.read(), null, output);
        }
        return (System.nanoTime() - start) * 1e-6 / calls;
    }

    /** Of each variant how its fastest tile compares with the yardstick. */
    private Map<String, Double> relatives() {
        Map<String, Double> least = new LinkedHashMap<>();
        entries.stream()
                .filter(Entry::measured)
                .forEach(entry -> least.merge(entry.variantLabel, entry.relative(), Math::min));
        return least;
    }

    /** Of each variant the time of its fastest tile. */
    Map<String, Double> leastMilliseconds() {
        Map<String, Double> least = relatives();
        least.replaceAll((variant, relative) -> relative * median(yardstick));
        return least;
    }

    /** The fastest tile of a variant; the rule's own unless another is faster by more than noise. */
    @Nullable
    Entry best(String variant) {
        List<Entry> tiles = entries.stream()
                .filter(entry -> entry.measured() && entry.variantLabel.equals(variant))
                .toList();
        Entry fastest =
                tiles.stream().min(Comparator.comparingDouble(Entry::relative)).orElse(null);
        return tiles.stream()
                .filter(entry -> entry.ofRule && fastest != null && fastest.relative() * LEAST_GAIN > entry.relative())
                .findFirst()
                .orElse(fastest);
    }

    /** Names the winner and lists the candidates, the fastest first, the ones without a time last. */
    List<Row> rows(@Nullable Entry winner) {
        if (winner != null) {
            winner.verdict = Verdict.WINNER;
        }
        return entries.stream()
                .sorted(Comparator.comparingDouble(Entry::relative))
                .map(entry -> new Row(
                        entry.variantLabel,
                        ForwardCandidates.label(entry.tile),
                        milliseconds(entry),
                        entry.ofRule,
                        entry.verdict,
                        entry.remark))
                .toList();
    }

    private static double median(List<Double> samples) {
        double[] sorted =
                samples.stream().mapToDouble(Double::doubleValue).sorted().toArray();
        int half = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
    }
}
