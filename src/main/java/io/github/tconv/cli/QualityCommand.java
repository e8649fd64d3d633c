package io.github.tconv.cli;

import io.github.tconv.Engine;
import io.github.tconv.io.AtomicFile;
import io.github.tconv.io.InvalidFileException;
import io.github.tconv.io.Picture;
import io.github.tconv.io.PictureFile;
import io.github.tconv.io.PictureFormat;
import io.github.tconv.picture.Comparison;
import io.github.tconv.picture.Crop;
import io.github.tconv.picture.DetailModel;
import io.github.tconv.picture.Quality;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Says how well filters and a model enlarge pictures. */
@Command(
        name = "quality",
        description = {
            "Halves each picture, enlarges it again by every filter and by a model, and prints how close each comes:"
                    + " PSNR in decibels and SSIM, of brightness, without a frame of " + Quality.FRAME + " pixels.",
            "A picture whose longer side has more than 1600 pixels is halved until not, before all else."
        },
        mixinStandardHelpOptions = true)
final class QualityCommand implements Runnable {
    private static final int GAP = 4;

    @Spec
    @SuppressWarnings("NullAway.Init") // set by picocli
    private CommandSpec spec;

    @Parameters(arity = "1..*", paramLabel = "PICTURE", description = "The pictures, PNG or JPEG.")
    @SuppressWarnings("NullAway.Init") // set by picocli
    private List<Path> pictures;

    @Option(
            names = "--model",
            paramLabel = "MODEL",
            description = "photo, or a file that 'tconv train' wrote; none by default.")
    private @Nullable String model;

    @Option(
            names = "--crop",
            paramLabel = "LEFT,TOP,WIDTH,HEIGHT",
            split = ",",
            arity = "1",
            description = "With --picture: which part of every picture to draw.")
    private List<Integer> crop = List.of();

    @Option(
            names = "--picture",
            paramLabel = "FILE",
            description =
                    "Where to draw the same part side by side: nearest, bicubic, lanczos, the model, the original;"
                            + " a row for each picture.")
    private @Nullable Path drawing;

    @Mixin
    private final DeviceOption device = new DeviceOption();

    @Override
    public void run() {
        if ((drawing == null) != crop.isEmpty() || (drawing != null && crop.size() != 4)) {
            throw new IllegalArgumentException("--picture and --crop LEFT,TOP,WIDTH,HEIGHT go together: " + crop);
        }
        DetailModel detail = model == null ? null : DetailModel.read(model);
        PictureFormat format = drawing == null ? PictureFormat.PNG : PictureFormat.of(drawing);
        try (AtomicFile file = drawing == null ? null : AtomicFile.create(drawing);
                Engine engine = device.open();
                Comparison comparison = new Comparison(engine, detail)) {
            List<List<Picture>> drawn = measure(comparison, spec.commandLine().getOut());
            if (file != null) {
                PictureFile.write(Picture.of(sideBySide(drawn)), format, file, rows -> {});
                file.commit();
            }
        } catch (IOException e) {
            throw InvalidFileException.unwritable(drawing == null ? Path.of("") : drawing, e);
        }
    }

    private List<List<Picture>> measure(Comparison comparison, PrintWriter target) {
        Map<String, double[]> sums = new LinkedHashMap<>();
        List<List<Picture>> drawn = new ArrayList<>();
        for (Path path : pictures) {
            Picture original = Comparison.original(PictureFile.read(path));
            List<Picture> row = new ArrayList<>();
            Picture part = drawing == null ? original : cropped(original);
            Map<String, Picture> enlarged = comparison.enlarged(original);
            if (sums.isEmpty()) {
                target.println(line(
                        "PSNR, SSIM",
                        enlarged.keySet().stream()
                                .map(name -> "%14s".formatted(name))
                                .toList()));
            }
            List<String> cells = new ArrayList<>();
            enlarged.forEach((name, picture) -> {
                Picture whole = Picture.of(picture.toImage());
                Quality quality = Quality.of(whole, original);
                cells.add(cell(quality.psnr(), quality.ssim()));
                double[] sum = sums.computeIfAbsent(name, first -> new double[2]);
                sum[0] += quality.psnr();
                sum[1] += quality.ssim();
                if (drawing != null && !name.equals("bilinear")) {
                    row.add(cropped(whole));
                }
            });
            target.println(line(String.valueOf(path.getFileName()), cells));
            target.flush();
            if (drawing != null) {
                row.add(part);
                drawn.add(row);
            }
        }
        List<String> means = new ArrayList<>();
        sums.values().forEach(sum -> means.add(cell(sum[0] / pictures.size(), sum[1] / pictures.size())));
        target.println(line("mean of %d".formatted(pictures.size()), means));
        return drawn;
    }

    private static String cell(double psnr, double ssim) {
        return String.format(Locale.ROOT, "%7.2f %.4f", psnr, ssim);
    }

    private static String line(String name, List<String> cells) {
        return "%-36s%s".formatted(name, String.join("  ", cells));
    }

    private Picture cropped(Picture picture) {
        return new Crop(picture, crop.get(0), crop.get(1), crop.get(2), crop.get(3));
    }

    private static BufferedImage sideBySide(List<List<Picture>> rows) {
        Picture first = rows.get(0).get(0);
        int width = first.width() + GAP;
        int height = first.height() + GAP;
        BufferedImage image = new BufferedImage(
                rows.get(0).size() * width - GAP, rows.size() * height - GAP, BufferedImage.TYPE_INT_RGB);
        for (int row = 0; row < rows.size(); row++) {
            for (int column = 0; column < rows.get(row).size(); column++) {
                BufferedImage part = rows.get(row).get(column).toImage();
                for (int y = 0; y < part.getHeight(); y++) {
                    for (int x = 0; x < part.getWidth(); x++) {
                        image.setRGB(column * width + x, row * height + y, part.getRGB(x, y));
                    }
                }
            }
        }
        return image;
    }
}
