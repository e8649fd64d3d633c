package io.github.tconv.opencl;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;

/** Targets of {@code .github/fuzz.sh} and of {@code FuzzTest}: whatever lies in the cache, nothing comes of it. */
public final class CacheFuzz {
    private CacheFuzz() {}

    private interface Reader {
        void read(Path folder);
    }

    private static void read(String name, byte[] content, Reader reader) {
        try {
            Path folder = Files.createTempDirectory(
                    "fuzz", PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            Path file = folder.resolve(name);
            try {
                Files.write(file, content);
                reader.read(folder);
            } finally {
                Files.delete(file);
                Files.delete(folder);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Compiled programs. */
    public static final class OfPrograms {
        private OfPrograms() {}

        /** Reads. */
        public static void fuzzerTestOneInput(byte[] content) {
            read(
                    "key.bin",
                    content,
                    folder -> new ProgramCache(folder).load("key").ifPresent(binary -> {
                        if (binary.length >= content.length) {
                            throw new IllegalStateException("a binary longer than its file: " + binary.length);
                        }
                    }));
        }
    }

    /** What was found out about the machine. */
    public static final class OfLedger {
        private OfLedger() {}

        /** Reads a body behind a sound header, so that the fingerprint does not hide the rest. */
        public static void fuzzerTestOneInput(byte[] content) {
            String text = new String(content, java.nio.charset.StandardCharsets.UTF_8);
            byte[] sound = ("tconv fuzz 2\nfingerprint " + Fingerprint.of(text) + "\n" + text)
                    .getBytes(java.nio.charset.StandardCharsets.UTF_8);
            for (byte[] file : new byte[][] {content, sound}) {
                read("fuzz.txt", file, folder -> {
                    Map<String, String> entries = new Ledger(new PrivateFolder(folder), "fuzz").read();
                    if (entries.size() > file.length) {
                        throw new IllegalStateException("more entries than bytes: " + entries.size());
                    }
                });
            }
        }
    }
}
