package io.github.tconv.cli;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Text in columns as wide as their widest cell, with two spaces between. */
final class Table {
    private final List<List<String>> rows = new ArrayList<>();

    Table(String... header) {
        row(header);
    }

    /** Adds a row of as many cells as the header has. */
    Table row(String... cells) {
        rows.add(List.of(cells));
        return this;
    }

    void print(PrintWriter out) {
        int[] widths = IntStream.range(0, rows.get(0).size())
                .map(column -> rows.stream()
                        .mapToInt(row -> row.get(column).length())
                        .max()
                        .orElse(0))
                .toArray();
        for (List<String> row : rows) {
            String line = IntStream.range(0, widths.length)
                    .mapToObj(column -> row.get(column)
                            + " ".repeat(widths[column] - row.get(column).length()))
                    .collect(Collectors.joining("  "));
            out.println(line.stripTrailing());
        }
    }
}
