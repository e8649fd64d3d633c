package io.github.tconv.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AtomicFileTest {
    @TempDir
    Path folder;

    @Test
    void appearsWithTheCommitOnly() throws IOException {
        Path target = folder.resolve("out");
        try (AtomicFile file = AtomicFile.create(target)) {
            write(file, "new");
            assertFalse(Files.exists(target));
            file.commit();
            assertEquals("new", Files.readString(target));
        }
        assertEquals(List.of(target), files());
    }

    @Test
    void replacesAnExistingFileWithTheCommitOnly() throws IOException {
        Path target = Files.writeString(folder.resolve("out"), "old");
        try (AtomicFile file = AtomicFile.create(target)) {
            write(file, "new");
            assertEquals("old", Files.readString(target));
            file.commit();
        }
        assertEquals("new", Files.readString(target));
        assertEquals(List.of(target), files());
    }

    @Test
    void leavesNothingWithoutACommit() throws IOException {
        Path target = Files.writeString(folder.resolve("out"), "old");
        try (AtomicFile file = AtomicFile.create(target)) {
            write(file, "new");
        }
        assertEquals("old", Files.readString(target));
        assertEquals(List.of(target), files());
    }

    @Test
    void writesThroughItsPathToo() throws IOException {
        Path target = folder.resolve("out");
        try (AtomicFile file = AtomicFile.create(target)) {
            Files.writeString(file.path(), "new");
            file.commit();
        }
        assertEquals("new", Files.readString(target));
    }

    @Test
    void keepsALinkAndReplacesWhatItPointsTo() throws IOException {
        Path pointed = Files.writeString(folder.resolve("pointed"), "old");
        Path link = Files.createSymbolicLink(folder.resolve("link"), Path.of("pointed"));
        try (AtomicFile file = AtomicFile.create(link)) {
            write(file, "new");
            file.commit();
        }
        assertTrue(Files.isSymbolicLink(link));
        assertEquals("new", Files.readString(pointed));
    }

    @Test
    void keepsThePermissionsOfTheFileItReplaces() throws IOException {
        Path target = Files.writeString(folder.resolve("out"), "old");
        Files.setPosixFilePermissions(target, PosixFilePermissions.fromString("rw-rw-r--"));
        try (AtomicFile file = AtomicFile.create(target)) {
            file.commit();
        }
        assertEquals("rw-rw-r--", PosixFilePermissions.toString(Files.getPosixFilePermissions(target)));
    }

    @Test
    void takesTheLongestNameThatTheSystemTakes() {
        Path target = folder.resolve("n".repeat(255));
        try (AtomicFile file = AtomicFile.create(target)) {
            file.commit();
        }
        assertTrue(Files.exists(target));
    }

    @Test
    void writesADeviceDirectly() throws IOException {
        Path device = Path.of("/dev/null");
        try (AtomicFile file = AtomicFile.create(device)) {
            write(file, "new");
            file.commit();
        }
        assertFalse(Files.isRegularFile(device));
    }

    @Test
    void refusesADirectory() {
        assertRefused(folder, folder + ": file must be writable: it is a directory");
    }

    @Test
    void refusesAMissingFolder() {
        Path target = folder.resolve("missing").resolve("out");
        assertRefused(target, target + ": file must be writable: no such file or directory");
    }

    @Test
    void refusesAFolderThatIsAFile() throws IOException {
        Path target = Files.createFile(folder.resolve("file")).resolve("out");
        assertRefused(target, target + ": file must be writable: Not a directory");
    }

    @Test
    void refusesADanglingLink() throws IOException {
        Path link = Files.createSymbolicLink(folder.resolve("link"), Path.of("nowhere"));
        assertRefused(link, link + ": file must not be a dangling link: it points to nowhere");
    }

    @Test
    void refusesAFolderWhereNoFileCanBeMade() {
        // Not even an administrator makes a file there, so that the test holds for one too.
        Path target = Path.of("/proc/self/out");
        assertRefused(target, target + ": file must be writable: no such file or directory");
    }

    @Test
    void refusesAnEmptyName() {
        assertRefused(Path.of(""), ": file must have a name: ''");
    }

    private static void assertRefused(Path target, String message) {
        InvalidFileException refusal = assertThrows(
                InvalidFileException.class, () -> AtomicFile.create(target).close());
        assertEquals(message, refusal.getMessage());
    }

    private static void write(AtomicFile file, String text) throws IOException {
        file.channel().write(ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)));
    }

    private List<Path> files() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.toList();
        }
    }
}
