package io.github.tconv.bench.peers;

import io.github.tconv.bench.BenchmarkReport;
import io.github.tconv.bench.LayerResult;
import io.github.tconv.bench.LayerResult.Entry;
import java.awt.Color;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.style.Styler.LegendPosition;

/** The picture of a run: for each layer a bar for each contender, and one for the peak. */
final class BarChart {
    private final CategoryChart chart;

    private BarChart(CategoryChart chart) {
        this.chart = chart;
    }

    static BarChart of(BenchmarkReport report) {
        List<LayerResult> layers = report.layers();
        CategoryChart chart = new CategoryChartBuilder()
                .width(1600)
                .height(700)
                .title("Transposed convolution, GFLOP/s, %d threads, median".formatted(report.threads()))
                .yAxisTitle("GFLOP/s")
                .build();
        chart.getStyler().setLegendPosition(LegendPosition.OutsideE);
        chart.getStyler().setYAxisMin(0.0);
        chart.getStyler().setXAxisLabelRotation(30);
        chart.getStyler().setAvailableSpaceFill(0.8);
        List<String> names = layers.stream().map(LayerResult::name).toList();
        List<String> contenders = layers.stream()
                .flatMap(layer -> layer.entries().stream())
                .map(Entry::contender)
                .distinct()
                .toList();
        for (String contender : contenders) {
            chart.addSeries(
                    contender,
                    names,
                    layers.stream().map(layer -> gflops(layer, contender)).toList());
        }
        if (layers.stream().noneMatch(layer -> layer.peakGflops().isEmpty())) {
            // A bar like the others: a line would stand between the layers, where nothing was measured.
            chart.addSeries(
                            "peak",
                            names,
                            layers.stream().map(LayerResult::medianPeak).toList())
                    .setFillColor(Color.LIGHT_GRAY);
        }
        return new BarChart(chart);
    }

    private static double gflops(LayerResult layer, String contender) {
        return layer.entry(contender).filter(Entry::measured).map(layer::gflops).orElse(0.0);
    }

    void save(Path file) throws IOException {
        BitmapEncoder.saveBitmap(chart, file.toString(), BitmapFormat.PNG);
    }
}
