package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The contract checks see every bug that is planted in a kernel: tests of the tests. */
class SeededBugsTest {
    @TempDir
    Path folder;

    private static boolean noProcessor() {
        return Discovery.run().devices().stream()
                .noneMatch(device -> device.info().unusable() == null && device.hostMemory() == Device.HostMemory.SAME);
    }

    /** A kernel that was rewritten may have lost some texts; the long run, before a release, wants all of them. */
    @Test
    void mostBugsCanBePlanted() throws IOException {
        Set<String> names = new HashSet<>();
        int places = 0;
        for (SeededBug bug : SeededBug.all()) {
            assertTrue(names.add(bug.name()), bug.name());
            assertTrue(bug.places() <= 1, () -> "'" + bug.text() + "' stands several times in " + bug.file() + ".cl");
            assertTrue(!bug.text().equals(bug.replacement()), bug.name());
            assertNotNull(SeededBug.rules().get(bug.rule()), bug.rule());
            places += bug.places();
        }
        assertTrue(places >= 60, "bugs that can be planted: " + places);
    }

    /** One of each kind of kernel; the rest are planted in the long run. */
    @Test
    void someBugsAreCaught() throws Exception {
        Set<String> some = Set.of(
                "gather reads height for width",
                "channel-lane forgets what the taps before have summed",
                "x-lane adds every tap to the first phase",
                "input gradient, channel-lane: stages the first group always",
                "weight gradient, panels: takes the wrong sign of a factor",
                "loss without the two of the square");
        List<SeededBug> bugs = new ArrayList<>();
        for (SeededBug bug : SeededBug.all()) {
            if (some.contains(bug.name()) && bug.places() == 1) {
                bugs.add(bug);
            }
        }
        assertTrue(bugs.size() > 1, () -> "bugs: " + bugs);
        assertAllCaught(bugs);
    }

    /** All, or with {@code -Dtconv.bugs=REGEX} those of some names. */
    @Test
    @Tag("long")
    void everyBugIsCaught() throws Exception {
        String names = System.getProperty("tconv.bugs", ".*");
        List<SeededBug> bugs = new ArrayList<>();
        for (SeededBug bug : SeededBug.all()) {
            assertEquals(1, bug.places(), () -> "places of '" + bug.text() + "' in " + bug.file() + ".cl");
            if (bug.name().matches(names)) {
                bugs.add(bug);
            }
        }
        assertAllCaught(bugs);
    }

    private void assertAllCaught(List<SeededBug> bugs) throws Exception {
        if (noProcessor()) {
            return;
        }
        List<String> caught = plant(bugs, Map.of());
        StringBuilder table = new StringBuilder("| bug | kernels | caught by |\n|---|---|---|\n");
        List<String> survivors = new ArrayList<>();
        Map<String, Set<String>> catching = new TreeMap<>();
        for (int i = 0; i < bugs.size(); i++) {
            SeededBug bug = bugs.get(i);
            String by = caught.get(i);
            table.append("| %s | `%s.cl`, %s | %s |\n".formatted(bug.name(), bug.file(), bug.rule(), by));
            if (by.isEmpty()) {
                survivors.add(bug.name());
            }
            catching.computeIfAbsent(bug.rule(), rule -> new TreeSet<>()).add(by);
        }
        if (bugs.size() == SeededBug.all().size()) {
            Files.writeString(Files.createDirectories(Path.of("target")).resolve("seeded-bugs.md"), table);
        }
        assertEquals(List.of(), survivors);

        // Or else everything would be "caught".
        List<SeededBug> none = catching.keySet().stream().map(SeededBug::none).toList();
        List<String> seen = plant(none, catching);
        for (int i = 0; i < none.size(); i++) {
            assertEquals("", seen.get(i), none.get(i).rule() + ", without a bug");
        }
    }

    /** What saw each bug, of all checks or, where there are some for its rule, of those; two at a time. */
    private List<String> plant(List<SeededBug> bugs, Map<String, Set<String>> only) throws Exception {
        ExecutorService two = Executors.newFixedThreadPool(2);
        List<Future<String>> caught = new ArrayList<>();
        for (SeededBug bug : bugs) {
            caught.add(two.submit(() -> {
                Path own = Files.createTempDirectory(folder, "bug");
                String by = bug.caughtBy(own, only.getOrDefault(bug.rule(), Set.of()));
                delete(own);
                return by;
            }));
        }
        two.shutdown();
        List<String> by = new ArrayList<>();
        for (Future<String> one : caught) {
            by.add(one.get());
        }
        return by;
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }
}
