package io.github.tconv.opencl;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.regex.Pattern;

/**
 * A small text file of what was found out about this machine, in the user's folder for caches:
 *
 * <pre>
 * tconv NAME 2
 * fingerprint OF ALL THAT FOLLOWS
 * KEY TAB VALUE
 * ...
 * </pre>
 *
 * <p>A file that is damaged, of another program, too large, or not private to the user is ignored with one warning, and
 * replaced by the next update; one that cannot be written costs one warning. Updates of several processes at once are
 * merged. What stands in it is another's word all the same: whoever reads it must be able to do without.
 *
 * <p>Thread-safe.
 */
final class Ledger {
    private static final System.Logger LOG = System.getLogger(Ledger.class.getName());

    /** Some thousands of entries; the oldest go first. */
    static final int MOST_BYTES = 1 << 20;

    /** The library's version, for what another one would find out anew; not known of classes that are in no jar. */
    static final String VERSION = String.valueOf(Ledger.class.getPackage().getImplementationVersion());

    private static final Pattern CELL = Pattern.compile("[ -~]+");

    private final PrivateFolder folder;
    private final String name;
    private final AtomicBoolean warned = new AtomicBoolean();

    /**
     * Names a ledger.
     *
     * @param folder where the file is
     * @param name what it is about, in one word
     */
    Ledger(PrivateFolder folder, String name) {
        this.folder = folder;
        this.name = name;
    }

    private String file() {
        return name + ".txt";
    }

    private String header() {
        return "tconv " + name + " 2\n";
    }

    /** Returns the entries, the oldest first; none where there is no sound file. The map is the caller's. */
    Map<String, String> read() {
        try {
            byte[] content = folder.read(file(), MOST_BYTES).orElse(null);
            return content == null ? new LinkedHashMap<>() : parse(new String(content, StandardCharsets.UTF_8));
        } catch (IOException e) {
            warnOnce("ignoring the %s file: %s".formatted(name, e.getMessage()));
            return new LinkedHashMap<>();
        }
    }

    private Map<String, String> parse(String text) throws IOException {
        String[] parts = text.split("\n", 3);
        boolean sound =
                parts.length == 3 && (parts[0] + '\n').equals(header()) && parts[1].equals(fingerprint(parts[2]));
        if (!sound) {
            throw new IOException("%s is damaged, or of another program".formatted(folder.path(file())));
        }
        Map<String, String> entries = new LinkedHashMap<>();
        for (String line : parts[2].lines().toList()) {
            String[] cells = line.split("\t", -1);
            if (cells.length != 2) {
                throw new IOException("%s has a line that is no entry".formatted(folder.path(file())));
            }
            entries.put(cells[0], cells[1]);
        }
        return entries;
    }

    /**
     * Changes the entries, beginning with those that the file has now.
     *
     * @param change puts and removes
     * @return whether the file was written
     */
    boolean update(Consumer<Map<String, String>> change) {
        try {
            folder.exclusively(name + ".lock", () -> {
                Map<String, String> entries = read();
                change.accept(entries);
                folder.write(file(), print(entries));
            });
            return true;
        } catch (IOException e) {
            warnOnce("cannot write the %s file: %s".formatted(name, e));
            return false;
        }
    }

    /** Puts one entry, as the youngest. */
    boolean put(String key, String value) {
        return update(entries -> {
            entries.remove(key);
            entries.put(key, value);
        });
    }

    private byte[] print(Map<String, String> entries) {
        int room = MOST_BYTES - header().length() - fingerprint("").length() - 1;
        long needed = 0;
        for (Map.Entry<String, String> entry : entries.entrySet()) {
            check(entry.getKey());
            check(entry.getValue());
            needed += length(entry);
        }
        StringBuilder lines = new StringBuilder();
        for (Iterator<Map.Entry<String, String>> all = entries.entrySet().iterator(); all.hasNext(); ) {
            Map.Entry<String, String> entry = all.next();
            if (needed > room) {
                needed -= length(entry);
            } else {
                lines.append(entry.getKey())
                        .append('\t')
                        .append(entry.getValue())
                        .append('\n');
            }
        }
        String text = header() + fingerprint(lines.toString()) + '\n' + lines;
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static int length(Map.Entry<String, String> entry) {
        return entry.getKey().length() + entry.getValue().length() + 2;
    }

    private static void check(String cell) {
        if (!CELL.matcher(cell).matches()) {
            throw new IllegalArgumentException("a cell must be printable ASCII: '" + cell + "'");
        }
    }

    private void warnOnce(String message) {
        if (warned.compareAndSet(false, true)) {
            LOG.log(System.Logger.Level.WARNING, message);
        }
    }

    private static String fingerprint(String lines) {
        return "fingerprint " + Fingerprint.of(lines);
    }
}
