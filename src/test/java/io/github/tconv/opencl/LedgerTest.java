package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.logging.Logger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LedgerTest {
    private static final Logger LOG = Logger.getLogger(Ledger.class.getName());

    @TempDir
    private Path temporary;

    @RegisterExtension
    final Warnings listener = new Warnings(LOG);

    private final List<String> warnings = listener.said();

    private Path folder() {
        return temporary.resolve("made/when/needed");
    }

    private Path file() {
        return folder().resolve("trial.txt");
    }

    private Ledger ledger() {
        return new Ledger(new PrivateFolder(folder()), "trial");
    }

    @Test
    void givesBackWhatWasPutInTheOrderOfTheLastPut() {
        Ledger ledger = ledger();
        assertEquals(Map.of(), ledger.read());
        assertTrue(ledger.put("a b", "1 2"));
        assertTrue(ledger.put("c", "3"));
        assertTrue(ledger.put("a b", "4"));
        assertEquals(
                List.of("c=3", "a b=4"),
                ledger().read().entrySet().stream().map(Object::toString).toList());
        assertEquals(List.of(), warnings);
    }

    @Test
    void theFileIsTextAndThisUsersAlone() throws IOException {
        ledger().put("key", "value");
        List<String> lines = Files.readAllLines(file());
        assertEquals("tconv trial 2", lines.get(0));
        assertEquals("fingerprint " + Fingerprint.of("key\tvalue\n"), lines.get(1));
        assertEquals("key\tvalue", lines.get(2));
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(file())));
        assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(folder())));
        try (Stream<Path> files = Files.list(folder())) {
            assertEquals(
                    List.of("trial.lock", "trial.txt"),
                    files.map(path -> path.getFileName().toString()).sorted().toList());
        }
    }

    @Test
    void everyDamagedByteAndEveryTruncationIsIgnoredWithOneWarningAndThenReplaced() throws IOException {
        ledger().put("key", "value");
        byte[] sound = Files.readAllBytes(file());
        for (int i = 0; i < sound.length; i++) {
            byte[] damaged = sound.clone();
            damaged[i] ^= 0x01;
            assertIgnored(damaged);
            assertIgnored(Arrays.copyOf(sound, i));
        }
        Files.write(file(), sound);
        assertEquals(Map.of("key", "value"), ledger().read());
    }

    private void assertIgnored(byte[] content) throws IOException {
        Files.write(file(), content);
        warnings.clear();
        Ledger ledger = ledger();
        assertEquals(Map.of(), ledger.read());
        assertEquals(Map.of(), ledger.read());
        assertEquals(1, warnings.size(), warnings::toString);
        assertTrue(warnings.get(0).contains(file().toString()), warnings::toString);
        assertTrue(ledger.put("new", "1"));
        assertEquals(Map.of("new", "1"), ledger.read());
        assertEquals(1, warnings.size(), warnings::toString);
    }

    /** A hash is easily made: what stands in a file that has one must not fail anything either. */
    @ParameterizedTest
    @ValueSource(strings = {"no tab\n", "a\tb\tc\n", "\n", "a\tb\n\nc\td\n"})
    void aSoundFileOfNonsenseIsIgnored(String lines) throws IOException {
        ledger().put("key", "value");
        assertIgnored(("tconv trial 2\nfingerprint " + Fingerprint.of(lines) + "\n" + lines)
                .getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void aHugeFileIsNotRead() throws IOException {
        ledger().put("key", "value");
        byte[] huge = new byte[Ledger.MOST_BYTES + 1];
        Arrays.fill(huge, (byte) 'x');
        assertIgnored(huge);
    }

    @Test
    void aBinaryFileIsIgnored() throws IOException {
        ledger().put("key", "value");
        byte[] binary = new byte[4096];
        for (int i = 0; i < binary.length; i++) {
            binary[i] = (byte) (i * 151);
        }
        assertIgnored(binary);
    }

    @Test
    void aLinkIsNotFollowedNeitherReadNorWritten() throws IOException {
        ledger().put("key", "value");
        Path elsewhere = temporary.resolve("elsewhere");
        Files.move(file(), elsewhere);
        Files.createSymbolicLink(file(), elsewhere);
        byte[] before = Files.readAllBytes(elsewhere);

        assertEquals(Map.of(), ledger().read());
        assertEquals(1, warnings.size(), warnings::toString);
        assertTrue(ledger().put("new", "1"));
        assertTrue(Files.isRegularFile(file(), LinkOption.NOFOLLOW_LINKS));
        assertEquals(Map.of("new", "1"), ledger().read());
        assertEquals(new String(before, StandardCharsets.UTF_8), Files.readString(elsewhere));
    }

    @Test
    void aFolderThatIsALinkIsNotUsed() throws IOException {
        Path elsewhere = Files.createDirectories(temporary.resolve("elsewhere"));
        Files.createDirectories(folder().getParent());
        Files.createSymbolicLink(folder(), elsewhere);
        assertUnusable("must be a folder, and not a link to one");
        try (Stream<Path> files = Files.list(elsewhere)) {
            assertEquals(0, files.count());
        }
    }

    private void assertUnusable(String why) {
        warnings.clear();
        Ledger ledger = ledger();
        assertFalse(ledger.put("key", "value"));
        assertEquals(Map.of(), ledger.read());
        assertFalse(ledger.put("key", "value"));
        assertEquals(1, warnings.size(), warnings::toString);
        assertTrue(warnings.get(0).contains(why), warnings::toString);
    }

    @Test
    void aFolderInPlaceOfTheFileIsNoFailure() throws IOException {
        Files.createDirectories(file().resolve("full"));
        assertUnusable("must be a file");
    }

    @Test
    void aFileInPlaceOfTheFolderIsNoFailure() throws IOException {
        Files.createDirectories(folder().getParent());
        Files.createFile(folder());
        assertUnusable("must be a folder");
    }

    @Test
    void whatOthersMayWriteIsNotRead() throws IOException {
        ledger().put("key", "value");
        Files.setPosixFilePermissions(file(), PosixFilePermissions.fromString("rw-rw----"));
        assertEquals(Map.of(), ledger().read());
        assertTrue(warnings.get(0).contains("must not be writable by others: rw-rw----"), warnings::toString);

        Files.setPosixFilePermissions(file(), PosixFilePermissions.fromString("rw-------"));
        Files.setPosixFilePermissions(folder(), PosixFilePermissions.fromString("rwxrwxrwx"));
        assertUnusable("must not be writable by others: rwxrwxrwx");
    }

    @Test
    void aPipeBlocksNobody() throws IOException, InterruptedException {
        ledger().put("key", "value");
        for (String name : List.of("trial.txt", "trial.lock")) {
            Files.delete(folder().resolve(name));
            assertEquals(
                    0,
                    new ProcessBuilder("mkfifo", folder().resolve(name).toString())
                            .start()
                            .waitFor());
        }
        assertEquals(Map.of(), ledger().read());
        assertTrue(ledger().put("new", "1"));
        assertEquals(Map.of("new", "1"), ledger().read());
    }

    @Test
    void writersAtOnceLoseNothing() {
        IntStream.range(0, 64).parallel().forEach(i -> ledger().put("key" + i, "value" + i));
        assertEquals(64, ledger().read().size());
        assertEquals(List.of(), warnings);
    }

    /** Writes entries from a process of its own. */
    static final class Writer {
        private Writer() {}

        public static void main(String[] args) {
            Ledger ledger = new Ledger(new PrivateFolder(Path.of(args[0])), "trial");
            for (int i = 0; i < 20; i++) {
                ledger.put(args[1] + "-" + i, "value");
            }
        }
    }

    @Test
    void processesAtOnceLoseNothing() throws IOException, InterruptedException {
        List<Process> processes = new ArrayList<>();
        for (int p = 0; p < 3; p++) {
            processes.add(new ProcessBuilder(
                            Path.of(System.getProperty("java.home"), "bin", "java")
                                    .toString(),
                            "-cp",
                            System.getProperty("java.class.path"),
                            Writer.class.getName(),
                            folder().toString(),
                            "p" + p)
                    .inheritIO()
                    .start());
        }
        for (Process process : processes) {
            assertEquals(0, process.waitFor());
        }
        assertEquals(60, ledger().read().size());
    }

    @Test
    void theOldestEntriesMakeRoom() {
        Ledger ledger = ledger();
        String long1 = "x".repeat(Ledger.MOST_BYTES / 3);
        ledger.put("a", long1);
        ledger.put("b", long1);
        ledger.put("c", long1);
        assertEquals(List.of("b", "c"), List.copyOf(ledger.read().keySet()));
        assertEquals(List.of(), warnings);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "a\tb", "a\nb", "ä"})
    void aCellIsPrintable(String cell) {
        Ledger ledger = ledger();
        assertThrows(IllegalArgumentException.class, () -> ledger.put(cell, "value"));
        assertThrows(IllegalArgumentException.class, () -> ledger.put("key", cell));
    }
}
