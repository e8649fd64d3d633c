package io.github.tconv.cli;

import io.github.tconv.Engine;
import io.github.tconv.io.AtomicFile;
import io.github.tconv.io.PictureFile;
import io.github.tconv.network.DivergenceException;
import io.github.tconv.picture.DetailTraining;
import io.github.tconv.picture.DetailTraining.Settings;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Teaches a model for {@code upscale --model}. */
@Command(
        name = "train",
        description = {
            "Teaches a network to enlarge pictures by 2, from the pictures given: each is halved, and the network learns"
                    + " what its enlargement lacks. 'tconv upscale --model' takes the result.",
            "The same pictures in the same order, settings and device give the same model, bit for bit, also where the"
                    + " training was ended and went on from its checkpoint."
        },
        mixinStandardHelpOptions = true)
final class TrainCommand implements Runnable {
    private static final double NANOS = 1e9;
    private static final double REPORT_SECONDS = 20;

    @Spec
    @SuppressWarnings("NullAway.Init") // set by picocli
    private CommandSpec spec;

    @Parameters(arity = "1..*", paramLabel = "PICTURE", description = "The pictures to learn from, PNG or JPEG.")
    @SuppressWarnings("NullAway.Init") // set by picocli
    private List<Path> pictures;

    @Option(
            names = "--output",
            paramLabel = "MODEL",
            required = true,
            description = "The model, a safetensors file, whole or not at all.")
    @SuppressWarnings("NullAway.Init") // set by picocli
    private Path output;

    @Option(
            names = "--checkpoint",
            paramLabel = "FILE",
            description = "Written now and then, whole or not at all; if it is there, the training goes on from it.")
    private @Nullable Path checkpoint;

    @Option(
            names = "--checkpoint-seconds",
            paramLabel = "N",
            defaultValue = "60",
            description = "How long until the next checkpoint; ${DEFAULT-VALUE} by default.")
    private double checkpointSeconds;

    @Option(
            names = "--steps",
            paramLabel = "N",
            defaultValue = "8000",
            description = "How many steps; ${DEFAULT-VALUE} by default.")
    private long steps;

    @Option(
            names = "--channels",
            paramLabel = "MANY,FEW",
            split = ",",
            arity = "1",
            description = "Channels of the outer layers and of those between; 32,8 by default.")
    private List<Integer> channels = List.of(32, 8);

    @Option(
            names = "--depth",
            paramLabel = "N",
            defaultValue = "3",
            description = "How many convolutions of 3 x 3; ${DEFAULT-VALUE} by default.")
    private int depth;

    @Option(
            names = "--batch",
            paramLabel = "N",
            defaultValue = "16",
            description = "Pieces of pictures a step; ${DEFAULT-VALUE} by default.")
    private int batch;

    @Option(
            names = "--size",
            paramLabel = "N",
            defaultValue = "24",
            description = "Pixels of a piece along each axis, before it is enlarged; ${DEFAULT-VALUE} by default.")
    private int size;

    @Option(
            names = "--seed",
            paramLabel = "N",
            defaultValue = "1",
            description = "Decides the first weights and the pieces; ${DEFAULT-VALUE} by default.")
    private long seed;

    @Mixin
    private final DeviceOption device = new DeviceOption();

    @Override
    public void run() {
        if (channels.size() != 2) {
            throw new IllegalArgumentException("channels must be two numbers, MANY,FEW: " + channels);
        }
        Settings settings = new Settings(channels.get(0), channels.get(1), depth, steps, batch, size, seed);
        // Before the work, which would be in vain.
        AtomicFile.create(output).close();
        PrintWriter target = spec.commandLine().getOut();
        try (Engine engine = device.open();
                DetailTraining training = new DetailTraining(engine, settings)) {
            if (checkpoint != null && Files.exists(checkpoint)) {
                training.resume(checkpoint);
                target.println("%s: goes on after step %d".formatted(checkpoint, training.steps()));
            }
            for (Path picture : pictures) {
                training.add(PictureFile.read(picture));
            }
            target.println("%d pictures, on %s".formatted(pictures.size(), engine.describe()));
            learn(training, target);
            training.model().write(output);
            target.println("%s: a model of %d steps".formatted(output, training.steps()));
        }
    }

    private void learn(DetailTraining training, PrintWriter target) {
        long start = System.nanoTime();
        long first = training.steps();
        long reported = start;
        long saved = start;
        double sum = 0;
        long summed = 0;
        try (ProgressBar progress = new ProgressBar(spec.commandLine().getErr())) {
            while (training.steps() < steps) {
                sum += step(training);
                summed++;
                long now = System.nanoTime();
                boolean last = training.steps() == steps;
                if (last || (now - reported) / NANOS > REPORT_SECONDS) {
                    progress.clear();
                    target.println(String.format(
                            Locale.ROOT,
                            "step %d of %d: loss %.6f, %.0f s, %.1f ms a step",
                            training.steps(),
                            steps,
                            sum / summed,
                            (now - start) / NANOS,
                            (now - start) / 1e6 / (training.steps() - first)));
                    target.flush();
                    reported = now;
                    sum = 0;
                    summed = 0;
                }
                if (checkpoint != null && (last || (now - saved) / NANOS > checkpointSeconds)) {
                    training.save(checkpoint);
                    saved = now;
                }
                progress.show((int) (training.steps() * 1000 / steps), 1000);
            }
        }
    }

    private double step(DetailTraining training) {
        try {
            return training.step();
        } catch (DivergenceException e) {
            // What was learned until then is not lost.
            training.model().write(output);
            throw new IllegalArgumentException("%s; %s has them".formatted(e.getMessage(), output), e);
        }
    }
}
