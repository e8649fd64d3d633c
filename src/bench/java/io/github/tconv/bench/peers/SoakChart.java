package io.github.tconv.bench.peers;

import io.github.tconv.bench.Soak;
import java.awt.Color;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.Styler.YAxisPosition;

/** The resident memory and the native handles of a soak, over its calls. */
final class SoakChart {
    private SoakChart() {}

    static void save(List<Soak.Report> reports, Path picture) throws IOException {
        double[] calls = reports.stream().mapToDouble(Soak.Report::calls).toArray();
        XYChart chart = new XYChartBuilder()
                .width(1000)
                .height(500)
                .xAxisTitle("calls (and a hundredth as many layers and engines)")
                .yAxisTitle("resident MiB")
                .build();
        chart.getStyler().setChartBackgroundColor(Color.WHITE);
        chart.getStyler().setLegendPosition(LegendPosition.InsideS);
        chart.getStyler().setXAxisDecimalPattern("#,###");
        chart.getStyler().setYAxisGroupPosition(1, YAxisPosition.Right);
        chart.getStyler().setYAxisMin(0, 0.0);
        chart.getStyler().setYAxisMin(1, 0.0);
        chart.setYAxisGroupTitle(1, "native handles");
        chart.addSeries(
                "resident memory",
                calls,
                reports.stream()
                        .mapToDouble(report -> report.residentBytes().orElse(0) / 1048576.0)
                        .toArray());
        chart.addSeries(
                        "native handles",
                        calls,
                        reports.stream().mapToDouble(Soak.Report::handles).toArray())
                .setYAxisGroup(1);
        BitmapEncoder.saveBitmap(chart, picture.toString(), BitmapFormat.PNG);
    }
}
