package io.github.tconv.io;

import java.io.IOException;
import java.io.Serial;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** A file that cannot be used as asked. The message is one line: the file, the rule and what was found instead. */
public final class InvalidFileException extends IllegalArgumentException {
    @Serial
    private static final long serialVersionUID = 1L;

    /**
     * Makes an exception for a file whose content or kind breaks a rule.
     *
     * @param file the file
     * @param problem the rule and the value
     */
    public InvalidFileException(Path file, String problem) {
        this(file, problem, null);
    }

    private InvalidFileException(Path file, String problem, @Nullable Throwable cause) {
        super(file + ": " + problem, cause);
    }

    /**
     * Makes an exception for a file that could not be read.
     *
     * @param file the file as the user named it
     * @param failure what the system said
     * @return the exception
     */
    public static InvalidFileException unreadable(Path file, IOException failure) {
        return new InvalidFileException(file, "file must be readable: " + reason(failure), failure);
    }

    /**
     * Makes an exception for a file that could not be written.
     *
     * @param file the file as the user named it
     * @param failure what the system said
     * @return the exception
     */
    public static InvalidFileException unwritable(Path file, IOException failure) {
        return new InvalidFileException(file, "file must be writable: " + reason(failure), failure);
    }

    /** The system's exceptions often have no text but their class and a path, which may be a temporary file's. */
    private static String reason(IOException failure) {
        if (failure instanceof NoSuchFileException) {
            return "no such file or directory";
        }
        if (failure instanceof AccessDeniedException) {
            return "permission denied";
        }
        if (failure instanceof NotDirectoryException) {
            return "not a directory";
        }
        String text = failure instanceof FileSystemException system ? system.getReason() : failure.getMessage();
        return text == null ? failure.getClass().getSimpleName() : text;
    }
}
