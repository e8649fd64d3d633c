package io.github.tconv.opencl;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/** Reads the kernel files, which travel inside the jar. */
final class KernelSource {
    private static final String COMMON = "common";

    private KernelSource() {}

    /** Returns the text of a kernel file with the common one before it. */
    static String of(String file) {
        // The line directive makes the compiler's messages count the lines of the file, not of the joined text.
        return read(COMMON) + "\n#line 1 \"" + file + ".cl\"\n" + read(file);
    }

    private static String read(String file) {
        String resource = "/io/github/tconv/kernels/" + file + ".cl";
        try (InputStream in = KernelSource.class.getResourceAsStream(resource)) {
            if (in == null) {
                throw new IllegalStateException("the kernel file is not in the class path: " + resource);
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
