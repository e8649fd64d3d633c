package io.github.tconv.opencl;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * Compiled programs on disk, so that a second process starts without a compiler. A file is named by the fingerprint of all
 * that the binary depends on and holds that of its content: what is truncated, corrupt or of another driver is not found.
 * Files appear whole, so that processes may share the folder, which is private to the user (see {@link PrivateFolder}). A
 * folder that cannot be used costs one warning and the time to compile.
 */
final class ProgramCache {
    private static final System.Logger LOG = System.getLogger(ProgramCache.class.getName());
    private static final byte[] MAGIC = "tconv program 2\n".getBytes(StandardCharsets.US_ASCII);
    /** Binaries have some hundred KB; what is larger is none of ours. */
    private static final int MOST_BYTES = 1 << 28;

    private final @Nullable PrivateFolder folder;
    private final AtomicBoolean warned = new AtomicBoolean();

    ProgramCache(Path folder) {
        this.folder = new PrivateFolder(folder);
    }

    private ProgramCache() {
        folder = null;
    }

    /** The user's own, or one that keeps nothing, where the user wants none. */
    static ProgramCache ofUser() {
        return Switch.PROGRAM_CACHE.isOn() ? new ProgramCache(CacheFolder.find()) : new ProgramCache();
    }

    /** Tells whether what is stored can be loaded again: a driver may compile for seconds to give a binary. */
    boolean keeps() {
        return folder != null;
    }

    /** Names a program by everything that its binary depends on. */
    static String key(Device device, String source, String options) {
        DeviceInfo info = device.info();
        return Fingerprint.of(
                info.platform(),
                info.name(),
                info.version(),
                info.driver(),
                info.type().name(),
                options,
                source);
    }

    /** Returns the binary stored under a key, if there is a sound one. */
    Optional<byte[]> load(String key) {
        if (folder == null) {
            return Optional.empty();
        }
        try {
            byte[] content = folder.read(file(key), MOST_BYTES).orElse(null);
            if (content == null) {
                return Optional.empty();
            }
            int start = MAGIC.length + Fingerprint.DIGITS;
            if (content.length > start && Arrays.equals(content, 0, MAGIC.length, MAGIC, 0, MAGIC.length)) {
                byte[] binary = Arrays.copyOfRange(content, start, content.length);
                if (Arrays.equals(content, MAGIC.length, start, fingerprint(binary), 0, Fingerprint.DIGITS)) {
                    return Optional.of(binary);
                }
            }
            warnOnce("ignoring a damaged file in the program cache: " + folder.path(file(key)));
        } catch (IOException e) {
            warnOnce("cannot read the program cache: " + e);
        }
        return Optional.empty();
    }

    /** Stores a binary, whole or not at all. */
    void store(String key, byte[] binary) {
        if (folder == null) {
            return;
        }
        try {
            ByteBuffer content = ByteBuffer.allocate(MAGIC.length + Fingerprint.DIGITS + binary.length);
            folder.write(
                    file(key),
                    content.put(MAGIC).put(fingerprint(binary)).put(binary).array());
        } catch (IOException e) {
            warnOnce("cannot write the program cache: " + e);
        }
    }

    private static String file(String key) {
        return key + ".bin";
    }

    private void warnOnce(String message) {
        if (warned.compareAndSet(false, true)) {
            LOG.log(System.Logger.Level.WARNING, message);
        }
    }

    private static byte[] fingerprint(byte[] binary) {
        return Fingerprint.of(binary).getBytes(StandardCharsets.US_ASCII);
    }
}
