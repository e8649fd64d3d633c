package io.github.tconv.cli;

import io.github.tconv.Engine;
import io.github.tconv.io.AtomicFile;
import io.github.tconv.io.InvalidFileException;
import io.github.tconv.io.Picture;
import io.github.tconv.io.PictureFile;
import io.github.tconv.io.PictureFormat;
import io.github.tconv.picture.DetailModel;
import io.github.tconv.picture.DetailUpscaler;
import io.github.tconv.picture.Filter;
import io.github.tconv.picture.Upscaler;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Enlarges a picture. */
@Command(
        name = "upscale",
        description = {
            "Enlarges a PNG or JPEG picture by a whole number, through a transposed convolution.",
            "PNG keeps grey, alpha and 16 bits; JPEG has 8 bits and no alpha, so a picture with transparent pixels is"
                    + " refused. Only pixels are carried over: an orientation in EXIF is not applied, and colour"
                    + " profiles are dropped."
        },
        mixinStandardHelpOptions = true)
final class UpscaleCommand implements Runnable {
    @Spec
    @SuppressWarnings("NullAway.Init") // set by picocli
    private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "IN", description = "The picture, PNG or JPEG.")
    @SuppressWarnings("NullAway.Init") // set by picocli
    private Path in;

    @Parameters(
            index = "1",
            paramLabel = "OUT",
            description = "The result, whole or not at all, in the format that its name says: .png, .jpg or .jpeg.")
    @SuppressWarnings("NullAway.Init") // set by picocli
    private Path out;

    @Option(
            names = "--scale",
            paramLabel = "N",
            description = "Output pixels an input pixel along each axis, 1 to " + Upscaler.MAX_SCALE
                    + "; a model's is 2, and need not be given.")
    private @Nullable String scale;

    @Option(
            names = "--filter",
            paramLabel = "FILTER",
            description = {
                "nearest (box), bilinear (triangle), bicubic (Catmull-Rom, a = -0.5) or lanczos (a = 3).",
                "Default: lanczos."
            })
    private @Nullable String filter;

    @Option(
            names = "--model",
            paramLabel = "MODEL",
            description = {
                "photo, a network that comes with tconv and learned from photographs, or a file that 'tconv train' wrote.",
                "It adds detail to the enlargement by the filter that it learned with."
            })
    private @Nullable String model;

    @Mixin
    private final DeviceOption device = new DeviceOption();

    @Override
    public void run() {
        int factor = factor();
        DetailModel detail = detail(factor);
        Filter chosen = detail == null ? Filter.of(filter == null ? "lanczos" : filter) : detail.filter();
        PictureFormat format = PictureFormat.of(out);
        long readStart = System.nanoTime();
        Picture read = PictureFile.read(in);
        double readSeconds = secondsSince(readStart);
        format.checkSize((long) read.width() * factor, (long) read.height() * factor);
        Picture picture = format == PictureFormat.JPEG ? read.withoutAlpha() : read;
        try (AtomicFile file = AtomicFile.create(out);
                Engine engine = device.open();
                Upscaler upscaler = new Upscaler(engine, chosen, factor);
                DetailUpscaler detailed = detail == null ? null : new DetailUpscaler(engine, detail)) {
            // Before the clock starts: the kernel is compiled here, once for this layer and all sizes.
            Picture large = detailed == null ? upscaler.upscale(picture) : detailed.upscale(picture);
            long start = System.nanoTime();
            try (ProgressBar progress = new ProgressBar(spec.commandLine().getErr())) {
                PictureFile.write(large, format, file, rows -> progress.show(rows, large.height()));
            }
            file.commit();
            double seconds = readSeconds + secondsSince(start);
            double layerSeconds = detailed == null ? upscaler.layerSeconds() : detailed.layerSeconds();
            String by = chosen.description() + (detail == null ? "" : " and the detail of model " + model);
            String times = String.format(
                    Locale.ROOT,
                    "%.2f s, of which reading %.2f s, the layer %.2f s",
                    seconds,
                    readSeconds,
                    layerSeconds);
            report(picture, large, by, engine, times, 1e-6 * large.width() * large.height() / seconds);
        } catch (IOException e) {
            throw InvalidFileException.unwritable(out, e);
        }
    }

    private @Nullable DetailModel detail(int factor) {
        if (model == null) {
            return null;
        }
        if (filter != null) {
            throw new IllegalArgumentException(
                    "--filter must not be given together with --model, which decides it: " + filter);
        }
        if (factor != DetailModel.SCALE) {
            throw new IllegalArgumentException("the scale of a model is %d: %d".formatted(DetailModel.SCALE, factor));
        }
        return DetailModel.read(model);
    }

    private int factor() {
        if (scale == null) {
            if (model == null) {
                throw new ParameterException(spec.commandLine(), "Missing required option: '--scale=N'");
            }
            return DetailModel.SCALE;
        }
        try {
            int factor = Integer.parseInt(scale);
            Upscaler.checkScale(factor);
            return factor;
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(
                    "scale must be a whole number from 1 to %d: '%s'".formatted(Upscaler.MAX_SCALE, scale), e);
        }
    }

    private static double secondsSince(long start) {
        return (System.nanoTime() - start) / 1e9;
    }

    private void report(Picture from, Picture to, String by, Engine engine, String times, double speed) {
        PrintWriter target = spec.commandLine().getOut();
        target.println(String.format(
                Locale.ROOT,
                "%s: %d x %d to %d x %d, %s, %d bit, %s, on %s in %s: %.1f megapixels/s",
                out,
                from.width(),
                from.height(),
                to.width(),
                to.height(),
                List.of("grey", "grey and alpha", "RGB", "RGBA").get(to.channels() - 1),
                to.maximum() == 255 ? 8 : 16,
                by,
                engine.describe(),
                times,
                speed));
    }
}
