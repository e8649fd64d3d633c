package io.github.tconv.opencl;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserPrincipal;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A folder that only this user may write, and small files in it that appear whole or not at all. Neither the folder nor
 * a file is reached through a symbolic link, and what others could have written is not read: the failure says which rule
 * was broken. Where the system has no POSIX permissions, its own are taken as they are.
 *
 * <p>Thread-safe, and safe for several processes.
 */
final class PrivateFolder {
    private static final Set<PosixFilePermission> OTHERS_WRITE =
            Set.of(PosixFilePermission.GROUP_WRITE, PosixFilePermission.OTHERS_WRITE);
    private static final String FOLDER_PERMISSIONS = "rwx------";
    private static final String FILE_PERMISSIONS = "rw-------";

    private static final long LOCK_PATIENCE_NANOS = 2_000_000_000;
    private static final long LOCK_RETRY_NANOS = 5_000_000;

    /** Who this process is, where the system says so: a folder of somebody else may be one that waited for us. */
    private static final @Nullable UserPrincipal USER = user();

    private final Path folder;

    private static @Nullable UserPrincipal user() {
        try {
            return Files.getOwner(Path.of("/proc/self"));
        } catch (IOException | UnsupportedOperationException e) {
            return null;
        }
    }

    PrivateFolder(Path folder) {
        this.folder = folder;
    }

    Path path(String name) {
        return folder.resolve(name);
    }

    /**
     * Reads a file.
     *
     * @param name the file's name
     * @param most the most bytes that it may have
     * @return its content, or empty if there is no such file
     * @throws IOException if it may not be trusted, is too large, or cannot be read
     */
    Optional<byte[]> read(String name, int most) throws IOException {
        Path file = path(name);
        try {
            checkFolder();
            checkFile(file);
            try (InputStream in = Files.newInputStream(file, LinkOption.NOFOLLOW_LINKS)) {
                byte[] content = in.readNBytes(most + 1);
                if (content.length > most) {
                    throw new IOException("%s must have at most %d bytes".formatted(file, most));
                }
                return Optional.of(content);
            }
        } catch (NoSuchFileException e) {
            return Optional.empty();
        }
    }

    /**
     * Puts a file in place of what has its name: another file, or a link, which goes and is not followed. It is not
     * forced to the disk: after a crash of the machine its content may be missing, which readers must notice.
     */
    void write(String name, byte[] content) throws IOException {
        prepare();
        Path temporary = path(".%s-%d-%x.tmp"
                .formatted(
                        name,
                        ProcessHandle.current().pid(),
                        ThreadLocalRandom.current().nextLong()));
        try {
            try (FileChannel channel = open(temporary, StandardOpenOption.CREATE_NEW)) {
                ByteBuffer rest = ByteBuffer.wrap(content);
                while (rest.hasRemaining()) {
                    channel.write(rest);
                }
            }
            Files.move(temporary, path(name), StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(temporary);
        }
    }

    /** What is done while no other thread or process is here. */
    interface Exclusive {
        void run() throws IOException;
    }

    /**
     * Runs what must not run in two threads or processes at once. A lock that is not to be had within two seconds is
     * done without: files stay whole all the same, and only an update may be lost.
     */
    void exclusively(String lockName, Exclusive work) throws IOException {
        prepare();
        synchronized (PrivateFolder.class) {
            // Closing the channel gives up the lock.
            try (FileChannel channel = lockFile(lockName)) {
                if (channel != null) {
                    lock(channel);
                }
                work.run();
            }
        }
    }

    private @Nullable FileChannel lockFile(String name) throws IOException {
        try {
            checkFile(path(name));
        } catch (NoSuchFileException e) {
            // It is made now.
        } catch (IOException e) {
            return null;
        }
        return open(path(name), StandardOpenOption.CREATE);
    }

    private static void lock(FileChannel channel) {
        long end = System.nanoTime() + LOCK_PATIENCE_NANOS;
        do {
            try {
                if (channel.tryLock() != null) {
                    return;
                }
            } catch (OverlappingFileLockException e) {
                // Another class loader's copy of this class has it.
            } catch (IOException e) {
                // A file system without locks.
                return;
            }
            LockSupport.parkNanos(LOCK_RETRY_NANOS);
        } while (System.nanoTime() - end < 0);
    }

    private FileChannel open(Path file, StandardOpenOption creation) throws IOException {
        return FileChannel.open(
                file,
                Set.of(creation, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS),
                permissions(FILE_PERMISSIONS));
    }

    private void prepare() throws IOException {
        if (!Files.exists(folder, LinkOption.NOFOLLOW_LINKS)) {
            Path parent = folder.toAbsolutePath().getParent();
            if (parent != null) {
                Files.createDirectories(parent);
            }
            try {
                Files.createDirectory(folder, permissions(FOLDER_PERMISSIONS));
            } catch (FileAlreadyExistsException e) {
                // Another process was faster.
            }
        }
        checkFolder();
    }

    private void checkFolder() throws IOException {
        if (!attributes(folder).isDirectory()) {
            throw new IOException("%s must be a folder, and not a link to one".formatted(folder));
        }
        checkWriters(folder);
    }

    private static void checkFile(Path file) throws IOException {
        if (!attributes(file).isRegularFile()) {
            throw new IOException("%s must be a file: it is a folder, a link or a device".formatted(file));
        }
        checkWriters(file);
    }

    private static BasicFileAttributes attributes(Path path) throws IOException {
        return Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
    }

    private static void checkWriters(Path path) throws IOException {
        PosixFileAttributeView view =
                Files.getFileAttributeView(path, PosixFileAttributeView.class, LinkOption.NOFOLLOW_LINKS);
        if (view != null) {
            PosixFileAttributes attributes = view.readAttributes();
            if (USER != null && !attributes.owner().equals(USER)) {
                throw new IOException("%s must belong to the user %s: %s"
                        .formatted(path, USER.getName(), attributes.owner().getName()));
            }
            Set<PosixFilePermission> permissions = attributes.permissions();
            if (permissions.stream().anyMatch(OTHERS_WRITE::contains)) {
                throw new IOException("%s must not be writable by others: %s"
                        .formatted(path, PosixFilePermissions.toString(permissions)));
            }
        }
    }

    private FileAttribute<?>[] permissions(String text) {
        boolean posix = folder.getFileSystem().supportedFileAttributeViews().contains("posix");
        return posix
                ? new FileAttribute<?>[] {PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(text))}
                : new FileAttribute<?>[0];
    }
}
