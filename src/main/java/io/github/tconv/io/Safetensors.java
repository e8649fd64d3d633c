package io.github.tconv.io;

import io.github.tconv.io.SafetensorsHeader.Entry;
import io.github.tconv.op.Tensor;
import java.io.ByteArrayInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Files of named tensors in the safetensors format, as PyTorch's users exchange weights.
 *
 * <p>A file is the header's length as 64 bits, little endian, the header (JSON, see {@link SafetensorsHeader}), and the
 * tensors' values one after the other, little endian and in C order. Nothing in such a file is executed, and a file is
 * not believed: memory is taken only for bytes that it has. The format: huggingface/safetensors, "Format".
 *
 * <p>Tensors of float32 are read; those of other types, and empty ones, are only named, because files of weights hold
 * counters beside them. A tensor without axes is read as one with a single element.
 *
 * @param tensors the float32 tensors by name, in the order of the file
 * @param others the types and shapes of tensors that were not read, by name
 * @param metadata free text by name
 */
public record Safetensors(Map<String, Tensor> tensors, Map<String, String> others, Map<String, String> metadata) {
    /** The names of some hundred thousand tensors. The format allows 100 MB, which nobody needs for weights. */
    private static final long MAX_HEADER_BYTES = 1 << 24;
    /** The values begin at a multiple of this, so that they can be mapped. The format asks for 8. */
    private static final int ALIGNMENT_BYTES = 64;
    /** At a time. */
    private static final int SKIPPED_BYTES = 1 << 13;

    /**
     * Takes the maps as they are.
     *
     * @param tensors the float32 tensors by name
     * @param others the types and shapes of tensors that were not read
     * @param metadata free text by name
     */
    public Safetensors {
        tensors = Collections.unmodifiableMap(new LinkedHashMap<>(tensors));
        others = Collections.unmodifiableMap(new LinkedHashMap<>(others));
        metadata = Collections.unmodifiableMap(new LinkedHashMap<>(metadata));
    }

