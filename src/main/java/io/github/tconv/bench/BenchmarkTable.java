package io.github.tconv.bench;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Stream;

/** Prints results: the speed of each contender, how it compares with the peers, and how right it is. */
public final class BenchmarkTable {
    private static final String NOTHING = "-";

    private final List<LayerResult> layers;

    /**
     * Makes a table.
     *
     * @param layers what was measured
     */
    public BenchmarkTable(List<LayerResult> layers) {
        this.layers = List.copyOf(layers);
    }

    /**
     * Returns the tables as text.
     *
     * @return lines that end in a line break
     */
    @Override
    public String toString() {
        List<String> parts = new ArrayList<>();
        parts.add("Speed (medians; % is the share of the peak of the same round; others: other processes' share)\n"
                + speed());
        if (!contenders(LayerResult.Entry::peer).isEmpty()
                && !contenders(entry -> !entry.peer()).isEmpty()) {
            parts.add("Times as fast as a peer (median of the rounds, and their quartiles)\n" + ratios());
        }
        parts.add("Largest error at a sample of elements, over the largest exact value\n" + errors());
        parts.add(failures());
        return String.join("\n", parts.stream().filter(part -> !part.isEmpty()).toList());
    }

    private List<String> contenders(Predicate<LayerResult.Entry> which) {
        return layers.stream()
                .flatMap(layer -> layer.entries().stream())
                .filter(which)
                .map(LayerResult.Entry::contender)
                .distinct()
                .toList();
    }

    private String speed() {
        List<String> contenders = contenders(entry -> true);
        Columns columns = new Columns("layer", "GFLOP", "rounds", "others", "peak");
        contenders.forEach(contender -> columns.heads(contender + " ms", "GF/s", "%"));
        for (LayerResult layer : layers) {
            columns.row(
                    layer.name(),
                    digits(layer.gflop()),
                    String.valueOf(layer.rounds()),
                    format("%.0f%%", 100 * layer.foreignShare()),
                    peak(layer));
            for (String contender : contenders) {
                Optional<LayerResult.Entry> entry = measured(layer, contender);
                columns.cells(
                        entry.map(e -> digits(e.median())).orElse(NOTHING),
                        entry.map(e -> digits(layer.gflops(e))).orElse(NOTHING),
                        entry.flatMap(layer::shareOfPeak)
                                .map(share -> format("%.0f", 100 * share))
                                .orElse(NOTHING));
            }
        }
        return columns.toString();
    }

    private static String peak(LayerResult layer) {
        return layer.peakGflops().isEmpty()
                ? NOTHING
                : format("%.0f", Quartiles.of(layer.peakGflops()).median());
    }

    private String ratios() {
        List<String> ours = contenders(entry -> !entry.peer());
        List<String> peers = contenders(LayerResult.Entry::peer);
        Columns columns = new Columns("layer");
        List<List<Double>> medians = new ArrayList<>();
        for (String our : ours) {
            for (String peer : peers) {
                columns.heads(our + " / " + peer);
                medians.add(new ArrayList<>());
            }
            columns.heads(our + " / faster");
            medians.add(new ArrayList<>());
        }
        for (LayerResult layer : layers) {
            columns.row(layer.name());
            int column = 0;
            for (String our : ours) {
                Stream<Optional<LayerResult.Entry>> others =
                        Stream.concat(peers.stream().map(peer -> measured(layer, peer)), Stream.of(layer.fasterPeer()));
                for (Optional<LayerResult.Entry> other : others.toList()) {
                    Optional<Quartiles> ratio =
                            measured(layer, our).flatMap(mine -> other.map(theirs -> LayerResult.ratio(mine, theirs)));
                    columns.cells(ratio.map(BenchmarkTable::spread).orElse(NOTHING));
                    if (ratio.isPresent()) {
                        medians.get(column).add(ratio.get().median());
                    }
                    column++;
                }
            }
        }
        columns.row("geometric mean");
        medians.forEach(
                ratios -> columns.cells(ratios.isEmpty() ? NOTHING : format("%.2f", Quartiles.geometricMean(ratios))));
        return columns.toString();
    }

    private static String spread(Quartiles ratio) {
        return format("%.2f (%.2f-%.2f)", ratio.median(), ratio.first(), ratio.third());
    }

    private String errors() {
        List<String> contenders = contenders(entry -> true);
        Columns columns = new Columns("layer");
        contenders.forEach(contender -> columns.heads(contender + " max", "rms"));
        columns.heads("workspace KiB");
        for (LayerResult layer : layers) {
            columns.row(layer.name());
            for (String contender : contenders) {
                Optional<Accuracy> accuracy =
                        layer.entry(contender).flatMap(entry -> Optional.ofNullable(entry.accuracy()));
                columns.cells(
                        accuracy.map(a -> format("%.1e", a.maxError())).orElse(NOTHING),
                        accuracy.map(a -> format("%.1e", a.rmsError())).orElse(NOTHING));
            }
            columns.cells(layer.entries().stream()
                    .flatMap(entry -> Stream.ofNullable(entry.workspaceBytes()))
                    .findFirst()
                    .map(bytes -> String.valueOf((bytes + 1023) / 1024))
                    .orElse(NOTHING));
        }
        return columns.toString();
    }

    private String failures() {
        StringBuilder text = new StringBuilder();
        for (LayerResult layer : layers) {
            for (LayerResult.Entry entry : layer.entries()) {
                if (entry.failure() != null) {
                    text.append(format("%s: %s cannot: %s%n", layer.name(), entry.contender(), entry.failure()));
                }
            }
        }
        return text.toString();
    }

    private static Optional<LayerResult.Entry> measured(LayerResult layer, String contender) {
        return layer.entry(contender).filter(LayerResult.Entry::measured);
    }

    /** Three digits that count, without an exponent. */
    private static String digits(double value) {
        return new BigDecimal(value)
                .round(new MathContext(3))
                .setScale(Math.max(0, 2 - exponent(value)), RoundingMode.HALF_UP)
                .toPlainString();
    }

    private static int exponent(double value) {
        return value == 0 ? 0 : (int) Math.floor(Math.log10(value));
    }

    private static String format(String format, Object... values) {
        return String.format(Locale.ROOT, format, values);
    }

    /** Cells lined up: the first column to the left, the others to the right. */
    private static final class Columns {
        private final List<List<String>> rows = new ArrayList<>();

        Columns(String... heads) {
            rows.add(new ArrayList<>(List.of(heads)));
        }

        void heads(String... heads) {
            rows.get(0).addAll(List.of(heads));
        }

        void row(String... cells) {
            rows.add(new ArrayList<>(List.of(cells)));
        }

        void cells(String... cells) {
            rows.get(rows.size() - 1).addAll(List.of(cells));
        }

        @Override
        public String toString() {
            StringBuilder text = new StringBuilder();
            for (List<String> row : rows) {
                for (int column = 0; column < row.size(); column++) {
                    String cell = row.get(column);
                    String space = " ".repeat(width(column) - cell.length());
                    text.append(column == 0 ? cell + space : "  " + space + cell);
                }
                text.append('\n');
            }
            return text.toString();
        }

        private int width(int column) {
            return rows.stream()
                    .filter(row -> column < row.size())
                    .mapToInt(row -> row.get(column).length())
                    .max()
                    .orElse(0);
        }
    }
}
