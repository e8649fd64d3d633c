package io.github.tconv.opencl;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Collectors;

/** Reads the kernel files, which travel inside the jar. */
final class KernelSource {
    /** Sees each file's text before it is compiled, and may give another. */
    @FunctionalInterface
    interface Alteration {
        String of(String file, String text);
    }

    private static volatile Alteration alteration = (file, text) -> text;

    private KernelSource() {}

    /**
     * Has all texts of the process altered from now on: the one place where a test can plant a bug in a kernel. Returns
     * the alteration of before.
     */
    static Alteration alter(Alteration next) {
        Alteration previous = alteration;
        alteration = next;
        return previous;
    }

    /** Returns the text of some kernel files, one after the other. */
    static String of(List<String> files) {
        // The line directives make the compiler's messages count the lines of each file, not of the joined text.
        return files.stream()
                .map(file -> "#line 1 \"" + file + ".cl\"\n" + read(file))
                .collect(Collectors.joining("\n"));
    }

    private static String read(String file) {
        String resource = "/io/github/tconv/kernels/" + file + ".cl";
        try (InputStream in = KernelSource.class.getResourceAsStream(resource)) {
            if (in == null) {
                throw new IllegalStateException("the kernel file is not in the class path: " + resource);
            }
            return alteration.of(file, new String(in.readAllBytes(), StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