    /**
     * Reads a file.
     *
     * @param file a regular file
     * @return its tensors
     * @throws InvalidFileException if the file cannot be read or breaks a rule of the format; the message names the file,
     *     the rule and the value
     */
    public static Safetensors read(Path file) {
        if (file.toString().isEmpty()) {
            throw new InvalidFileException(file, "file must have a name: ''");
        }
        if (Files.exists(file) && !Files.isRegularFile(file)) {
            String kind = Files.isDirectory(file) ? "a directory" : "a device or pipe";
            throw new InvalidFileException(file, "file must be a regular one: it is " + kind);
        }
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            return read(channel, channel.size());
        } catch (NoSuchFileException e) {
            throw new InvalidFileException(file, "file must exist: no such file");
        } catch (IOException e) {
            throw InvalidFileException.unreadable(file, e);
        } catch (IllegalArgumentException e) {
            throw new InvalidFileException(file, String.valueOf(e.getMessage()));
        }
    }

    /**
     * Reads a file that is in memory.
     *
     * @param file its bytes
     * @return its tensors
     * @throws IllegalArgumentException if it breaks a rule of the format; the message has the rule and the value
     */
    public static Safetensors read(byte[] file) {
        try (ReadableByteChannel channel = Channels.newChannel(new ByteArrayInputStream(file))) {
            return read(channel, file.length);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Safetensors read(ReadableByteChannel channel, long size) throws IOException {
        if (size < Long.BYTES) {
            throw new IllegalArgumentException(
                    "a safetensors file must begin with its header's length in %d bytes: it has %d"
                            .formatted(Long.BYTES, size));
        }
        long length = readFully(channel, ByteBuffer.allocate(Long.BYTES))
                .order(ByteOrder.LITTLE_ENDIAN)
                .getLong();
        long rest = size - Long.BYTES;
        if (length < 0 || length > Math.min(rest, MAX_HEADER_BYTES)) {
            throw new IllegalArgumentException(
                    "the header of a safetensors file must fit the file and have at most %d bytes: %s of %d"
                            .formatted(MAX_HEADER_BYTES, Long.toUnsignedString(length), rest));
        }
        String text = text(readFully(channel, ByteBuffer.allocate((int) length)));
        SafetensorsHeader header = SafetensorsHeader.parse(text, rest - length);
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        Map<String, String> others = new LinkedHashMap<>();
        for (Entry entry : header.entries()) {
            if (entry.type().equals("F32") && entry.begin() < entry.end()) {
                Tensor tensor = Tensor.zeros(shape(entry));
                readFully(channel, tensor.memory());
                toLittleEndian(tensor);
                tensors.put(entry.name(), tensor);
            } else {
                skip(channel, entry.end() - entry.begin());
                others.put(entry.name(), entry.describe());
            }
        }
        return new Safetensors(tensors, others, header.metadata());
    }

    private static int[] shape(Entry entry) {
        if (entry.shape().isEmpty()) {
            return new int[] {1};
        }
        // The tensor's bytes are in the file, so that only tensors of 2 GiB and more are refused here.
        return entry.shape().stream()
                .mapToInt(size -> (int) Math.min(size, Integer.MAX_VALUE))
                .toArray();
    }

    private static String text(ByteBuffer utf8) {
        try {
            // Unlike String's constructor this reports what is no UTF-8.
            return StandardCharsets.UTF_8.newDecoder().decode(utf8).toString();
        } catch (CharacterCodingException e) {
            throw new IllegalArgumentException("the header of a safetensors file must be UTF-8: " + e.getMessage(), e);
        }
    }

    private static void skip(ReadableByteChannel channel, long bytes) throws IOException {
        if (channel instanceof FileChannel file) {
            file.position(file.position() + bytes);
            return;
        }
        ByteBuffer dropped = ByteBuffer.allocate((int) Math.min(bytes, SKIPPED_BYTES));
        for (long left = bytes; left > 0; left -= dropped.limit()) {
            readFully(channel, dropped.clear().limit((int) Math.min(left, dropped.capacity())));
        }
    }

    private static ByteBuffer readFully(ReadableByteChannel channel, ByteBuffer buffer) throws IOException {
        while (buffer.hasRemaining()) {
            if (channel.read(buffer) < 0) {
                throw new EOFException("the file became shorter while it was read");
            }
        }
        return buffer.flip();
    }

    /** On a big-endian machine, exchanges the bytes of every value; the same again brings them back. */
    private static void toLittleEndian(Tensor tensor) {
        if (ByteOrder.nativeOrder() == ByteOrder.BIG_ENDIAN) {
            ByteBuffer memory = tensor.memory();
            for (int i = 0; i < memory.limit(); i += Float.BYTES) {
                memory.putInt(i, Integer.reverseBytes(memory.getInt(i)));
            }
        }
    }

    /**
     * Writes tensors, in the order of the map. The file appears whole or not at all.
     *
     * @param file the file, replaced if it exists
     * @param tensors the tensors by name
     * @param metadata free text by name
     * @throws IllegalArgumentException if a tensor is named {@code __metadata__}
     * @throws InvalidFileException if the file cannot be written; an existing one is untouched then
     */
    public static void write(Path file, Map<String, Tensor> tensors, Map<String, String> metadata) {
        try (AtomicFile target = AtomicFile.create(file)) {
            write(target, tensors, metadata);
            target.commit();
        } catch (IOException e) {
            throw InvalidFileException.unwritable(file, e);
        }
    }

    private static void write(AtomicFile file, Map<String, Tensor> tensors, Map<String, String> metadata)
            throws IOException {
        List<Entry> entries = new ArrayList<>();
        long end = 0;
        for (Map.Entry<String, Tensor> named : tensors.entrySet()) {
            if (named.getKey().equals(SafetensorsHeader.METADATA)) {
                throw new IllegalArgumentException(
                        "a tensor must not have the name that the format keeps: " + SafetensorsHeader.METADATA);
            }
            long begin = end;
            end += (long) named.getValue().elements() * Float.BYTES;
            List<Long> shape = Arrays.stream(named.getValue().shape())
                    .asLongStream()
                    .boxed()
                    .toList();
            entries.add(new Entry(named.getKey(), "F32", shape, begin, end));
        }
        byte[] json = new SafetensorsHeader(entries, metadata).toString().getBytes(StandardCharsets.UTF_8);
        int padding = Math.floorMod(-(Long.BYTES + json.length), ALIGNMENT_BYTES);
        ByteBuffer start =
                ByteBuffer.allocate(Long.BYTES + json.length + padding).order(ByteOrder.LITTLE_ENDIAN);
        start.putLong(json.length + padding).put(json).put(" ".repeat(padding).getBytes(StandardCharsets.US_ASCII));
        writeFully(file.channel(), start.flip());
        for (Tensor tensor : tensors.values()) {
            Tensor little = ByteOrder.nativeOrder() == ByteOrder.BIG_ENDIAN ? tensor.copy() : tensor;
            toLittleEndian(little);
            writeFully(file.channel(), little.memory());
        }
    }

    private static void writeFully(FileChannel channel, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            if (channel.write(bytes) == 0) {
                throw new EOFException("the file takes no more bytes");
            }
        }
    }
}
