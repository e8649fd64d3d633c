package io.github.tconv.io;

import java.awt.image.BufferedImage;
import java.io.EOFException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.Locale;
import java.util.function.IntConsumer;
import javax.imageio.IIOImage;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.ImageTypeSpecifier;
import javax.imageio.ImageWriteParam;
import javax.imageio.ImageWriter;
import javax.imageio.metadata.IIOMetadata;
import javax.imageio.metadata.IIOMetadataNode;
import javax.imageio.stream.FileImageInputStream;
import javax.imageio.stream.FileImageOutputStream;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.ImageOutputStream;
import org.w3c.dom.Node;

/**
 * Reads and writes PNG and JPEG files with what comes with Java. Pixels only: an orientation in EXIF is not applied, and
 * colour profiles and other notes are not carried over.
 */
public final class PictureFile {
    /** Between visible loss (0.75, the usual default) and files as large as PNG's (1). */
    private static final float JPEG_QUALITY = 0.95f;

    /**
     * Level 2 of Deflate: Java's writer takes 9 - 9 * quality. Its default is level 4, with which writing takes 1.3 times
     * as long for files 3 % smaller.
     */
    private static final float PNG_QUALITY = 7 / 9f;

    /**
     * A bit a pixel, and 1032 bytes of one colour in a byte of PNG's compression; the shortest JPEG has one bit for the 64
     * pixels of a block.
     */
    private static final long MOST_PIXELS_A_BYTE = 8 * 1032;

    private PictureFile() {}

    /**
     * Reads a picture into memory.
     *
     * @param file a PNG or JPEG file, told by its content
     * @return the picture
     * @throws InvalidFileException if there is no such file or it is no such picture, or a damaged one
     */
    public static Picture read(Path file) {
        try {
            if (!Files.exists(file)) {
                throw new NoSuchFileException(file.toString());
            }
            if (Files.isDirectory(file)) {
                throw new InvalidFileException(file, "file must be a PNG or JPEG picture: it is a directory");
            }
            try (ImageInputStream stream = new FileImageInputStream(file.toFile())) {
                return Picture.of(decode(file, stream));
            }
        } catch (FileNotFoundException e) {
            // This older interface says so also where the file is there and may not be read.
            throw new InvalidFileException(file, "file must be readable: permission denied");
        } catch (IOException e) {
            throw InvalidFileException.unreadable(file, e);
        }
    }

    private static BufferedImage decode(Path file, ImageInputStream stream) throws IOException {
        ImageReader reader = reader(file, stream);
        try {
            String[] truncation = new String[1];
            reader.addIIOReadWarningListener((source, warning) -> {
                // A JPEG that ends too early is padded with grey, and only this tells of it.
                if (warning.toLowerCase(Locale.ROOT).matches(".*(premature end|truncated).*")) {
                    truncation[0] = warning;
                }
            });
            reader.setInput(stream);
            checkSize(file, stream.length(), reader.getWidth(0), reader.getHeight(0));
            BufferedImage image = reader.read(0);
            if (truncation[0] != null) {
                throw new IOException(truncation[0]);
            }
            return image;
        } catch (InvalidFileException e) {
            throw e;
        } catch (IOException | RuntimeException e) {
            // Readers meet damaged files with unchecked exceptions too, of indices and sizes.
            String reason = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
            throw new InvalidFileException(
                    file,
                    "file must be a whole %s picture: %s"
                            .formatted(reader.getFormatName().toUpperCase(Locale.ROOT), reason));
        } finally {
            reader.dispose();
        }
    }

    /** Before the memory is taken, so that a header that lies costs nothing. */
    private static void checkSize(Path file, long bytes, int width, int height) {
        if (bytes >= 0 && (long) width * height > bytes * MOST_PIXELS_A_BYTE) {
            throw new InvalidFileException(
                    file, "file must be long enough for its %d x %d pixels: %d bytes".formatted(width, height, bytes));
        }
    }

    private static ImageReader reader(Path file, ImageInputStream stream) throws IOException {
        for (PictureFormat format : PictureFormat.values()) {
            Iterator<ImageReader> readers = ImageIO.getImageReadersByFormatName(format.imageIoName());
            while (readers.hasNext()) {
                ImageReader reader = readers.next();
                if (canDecode(reader, stream)) {
                    return reader;
                }
            }
        }
        throw new InvalidFileException(file, "file must be a PNG or JPEG picture: its content is neither");
    }

    private static boolean canDecode(ImageReader reader, ImageInputStream stream) throws IOException {
        try {
            return reader.getOriginatingProvider().canDecodeInput(stream);
        } catch (EOFException e) {
            // Shorter than the format's magic number. The provider has not put the stream back then.
            stream.seek(0);
            return false;
        }
    }

    /**
     * Writes a picture row by row. Where the format has 8 bits a sample and the picture 16, they are rounded.
     *
     * @param picture the picture, read from the top down
     * @param format the format
     * @param file the file, not committed
     * @param rowsDone told now and then how many rows are written
     * @throws IllegalArgumentException if the picture is too large for the format, or has alpha and the format has not
     * @throws IOException if the system refuses
     */
    public static void write(Picture picture, PictureFormat format, AtomicFile file, IntConsumer rowsDone)
            throws IOException {
        format.checkSize(picture.width(), picture.height());
        if (format == PictureFormat.JPEG && picture.hasAlpha()) {
            throw new IllegalArgumentException("a JPEG must have no alpha: %d channels".formatted(picture.channels()));
        }
        RowImage image = new RowImage(format == PictureFormat.JPEG ? EightBitPicture.of(picture) : picture, rowsDone);
        ImageWriter writer =
                ImageIO.getImageWritersByFormatName(format.imageIoName()).next();
        try (ImageOutputStream stream = new FileImageOutputStream(file.path().toFile())) {
            writer.setOutput(stream);
            ImageWriteParam settings = writer.getDefaultWriteParam();
            IIOMetadata metadata = null;
            settings.setCompressionMode(ImageWriteParam.MODE_EXPLICIT);
            settings.setCompressionQuality(format == PictureFormat.PNG ? PNG_QUALITY : JPEG_QUALITY);
            if (format == PictureFormat.JPEG) {
                metadata = writer.getDefaultImageMetadata(new ImageTypeSpecifier(image), settings);
                keepAllColor(metadata);
            }
            writer.write(null, new IIOImage(image, null, metadata), settings);
        } finally {
            writer.dispose();
        }
    }

    /** Java's writer halves the resolution of colour unless told otherwise, which frays thin coloured lines. */
    private static void keepAllColor(IIOMetadata metadata) throws IOException {
        String format = metadata.getNativeMetadataFormatName();
        Node root = metadata.getAsTree(format);
        sampleFully(root);
        metadata.setFromTree(format, root);
    }

    private static void sampleFully(Node node) {
        if (node instanceof IIOMetadataNode element && node.getNodeName().equals("componentSpec")) {
            element.setAttribute("HsamplingFactor", "1");
            element.setAttribute("VsamplingFactor", "1");
        }
        for (Node child = node.getFirstChild(); child != null; child = child.getNextSibling()) {
            sampleFully(child);
        }
    }
}
