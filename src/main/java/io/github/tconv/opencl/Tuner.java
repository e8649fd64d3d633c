package io.github.tconv.opencl;

import io.github.tconv.op.Backend;
import io.github.tconv.op.Problem;
import io.github.tconv.op.TransposedConvolution;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.DoubleConsumer;
import java.util.stream.IntStream;

/**
 * Measures the ways to compute a layer on a device and remembers the fastest in the user's folder for caches, from where
 * every engine that is opened later on the device takes it.
 *
 * <p>Each candidate first computes the problem on whole numbers, where its result must be equal to an oracle's; one that
 * is not takes no part. Then candidates are called in turn, so that a machine whose speed drifts drifts for all of them,
 * and those that fall behind are dropped. Not thread-safe.
 */
public final class Tuner implements AutoCloseable {
    private final Session session;
    private final Backend oracle;
    private final ForwardRule rule;
    private final Ledger ledger;
    private final Path file;

    /** What came of one candidate. */
    public enum Verdict {
        /** The fastest. */
        WINNER,
        /** Slower than the winner. */
        SLOWER,
        /** Its result was not the oracle's. */
        WRONG,
        /** The device failed: it did not compile, or did not run. */
        FAILED,
        /** The time was up before it had its turn. */
        NOT_TRIED
    }

    /**
     * One candidate and what came of it.
     *
     * @param variant the variant's name and constants
     * @param tile the tile's constants
     * @param milliseconds of one call, the median; not a number if it was not measured
     * @param ruleChoice whether it is what the library takes for a layer that is not tuned
     * @param verdict what came of it
     * @param remark what was wrong, or empty
     */
    public record Row(
            String variant, String tile, double milliseconds, boolean ruleChoice, Verdict verdict, String remark) {}

    /**
     * What was measured of one problem.
     *
     * @param problem the problem
     * @param rows the candidates, the fastest first, the ones without a time last
     * @param remembered whether the winner was written to the tuning file
     */
    public record Table(Problem problem, List<Row> rows, boolean remembered) {
        /** Copies the list. */
        public Table {
            rows = List.copyOf(rows);
        }
    }

    Tuner(Device device, Backend oracle, ForwardRule rule, Path folder) {
        this.session = new Session(device);
        this.oracle = oracle;
        this.rule = rule;
        this.ledger = new Ledger(new PrivateFolder(folder), Tuning.LEDGER);
        this.file = folder.resolve(Tuning.LEDGER + ".txt");
    }

    /**
     * Opens the device on which an engine of the same selector computes; of several the first, which decides for all.
     *
     * @param selector {@code auto}, {@code reference} or what names a device
     * @param oracle what every candidate is compared with
     * @return a tuner, to be closed, or empty where plain Java computes, of which there is only one kind
     * @throws IllegalArgumentException if there is no such device
     */
    public static Optional<Tuner> open(String selector, Backend oracle) {
        Discovery found = Discovery.run();
        Optional<DeviceInfo> device = switch (selector.strip().toLowerCase(Locale.ROOT)) {
            case "reference" -> Optional.empty();
            case "auto" -> DeviceChoice.preferred(found.list());
            default -> Optional.of(DeviceChoice.several(selector, found).get(0).device());
        };
        return device.map(info ->
                new Tuner(found.devices().get(info.index()), oracle, ForwardRule.standard(), CacheFolder.find()));
    }

    /**
     * Names the device.
     *
     * @return one line
     */
    public String device() {
        return session.device().toString();
    }

    /**
     * Says where winners are remembered.
     *
     * @return the tuning file, which need not exist
     */
    public Path file() {
        return file;
    }

    /**
     * Measures the candidates of one layer.
     *
     * @param problems sizes of one layer, at least one
     * @param seconds how long to measure each of them, compilation included
     * @param remember whether the winner is written to the tuning file
     * @param progress is told now and then which share of the time is over
     * @return what was measured, a table for each problem; in each the row of the layer's variant wins
     * @throws IllegalArgumentException if the problems are not of one layer
     */
    public List<Table> tune(List<Problem> problems, double seconds, boolean remember, DoubleConsumer progress) {
        List<Problem> rank3 = problems.stream().map(Problem::asRank3).distinct().toList();
        if (rank3.stream().map(Problem::layer).distinct().count() != 1) {
            throw new IllegalArgumentException("problems must be of one layer: " + problems);
        }
        List<Contest> contests = new ArrayList<>();
        ForwardVariant ruleVariant = rule.choose(rank3.get(0), session.device());
        List<ForwardVariant> variants = ForwardCandidates.of(rank3.get(0), session.device());
        for (Problem problem : rank3) {
            Contest contest = new Contest(session, oracle, problem, ruleVariant, variants);
            double begin = contests.size();
            contest.run(seconds, share -> progress.accept((begin + share) / rank3.size()));
            contests.add(contest);
        }
        String winner = winner(contests);
        Map<Problem, ForwardVariant.Tile> tiles = new LinkedHashMap<>();
        ForwardVariant best = null;
        List<List<Row>> rows = new ArrayList<>();
        for (Contest contest : contests) {
            Contest.Entry entry = contest.best(winner);
            rows.add(contest.rows(entry));
            if (entry != null) {
                tiles.put(contest.problem, entry.tile);
                best = entry.variant;
            }
        }
        boolean remembered = remember
                && best != null
                && variants.contains(best)
                && Tuning.remember(ledger, session.device(), best, tiles);
        return IntStream.range(0, rows.size())
                .mapToObj(i -> new Table(contests.get(i).problem, rows.get(i), remembered))
                .toList();
    }

    /** The variant whose tiles are the fastest over all sizes: the least product of milliseconds. */
    private static String winner(List<Contest> contests) {
        Map<String, Double> costs = new LinkedHashMap<>();
        for (Contest contest : contests) {
            Map<String, Double> least = contest.leastMilliseconds();
            least.forEach((variant, milliseconds) -> costs.merge(variant, Math.log(milliseconds), Double::sum));
            // A variant that one size has no right and measured tile of is out.
            if (contest != contests.get(0)) {
                costs.keySet().retainAll(least.keySet());
            }
        }
        Contest first = contests.get(0);
        Double ofRule = costs.get(first.ruleLabel);
        return costs.entrySet().stream()
                .filter(cost -> ofRule == null
                        || cost.getValue() <= ofRule - contests.size() * Math.log(Contest.LEAST_GAIN)
                        || cost.getKey().equals(first.ruleLabel))
                .min(Map.Entry.comparingByValue())
                .map(Map.Entry::getKey)
                .orElse("");
    }

    /**
     * Forgets winners of this device.
     *
     * @param layers the layers; if none are given, all
     * @return how many entries were removed
     */
    public int forget(Collection<TransposedConvolution> layers) {
        return Tuning.forget(
                ledger,
                session.device(),
                layers.stream().map(TransposedConvolution::asRank3).toList());
    }

    /** Frees the device. */
    @Override
    public void close() {
        session.close();
    }
}
