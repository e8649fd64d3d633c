package io.github.tconv.io;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Makes .npy files, good and bad, byte by byte. */
public final class NpyBytes {
    private NpyBytes() {}

    /** A version 1.0 file of float32 whose header says {@code shape} and that has {@code values}, whatever their number. */
    public static byte[] of(String shape, float... values) {
        return version1(header("<f4", "False", shape), floats(ByteOrder.LITTLE_ENDIAN, values));
    }

    public static String header(String descr, String fortranOrder, String shape) {
        return "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }\n".formatted(descr, fortranOrder, shape);
    }

    public static byte[] version1(String header, byte... values) {
        byte[] text = header.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(10 + text.length + values.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put(start(1))
                .putShort((short) text.length)
                .put(text)
                .put(values)
                .array();
    }

    /** Version 2.0 and later, whose header's length has 32 bits. */
    public static byte[] later(int major, String header, byte... values) {
        byte[] text = header.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(12 + text.length + values.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put(start(major))
                .putInt(text.length)
                .put(text)
                .put(values)
                .array();
    }

    static byte[] start(int major) {
        return new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', (byte) major, 0};
    }

    public static byte[] floats(ByteOrder order, float... values) {
        ByteBuffer bytes = ByteBuffer.allocate(values.length * Float.BYTES).order(order);
        bytes.asFloatBuffer().put(values);
        return bytes.array();
    }
}
