package io.github.tconv.opencl;

import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.zip.CRC32;
import java.util.zip.CRC32C;
import java.util.zip.Checksum;

/**
 * Names contents by 16 hexadecimal digits, of two cyclic redundancy checks of 32 bits with different polynomials. They
 * tell damage and other sources, and withstand no enemy: who may write to the cache's folder is its user. Java has them
 * natively, while a cryptographic hash takes a young process 40 ms.
 */
final class Fingerprint {
    /** The number of digits. */
    static final int DIGITS = 16;

    private Fingerprint() {}

    /** Of some texts, in this order. */
    static String of(String... parts) {
        return of(String.join("\0", parts).getBytes(StandardCharsets.UTF_8));
    }

    /** Of some bytes. */
    static String of(byte[] content) {
        return HexFormat.of().toHexDigits(value(new CRC32C(), content) << Integer.SIZE | value(new CRC32(), content));
    }

    private static long value(Checksum checksum, byte[] content) {
        checksum.update(content);
        return checksum.getValue();
    }
}
