package io.github.tconv.io;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.ThreadLocalRandom;

/**
 * A file that appears whole or not at all. What is written goes to a temporary file beside the target, which
 * {@link #commit()} moves into its place; {@link #close()} without a commit removes it and leaves an existing target
 * untouched, as does the end of the process. A target that is a symbolic link stays one: the file it points to is
 * replaced. A device or pipe, which cannot be replaced, is written directly.
 *
 * <pre>{@code
 * try (AtomicFile file = AtomicFile.create(path)) {
 *     file.channel().write(bytes);
 *     file.commit();
 * }
 * }</pre>
 *
 * <p>Opening checks what can be checked before the work: do it first. Not thread-safe.
 */
public final class AtomicFile implements AutoCloseable {
    private final Path named;
    private final Path target;
    /** Where the bytes go: the target itself if that cannot be replaced. */
    private final Path written;

    private final FileChannel channel;
    private boolean committed;

    private AtomicFile(Path named, Path target, Path written, FileChannel channel) {
        this.named = named;
        this.target = target;
        this.written = written;
        this.channel = channel;
    }

    /**
     * Starts a file. Nothing is at the target until {@link #commit()}.
     *
     * @param target where the file is to appear; an existing file is replaced then
     * @return the file, to be closed
     * @throws InvalidFileException if no file can be written there
     */
    public static AtomicFile create(Path target) {
        if (target.toString().isEmpty()) {
            throw new InvalidFileException(target, "file must have a name: ''");
        }
        try {
            Path resolved = resolve(target);
            boolean exists = Files.exists(resolved);
            if (Files.isDirectory(resolved)) {
                throw new InvalidFileException(target, "file must be writable: it is a directory");
            }
            if (exists && !Files.isWritable(resolved)) {
                throw new InvalidFileException(target, "file must be writable: permission denied");
            }
            if (exists && !Files.isRegularFile(resolved)) {
                FileChannel channel = FileChannel.open(resolved, StandardOpenOption.WRITE);
                return new AtomicFile(target, resolved, resolved, channel);
            }
            // Short, and not derived from the target's name, which may already be as long as names can be.
            Path temporary = resolved.resolveSibling(".tconv-%d-%x.tmp"
                    .formatted(
                            ProcessHandle.current().pid(),
                            ThreadLocalRandom.current().nextLong()));
            FileChannel channel = FileChannel.open(
                    temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE);
            // For the process that is interrupted; after commit() there is nothing of that name to delete.
            temporary.toFile().deleteOnExit();
            return new AtomicFile(target, resolved, temporary, channel);
        } catch (IOException e) {
            throw InvalidFileException.unwritable(target, e);
        }
    }

    /** Replacing a link would leave the file that it points to as it was, which is not what "write there" means. */
    private static Path resolve(Path target) throws IOException {
        Path absolute = target.toAbsolutePath();
        if (Files.exists(absolute)) {
            return absolute.toRealPath();
        }
        if (Files.isSymbolicLink(absolute)) {
            throw new InvalidFileException(
                    target, "file must not be a dangling link: it points to " + Files.readSymbolicLink(absolute));
        }
        return absolute;
    }

    /**
     * Returns the channel to write to.
     *
     * @return a channel at position 0, readable too unless the target is a device or pipe
     */
    public FileChannel channel() {
        return channel;
    }

    /**
     * Returns the path to write to, for writers that want one. Their streams must be closed before {@link #commit()}.
     *
     * @return the temporary file
     */
    public Path path() {
        return written;
    }

    /**
     * Says that the file is complete, and lets it appear.
     *
     * @throws InvalidFileException if the system refuses
     */
    public void commit() {
        try {
            if (!written.equals(target)) {
                keepPermissions();
                // Otherwise a crash of the machine could leave the new name with the content missing.
                channel.force(true);
                channel.close();
                Files.move(written, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            }
            committed = true;
        } catch (IOException e) {
            throw InvalidFileException.unwritable(named, e);
        }
    }

    private void keepPermissions() throws IOException {
        boolean posix = Files.getFileStore(written).supportsFileAttributeView("posix");
        if (posix && Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
            Files.setPosixFilePermissions(written, Files.getPosixFilePermissions(target));
        }
    }

    /** Removes what was written, unless it was committed. Idempotent. */
    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            // The channel's own writes have reported what matters; the file is removed all the same.
            if (committed) {
                throw InvalidFileException.unwritable(named, e);
            }
        } finally {
            if (!committed && !written.equals(target)) {
                remove(written);
            }
        }
    }

    private static void remove(Path temporary) {
        try {
            Files.deleteIfExists(temporary);
        } catch (IOException e) {
            // deleteOnExit tries again.
        }
    }
}
