package io.github.tconv.io;

import io.github.tconv.op.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.Consumer;

/** Targets of {@code .github/fuzz.sh} and of {@code FuzzTest}: a reader takes a file, or refuses it with its rule. */
public final class FileFuzz {
    private FileFuzz() {}

    /** Calls a reader with a file of some bytes. */
    private static void read(byte[] content, Consumer<Path> reader) {
        try {
            Path file = Files.createTempFile("fuzz", ".bin");
            try {
                Files.write(file, content);
                reader.accept(file);
            } catch (InvalidFileException e) {
                if (!String.valueOf(e.getMessage()).startsWith(file + ": ")) {
                    throw new IllegalStateException("the message names no file: " + e.getMessage());
                }
            } finally {
                Files.delete(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** NumPy's files. */
    public static final class OfNpy {
        private OfNpy() {}

        /** Reads, and writes and reads again what was read. */
        public static void fuzzerTestOneInput(byte[] content) {
            read(content, file -> {
                Tensor tensor = Npy.read(file);
                Npy.write(file, tensor);
                if (Npy.read(file).memory().mismatch(tensor.memory()) >= 0) {
                    throw new IllegalStateException("written and read again it differs: " + tensor);
                }
            });
        }
    }

    /** Files of many tensors. */
    public static final class OfSafetensors {
        private OfSafetensors() {}

        /** Reads, and writes and reads again what was read. */
        public static void fuzzerTestOneInput(byte[] content) {
            read(content, file -> {
                Safetensors read = Safetensors.read(file);
                Map<String, Tensor> tensors = read.tensors();
                if (!tensors.isEmpty()) {
                    Safetensors.write(file, tensors, read.metadata());
                    if (!Safetensors.read(file).tensors().keySet().equals(tensors.keySet())) {
                        throw new IllegalStateException("written and read again it has other names");
                    }
                }
            });
        }
    }

    /** Pictures. */
    public static final class OfPicture {
        private OfPicture() {}

        /** Reads. */
        public static void fuzzerTestOneInput(byte[] content) {
            read(content, PictureFile::read);
        }
    }
}
