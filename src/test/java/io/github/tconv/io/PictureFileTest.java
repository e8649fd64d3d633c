package io.github.tconv.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.picture.SamplePicture;
import java.awt.image.BufferedImage;
import java.awt.image.DataBuffer;
import java.awt.image.IndexColorModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntConsumer;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class PictureFileTest {
    @TempDir
    Path folder;

    private Path write(Picture picture, PictureFormat format) throws IOException {
        return write(picture, format, rows -> {});
    }

    private Path write(Picture picture, PictureFormat format, IntConsumer rowsDone) throws IOException {
        Path path = folder.resolve("picture." + format);
        try (AtomicFile file = AtomicFile.create(path)) {
            PictureFile.write(picture, format, file, rowsDone);
            file.commit();
        }
        return path;
    }

    @Test
    void pngKeepsEverySample() throws IOException {
        for (int channels = 1; channels <= 4; channels++) {
            for (int maximum : new int[] {255, 65_535}) {
                SamplePicture picture = SamplePicture.random(17, 9, channels, maximum, channels);
                Path path = write(picture, PictureFormat.PNG);
                assertEquals(picture, SamplePicture.copyOf(PictureFile.read(path)));
                assertEquals(
                        maximum == 255 ? DataBuffer.TYPE_BYTE : DataBuffer.TYPE_USHORT,
                        ImageIO.read(path.toFile()).getRaster().getTransferType());
            }
        }
    }

    @Test
    void jpegKeepsWhatAConstantPictureIs() throws IOException {
        for (int channels : new int[] {1, 3}) {
            // A grey that quantisation of the block's mean at quality 0.95 can change by half a step only: 8 * 128 is
            // its coefficient's zero.
            SamplePicture grey = SamplePicture.filled(20, 12, channels, 255, () -> 128);
            assertEquals(grey, SamplePicture.copyOf(PictureFile.read(write(grey, PictureFormat.JPEG))));
        }
    }

    @Test
    void jpegKeepsTheResolutionOfColor() throws IOException {
        // One red column in blue. Were colour halved, it would be as purple as its neighbours.
        SamplePicture picture = SamplePicture.filled(16, 16, 3, 255, () -> 0);
        for (int i = 0; i < 16 * 16; i++) {
            picture.samples()[3 * i + (i % 16 == 7 ? 0 : 2)] = 255;
        }
        SamplePicture read = SamplePicture.copyOf(PictureFile.read(write(picture, PictureFormat.JPEG)));
        for (int y = 0; y < 16; y++) {
            int red = (y * 16 + 7) * 3;
            assertTrue(read.samples()[red] > read.samples()[red + 2], "column");
            assertTrue(read.samples()[red + 3] < read.samples()[red + 5], "its right neighbour");
        }
    }

    @Test
    void jpegOfSixteenBitsIsRoundedToEight() throws IOException {
        SamplePicture deep = SamplePicture.filled(8, 8, 1, 65_535, () -> 128 * 257 + 128);
        SamplePicture read = SamplePicture.copyOf(PictureFile.read(write(deep, PictureFormat.JPEG)));
        assertEquals(SamplePicture.filled(8, 8, 1, 255, () -> 128), read);
    }

    @Test
    void jpegRefusesAlphaAndLongSides() {
        Picture transparent = SamplePicture.random(3, 2, 4, 255, 1);
        assertEquals(
                "a JPEG must have no alpha: 4 channels",
                assertThrows(IllegalArgumentException.class, () -> write(transparent, PictureFormat.JPEG))
                        .getMessage());
        Picture wide = SamplePicture.random(65_536, 1, 1, 255, 1);
        assertEquals(
                "output width must be at most 65535 in a JPEG: 65536",
                assertThrows(IllegalArgumentException.class, () -> write(wide, PictureFormat.JPEG))
                        .getMessage());
    }

    @Test
    void rowsAreWrittenOneByOneInOrder() throws IOException {
        for (PictureFormat format : PictureFormat.values()) {
            List<Integer> read = new ArrayList<>();
            List<Integer> told = new ArrayList<>();
            SamplePicture picture = SamplePicture.random(5, 40, 3, 255, 4);
            Picture counted = new Picture() {
                @Override
                public int width() {
                    return picture.width();
                }

                @Override
                public int height() {
                    return picture.height();
                }

                @Override
                public int channels() {
                    return picture.channels();
                }

                @Override
                public int maximum() {
                    return picture.maximum();
                }

                @Override
                public void row(int y, int[] samples) {
                    read.add(y);
                    picture.row(y, samples);
                }
            };
            write(counted, format, told::add);
            List<Integer> expected = new ArrayList<>();
            List<Integer> done = new ArrayList<>();
            for (int y = 0; y < 40; y++) {
                expected.add(y);
                done.add(y + 1);
            }
            assertEquals(expected, read, format::name);
            assertEquals(done, told, format::name);
        }
    }

    @Test
    void paletteBecomesItsColors() throws IOException {
        byte[] red = {10, (byte) 200};
        byte[] green = {20, (byte) 210};
        byte[] blue = {30, (byte) 220};
        byte[] alpha = {(byte) 255, 100};
        assertPalette(new IndexColorModel(1, 2, red, green, blue), 3, 10, 20, 30, 200, 210, 220);
        assertPalette(new IndexColorModel(8, 2, red, green, blue, alpha), 4, 10, 20, 30, 255, 200, 210, 220, 100);
        assertPalette(new IndexColorModel(1, 2, red, red, red), 1, 10, 200);
    }

    private void assertPalette(IndexColorModel palette, int channels, int... samples) throws IOException {
        BufferedImage image = new BufferedImage(
                2,
                1,
                palette.getPixelSize() == 1 ? BufferedImage.TYPE_BYTE_BINARY : BufferedImage.TYPE_BYTE_INDEXED,
                palette);
        image.getRaster().setSample(1, 0, 0, 1);
        Path path = folder.resolve("palette.png");
        ImageIO.write(image, "png", path.toFile());
        SamplePicture read = SamplePicture.copyOf(PictureFile.read(path));
        assertEquals(new SamplePicture(2, 1, channels, 255, samples), read);
    }

    @Test
    void imagesOfJavaBecomeTheirColors() {
        int[] kinds = {
            BufferedImage.TYPE_INT_ARGB,
            BufferedImage.TYPE_INT_ARGB_PRE,
            BufferedImage.TYPE_4BYTE_ABGR,
            BufferedImage.TYPE_INT_RGB,
            BufferedImage.TYPE_INT_BGR,
            BufferedImage.TYPE_3BYTE_BGR
        };
        for (int kind : kinds) {
            BufferedImage image = new BufferedImage(1, 1, kind);
            image.setRGB(0, 0, 0xFF_0A_14_1E);
            SamplePicture read = SamplePicture.copyOf(Picture.of(image).withoutAlpha());
            assertEquals(new SamplePicture(1, 1, 3, 255, 10, 20, 30), read, "kind " + kind);
        }
    }

    @Test
    void toImageIsTheInverseOfOf() {
        for (int channels = 1; channels <= 4; channels++) {
            SamplePicture picture = SamplePicture.random(4, 3, channels, 65_535, channels);
            assertEquals(picture, SamplePicture.copyOf(Picture.of(picture.toImage())));
        }
    }

    @Test
    void alphaIsDroppedOnlyWhereItSaysNothing() {
        SamplePicture opaque = new SamplePicture(2, 1, 2, 255, 7, 255, 8, 255);
        assertEquals(new SamplePicture(2, 1, 1, 255, 7, 8), SamplePicture.copyOf(opaque.withoutAlpha()));
        SamplePicture thin = new SamplePicture(2, 1, 2, 255, 7, 255, 8, 254);
        assertEquals(
                "picture must be opaque for a format without alpha: alpha is 254 of 255 at (1, 0)",
                assertThrows(IllegalArgumentException.class, thin::withoutAlpha).getMessage());
    }

    @Test
    void refusesWhatIsNoPicture() throws IOException {
        assertRefused(new byte[0], "file must be a PNG or JPEG picture: its content is neither");
        assertRefused(new byte[] {1, 2, 3}, "file must be a PNG or JPEG picture: its content is neither");
        assertRefused(new byte[100], "file must be a PNG or JPEG picture: its content is neither");
        assertRefused(
                "GIF89a and so on".getBytes(java.nio.charset.StandardCharsets.US_ASCII), "its content is neither");
    }

    @Test
    void refusesDamagedPictures() throws IOException {
        for (PictureFormat format : PictureFormat.values()) {
            byte[] whole = Files.readAllBytes(write(SamplePicture.random(60, 40, 3, 255, 1), format));
            // PNG's last 16 bytes hold a checksum and the end mark, which no reader misses.
            for (int length = 10; length < whole.length - 16; length += 97) {
                byte[] part = java.util.Arrays.copyOf(whole, length);
                assertRefused(part, "file must be a whole " + format + " picture: ");
            }
        }
    }

    private void assertRefused(byte[] content, String message) throws IOException {
        Path path = folder.resolve("broken");
        Files.write(path, content);
        InvalidFileException refusal =
                assertThrows(InvalidFileException.class, () -> PictureFile.read(path), content.length + " bytes");
        assertTrue(refusal.getMessage().contains(message), refusal.getMessage());
    }
}
