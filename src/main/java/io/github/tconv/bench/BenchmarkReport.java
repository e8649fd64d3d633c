package io.github.tconv.bench;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.stream.Stream;

/**
 * A whole run, as it is written to JSON.
 *
 * @param date when it ended
 * @param processor what it ran on
 * @param java the version of the Java runtime
 * @param engine what this library computed on
 * @param operation what was computed of the layers, by its name on the command line
 * @param threads how many threads every contender was told to use, or 0 for all processors
 * @param layers what was measured
 */
public record BenchmarkReport(
        String date,
        String processor,
        String java,
        String engine,
        String operation,
        int threads,
        List<LayerResult> layers) {
    private static final Gson JSON = new GsonBuilder().setPrettyPrinting().create();

    /**
     * Makes a report of what was measured just now.
     *
     * @param engine what this library computed on
     * @param operation what was computed of the layers
     * @param threads how many threads every contender was told to use, or 0 for all processors
     * @param layers what was measured
     * @return the report
     */
    public static BenchmarkReport of(
            String engine, BenchmarkOperation operation, int threads, List<LayerResult> layers) {
        return new BenchmarkReport(
                Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
                machine(),
                Runtime.version().toString(),
                engine,
                operation.toString(),
                threads,
                List.copyOf(layers));
    }

    /** Linux names the processor's model; elsewhere its architecture must do. */
    private static String machine() {
        int count = Runtime.getRuntime().availableProcessors();
        try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
            return lines.filter(line -> line.startsWith("model name"))
                    .findFirst()
                    .map(line -> count + " x "
                            + line.substring(line.indexOf(':') + 1).strip())
                    .orElse(count + " x " + System.getProperty("os.arch"));
        } catch (IOException e) {
            return count + " x " + System.getProperty("os.arch");
        }
    }

    /**
     * Returns all samples as JSON.
     *
     * @return one object in many lines
     */
    public String toJson() {
        return JSON.toJson(this) + "\n";
    }

    /**
     * Reads what {@link #toJson()} wrote.
     *
     * @param json one object
     * @return the report
     */
    public static BenchmarkReport fromJson(String json) {
        return JSON.fromJson(json, BenchmarkReport.class);
    }
}
