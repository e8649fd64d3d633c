package io.github.tconv.io;

import io.github.tconv.op.Tensor;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;

/**
 * NumPy's {@code .npy} files of float32 in C order, as {@code numpy.load} and {@code numpy.save} read and write them.
 *
 * <p>A file is the magic bytes {@code 93 'NUMPY'}, a version, the header's length, the header (see {@link NpyHeader}),
 * and the values, which go straight between the file and a tensor's memory. The format: numpy.lib.format, "NPY format".
 */
public final class Npy {
    private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
    private static final int VERSION_BYTES = 2;
    /** What NumPy itself accepts from a file it does not trust; ours need some hundred bytes. */
    private static final int MAX_HEADER_BYTES = 10_000;
    /** The values begin at a multiple of this, so that they can be mapped. */
    private static final int ALIGNMENT_BYTES = 64;

    private Npy() {}

    /**
     * Reads a tensor. Versions 1.0, 2.0 and 3.0; little or big endian.
     *
     * @param file the file
     * @return a new tensor of the file's shape and values
     * @throws InvalidFileException if the file cannot be read or is not of this format; the message names the file, the
     *     rule and the value
     */
    public static Tensor read(Path file) {
        if (file.toString().isEmpty()) {
            throw new InvalidFileException(file, "file must have a name: ''");
        }
        if (Files.isDirectory(file)) {
            throw new InvalidFileException(file, "file must be readable: it is a directory");
        }
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            return read(file, channel);
        } catch (NoSuchFileException e) {
            throw new InvalidFileException(file, "file must exist: no such file");
        } catch (IOException e) {
            throw InvalidFileException.unreadable(file, e);
        }
    }

    private static Tensor read(Path file, FileChannel channel) throws IOException {
        NpyHeader header;
        Tensor tensor;
        try {
            header = NpyHeader.parse(readHeader(channel));
            checkSize(file, channel, header);
            tensor = Tensor.zeros(header.shape());
        } catch (IllegalArgumentException e) {
            throw new InvalidFileException(file, String.valueOf(e.getMessage()));
        }
        ByteBuffer memory = tensor.memory();
        while (memory.hasRemaining() && channel.read(memory) >= 0) {
            // The channel reads as much as it has at a time.
        }
        boolean more = !memory.hasRemaining() && channel.read(ByteBuffer.allocate(1)) > 0;
        if (memory.hasRemaining() || more) {
            throw new InvalidFileException(
                    file, wrongSize(header, more ? "more than that" : Integer.toString(memory.position())));
        }
        if (header.order() != ByteOrder.nativeOrder()) {
            swap(tensor.memory());
        }
        return tensor;
    }

    private static String readHeader(FileChannel channel) throws IOException {
        ByteBuffer start = readFully(channel, MAGIC.length + VERSION_BYTES, "magic and version");
        byte[] magic = new byte[MAGIC.length];
        start.get(magic);
        if (!Arrays.equals(magic, MAGIC)) {
            throw new IllegalArgumentException("a .npy file must begin with \\x93NUMPY: " + printable(magic));
        }
        int major = Byte.toUnsignedInt(start.get());
        int minor = Byte.toUnsignedInt(start.get());
        if (major < 1 || major > 3 || minor != 0) {
            throw new IllegalArgumentException(
                    "the version of a .npy file must be 1.0, 2.0 or 3.0: %d.%d".formatted(major, minor));
        }
        ByteBuffer size = readFully(channel, major == 1 ? Short.BYTES : Integer.BYTES, "header length")
                .order(ByteOrder.LITTLE_ENDIAN);
        long length = major == 1 ? Short.toUnsignedLong(size.getShort()) : Integer.toUnsignedLong(size.getInt());
        if (length > MAX_HEADER_BYTES) {
            throw new IllegalArgumentException(
                    "the header of a .npy file must have at most %d bytes: %d".formatted(MAX_HEADER_BYTES, length));
        }
        ByteBuffer header = readFully(channel, (int) length, "header");
        // What matters is ASCII; field names of structured types may be UTF-8, but those are refused anyway.
        return StandardCharsets.ISO_8859_1.decode(header).toString();
    }

    private static ByteBuffer readFully(FileChannel channel, int bytes, String part) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(bytes);
        while (buffer.hasRemaining() && channel.read(buffer) >= 0) {
            // The channel reads as much as it has at a time.
        }
        if (buffer.hasRemaining()) {
            throw new IllegalArgumentException("a .npy file must not end within its %s of %d bytes: %d bytes"
                    .formatted(part, bytes, buffer.position()));
        }
        return buffer.flip();
    }

    /** Before the memory is taken, so that a header that lies costs nothing. A pipe's size is not known. */
    private static void checkSize(Path file, FileChannel channel, NpyHeader header) throws IOException {
        if (!Files.isRegularFile(file)) {
            return;
        }
        long found = channel.size() - channel.position();
        if (found != header.bytes()) {
            throw new IllegalArgumentException(wrongSize(header, Long.toString(found)));
        }
    }

    private static String wrongSize(NpyHeader header, String found) {
        return "the values of shape %s must have %d bytes: %s"
                .formatted(Arrays.toString(header.shape()), header.bytes(), found);
    }

    private static String printable(byte[] bytes) {
        StringBuilder text = new StringBuilder();
        for (byte b : bytes) {
            boolean plain = b > ' ' && b <= '~';
            text.append(plain ? String.valueOf((char) b) : "\\x%02x".formatted(Byte.toUnsignedInt(b)));
        }
        return text.toString();
    }

    private static void swap(ByteBuffer memory) {
        for (int at = 0; at < memory.limit(); at += Float.BYTES) {
            memory.putInt(at, Integer.reverseBytes(memory.getInt(at)));
        }
    }

    /**
     * Writes a tensor, version 1.0. The file appears whole or not at all.
     *
     * @param file the file, replaced if it exists
     * @param tensor the tensor
     * @throws InvalidFileException if the file cannot be written; an existing one is untouched then
     */
    public static void write(Path file, Tensor tensor) {
        try (AtomicFile target = AtomicFile.create(file)) {
            write(target, tensor);
            target.commit();
        } catch (IOException e) {
            throw InvalidFileException.unwritable(file, e);
        }
    }

    /**
     * Writes a tensor to a file that was started before the work, and is committed by the caller.
     *
     * @param file the file
     * @param tensor the tensor
     * @throws IOException if the bytes cannot be written
     */
    public static void write(AtomicFile file, Tensor tensor) throws IOException {
        String header = NpyHeader.of(tensor).toString();
        int before = MAGIC.length + VERSION_BYTES + Short.BYTES;
        int unpadded = before + header.length() + 1;
        int padding = Math.floorMod(-unpadded, ALIGNMENT_BYTES);
        ByteBuffer start = ByteBuffer.allocate(unpadded + padding).order(ByteOrder.LITTLE_ENDIAN);
        start.put(MAGIC)
                .put((byte) 1)
                .put((byte) 0)
                .putShort((short) (start.capacity() - before))
                .put((header + " ".repeat(padding) + "\n").getBytes(StandardCharsets.US_ASCII));
        writeFully(file.channel(), start.flip());
        writeFully(file.channel(), tensor.memory());
    }

    private static void writeFully(FileChannel channel, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            if (channel.write(bytes) == 0) {
                throw new EOFException("the file takes no more bytes");
            }
        }
    }
}
