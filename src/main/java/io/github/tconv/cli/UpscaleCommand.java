package io.github.tconv.cli;

import io.github.tconv.Engine;
import io.github.tconv.io.AtomicFile;
import io.github.tconv.io.InvalidFileException;
import io.github.tconv.io.Picture;
import io.github.tconv.io.PictureFile;
import io.github.tconv.io.PictureFormat;
import io.github.tconv.picture.Filter;
import io.github.tconv.picture.Upscaler;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
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
            required = true,
            description = "Output pixels an input pixel along each axis, 1 to " + Upscaler.MAX_SCALE + ".")
    @SuppressWarnings("NullAway.Init") // set by picocli
    private String scale;

    @Option(
            names = "--filter",
            paramLabel = "FILTER",
            description = {
                "nearest (box), bilinear (triangle), bicubic (Catmull-Rom, a = -0.5) or lanczos (a = 3).",
                "Default: lanczos."
            })
    private String filter = "lanczos";

    @Mixin
    private final DeviceOption device = new DeviceOption();

    @Override
    public void run() {
        int factor = factor();
        Filter chosen = Filter.of(filter);
        PictureFormat format = PictureFormat.of(out);
        Picture read = PictureFile.read(in);
        format.checkSize((long) read.width() * factor, (long) read.height() * factor);
        Picture picture = format == PictureFormat.JPEG ? read.withoutAlpha() : read;
        try (AtomicFile file = AtomicFile.create(out);
                Engine engine = device.open();
                Upscaler upscaler = new Upscaler(engine, chosen, factor)) {
            // Before the clock starts: the kernel is compiled here, once for this layer and all sizes.
            Picture large = upscaler.upscale(picture);
            long start = System.nanoTime();
            try (ProgressBar progress = new ProgressBar(spec.commandLine().getErr())) {
                PictureFile.write(large, format, file, rows -> progress.show(rows, large.height()));
            }
            file.commit();
            double seconds = (System.nanoTime() - start) / 1e9;
            report(picture, large, chosen, engine, seconds, spec.commandLine().getOut());
        } catch (IOException e) {
            throw InvalidFileException.unwritable(out, e);
        }
    }

    private int factor() {
        try {
            int factor = Integer.parseInt(scale);
            Upscaler.checkScale(factor);
            return factor;
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(
                    "scale must be a whole number from 1 to %d: '%s'".formatted(Upscaler.MAX_SCALE, scale), e);
        }
    }

    private void report(Picture from, Picture to, Filter by, Engine engine, double seconds, PrintWriter target) {
        target.println(String.format(
                Locale.ROOT,
                "%s: %d x %d to %d x %d, %s, %d bit, %s, on %s in %.2f s: %.1f megapixels/s",
                out,
                from.width(),
                from.height(),
                to.width(),
                to.height(),
                List.of("grey", "grey and alpha", "RGB", "RGBA").get(to.channels() - 1),
                to.maximum() == 255 ? 8 : 16,
                by.description(),
                engine.describe(),
                seconds,
                1e-6 * to.width() * to.height() / seconds));
    }
}
