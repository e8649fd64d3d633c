package io.github.tconv.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.io.PictureFile;
import io.github.tconv.io.Safetensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Training, what it leaves behind, and the commands that take it. */
final class TrainCommandTest {
    private static final String HARBOUR = Path.of("examples", "harbour.png").toString();

    @TempDir
    Path folder;

    private String path(String name) {
        return folder.resolve(name).toString();
    }

    private CommandOutcome train(String model, String... more) {
        String[] small = {
            "train",
            HARBOUR,
            "--output",
            path(model),
            "--channels",
            "4,2",
            "--depth",
            "1",
            "--batch",
            "2",
            "--size",
            "8",
            "--device",
            "reference"
        };
        return CommandOutcome.of(
                Stream.concat(Stream.of(small), Stream.of(more)).toArray(String[]::new));
    }

    @Test
    void anEndedTrainingGoesOnToTheSameBytes() throws IOException {
        train("through", "--steps", "6").assertDone();
        // What a process that was killed after its checkpoint leaves: no model, and the rate of the whole training.
        train("part", "--steps", "6", "--checkpoint", path("ckpt"), "--checkpoint-seconds", "0")
                .assertDone();
        assertArrayEquals(Files.readAllBytes(folder.resolve("through")), Files.readAllBytes(folder.resolve("part")));
        CommandOutcome again = train("again", "--steps", "6", "--checkpoint", path("ckpt"));
        again.assertDone();
        assertTrue(again.out().contains("ckpt: goes on after step 6"), again.out());
        assertArrayEquals(Files.readAllBytes(folder.resolve("through")), Files.readAllBytes(folder.resolve("again")));
    }

    /** As after a step too far: weights so large that the loss overflows. */
    @Test
    void aLossThatIsNoNumberEndsWithTheLastGoodWeights() {
        train("model", "--steps", "2", "--checkpoint", path("ckpt")).assertDone();
        Path checkpoint = folder.resolve("ckpt");
        Safetensors good = Safetensors.read(checkpoint);
        Map<String, String> metadata = new HashMap<>(good.metadata());
        CRC32 sum = new CRC32();
        good.tensors().forEach((name, tensor) -> {
            if (name.equals("0.weight")) {
                tensor.set(0, 3e38f);
                tensor.set(1, 3e38f);
            }
            sum.update(tensor.memory());
        });
        metadata.put("crc32", "%08x".formatted(sum.getValue()));
        Safetensors.write(checkpoint, good.tensors(), metadata);
        CommandOutcome diverged = train("diverged", "--steps", "3", "--checkpoint", path("ckpt"));
        assertEquals(2, diverged.exit());
        assertTrue(
                diverged.err()
                        .startsWith(
                                "tconv: the loss must be finite: it is not at step 3, first at layer 0; the weights are"
                                        + " those of the last finite loss; " + path("diverged") + " has them"),
                diverged.err());
        assertEquals(1, diverged.err().lines().count(), diverged.err());
        assertEquals(
                3e38f,
                Safetensors.read(folder.resolve("diverged"))
                        .tensors()
                        .get("0.weight")
                        .get(0));
    }

    @Test
    void aModelEnlargesAndIsMeasured() {
        train("model", "--steps", "2").assertDone();
        CommandOutcome upscale = CommandOutcome.of(
                "upscale", HARBOUR, path("out.png"), "--model", path("model"), "--device", "reference");
        upscale.assertDone();
        assertTrue(
                upscale.out().contains("256 x 170 to 512 x 340, RGB, 8 bit, lanczos (a = 3) and the detail of model "),
                upscale.out());
        assertEquals(512, PictureFile.read(folder.resolve("out.png")).width());
        CommandOutcome quality = CommandOutcome.of(
                "quality",
                HARBOUR,
                "--model",
                path("model"),
                "--picture",
                path("crops.png"),
                "--crop",
                "10,20,30,40",
                "--device",
                "reference");
        quality.assertDone();
        assertTrue(
                quality.out()
                        .lines()
                        .findFirst()
                        .orElse("")
                        .matches("PSNR, SSIM +nearest +bilinear +bicubic +lanczos +model"),
                quality.out());
        assertEquals(3, quality.out().lines().count(), quality.out());
        assertEquals(
                5 * 30 + 4 * 4, PictureFile.read(folder.resolve("crops.png")).width());
    }

    @Test
    void statesTheRuleAndTheValue() throws IOException {
        assertMistake("channels must be two numbers, MANY,FEW: [4]", "--channels", "4");
        CommandOutcome.of("train", HARBOUR, "--output", path("nowhere/m")).assertMistake("file must be writable");
        CommandOutcome.of("train", path("none.png"), "--output", path("m")).assertMistake("no such file");
        CommandOutcome.of("train", "--output", path("m")).assertMistake("Missing required parameter: 'PICTURE'");
        train("m", "--steps", "2", "--checkpoint", path("ckpt")).assertDone();
        byte[] good = Files.readAllBytes(folder.resolve("ckpt"));
        Files.write(folder.resolve("ckpt"), Arrays.copyOf(good, good.length / 2));
        train("n", "--steps", "2", "--checkpoint", path("ckpt")).assertMistake("ckpt: tensor ");
        Files.write(folder.resolve("ckpt"), good);
        train("n", "--steps", "2", "--depth", "1", "--seed", "1", "--checkpoint", path("ckpt"))
                .assertMistake("'--depth' (N) should be specified only once");
        assertFalse(Files.exists(folder.resolve("n")));

        String model = path("m");
        String out = path("out.png");
        CommandOutcome.of("upscale", HARBOUR, out, "--model", model, "--scale", "3")
                .assertMistake("the scale of a model is 2: 3");
        CommandOutcome.of("upscale", HARBOUR, out, "--model", model, "--filter", "nearest")
                .assertMistake("--filter must not be given together with --model, which decides it: nearest");
        CommandOutcome.of("upscale", HARBOUR, out, "--model", path("ckpt"))
                .assertMistake("a model must have the tconv.model 'detail x2': missing");
        CommandOutcome.of("upscale", HARBOUR, out, "--model", path("none")).assertMistake("file must exist");
        CommandOutcome.of("quality", HARBOUR, "--picture", out)
                .assertMistake("--picture and --crop LEFT,TOP,WIDTH,HEIGHT go together: []");
        CommandOutcome.of("quality", HARBOUR, "--picture", out, "--crop", "250,0,9,9", "--device", "reference")
                .assertMistake("a crop must be within the picture of 256 x 170: 9 x 9 from (250, 0)");
        CommandOutcome.of("lesson", "--picture", out).assertMistake("--picture is an option of --learn only");
        assertFalse(Files.exists(folder.resolve("out.png")));
    }

    private void assertMistake(String message, String... args) {
        CommandOutcome.of(Stream.concat(Stream.of("train", HARBOUR, "--output", path("m")), Stream.of(args))
                        .toArray(String[]::new))
                .assertMistake(message);
    }
}
