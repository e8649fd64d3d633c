package io.github.tconv.opencl;

import io.github.tconv.op.Problem;
import io.github.tconv.op.TransposedConvolution;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/**
 * What {@code tconv tune} found fastest on one device, for the layers that were tuned there. An entry names a variant of
 * {@link ForwardCandidates} and, for each size that was measured, a tile of it; for other sizes the variant stays and the
 * tile follows its model. So the variant, and with it the bits, follow from layer, device and file, whatever was computed
 * before.
 *
 * <p>A name that no candidate has is ignored: the file chooses among what the library would make anyway, and nothing of
 * it reaches a compiler. The file is read once, when this is made. Thread-safe.
 */
final class Tuning {
    private static final System.Logger LOG = System.getLogger(Tuning.class.getName());

    /** The name of the ledger. */
    static final String LEDGER = "tuning";

    private final Device device;
    private final Map<String, String> entries;
    private final Map<TransposedConvolution, Optional<ForwardVariant>> known = new ConcurrentHashMap<>();

    private Tuning(Device device, Map<String, String> entries) {
        this.device = device;
        this.entries = entries;
    }

    /** Reads what this user's file has for a device, unless {@link Switch#TUNING} is off. */
    static Tuning of(Device device) {
        return Switch.TUNING.isOn()
                ? of(device, new Ledger(new PrivateFolder(CacheFolder.find()), LEDGER))
                : new Tuning(device, Map.of());
    }

    /** Reads what there is for a device. */
    static Tuning of(Device device, Ledger ledger) {
        return new Tuning(device, ledger.read());
    }

    /** Returns a rule that takes the tuned variant where there is one, and another rule's elsewhere. */
    ForwardRule before(ForwardRule otherwise) {
        return (problem, where) -> {
            // Most layers are not tuned, and then nothing is to be enumerated.
            Optional<ForwardVariant> tuned =
                    entries.isEmpty() ? Optional.empty() : known.computeIfAbsent(problem.layer(), this::find);
            return tuned.orElseGet(() -> otherwise.choose(problem, where));
        };
    }

    private Optional<ForwardVariant> find(TransposedConvolution layer) {
        String value = entries.get(key(device, layer));
        if (value == null) {
            return Optional.empty();
        }
        try {
            return find(layer, value.split(" ", -1));
        } catch (IllegalArgumentException e) {
            LOG.log(System.Logger.Level.DEBUG, "an entry for " + layer + " in the tuning file is no problem's", e);
            return Optional.empty();
        }
    }

    /** The words of an entry: fingerprint of the sources, variant, then pairs of a problem and a tile. */
    private Optional<ForwardVariant> find(TransposedConvolution layer, String[] words) {
        if (words.length < 4 || words.length % 2 != 0) {
            return Optional.empty();
        }
        Map<Problem, String> tiles = new LinkedHashMap<>();
        for (int i = 2; i < words.length; i += 2) {
            Problem problem = Problem.parse(words[i]);
            if (!problem.layer().equals(layer)) {
                return Optional.empty();
            }
            tiles.put(problem, words[i + 1]);
        }
        Problem first = tiles.keySet().iterator().next();
        return ForwardCandidates.of(first, device).stream()
                .filter(variant -> ForwardCandidates.label(variant).equals(words[1])
                        && sources(variant).equals(words[0]))
                .findFirst()
                .map(variant -> tuned(variant, tiles));
    }

    private static ForwardVariant tuned(ForwardVariant variant, Map<Problem, String> labels) {
        Map<Problem, ForwardVariant.Tile> tiles = new HashMap<>();
        labels.forEach((problem, label) -> variant.tiles(problem).stream()
                .filter(tile -> ForwardCandidates.label(tile).equals(label))
                .findFirst()
                .ifPresent(tile -> tiles.put(problem, tile)));
        return new RetiledVariant(variant, tiles::get, /* tuned= */ true);
    }

    /**
     * Writes an entry in place of what the layer had.
     *
     * @param variant one of the layer's candidates for the first problem
     * @param tiles a tile of the variant for each problem that was measured
     * @return whether it could be written
     */
    static boolean remember(
            Ledger ledger, Device device, ForwardVariant variant, Map<Problem, ForwardVariant.Tile> tiles) {
        StringBuilder value = new StringBuilder(sources(variant) + ' ' + ForwardCandidates.label(variant));
        tiles.forEach(
                (problem, tile) -> value.append(' ').append(problem).append(' ').append(ForwardCandidates.label(tile)));
        TransposedConvolution layer = tiles.keySet().iterator().next().layer();
        return ledger.put(key(device, layer), value.toString());
    }

    /** Removes the entries of layers of rank 3, or all entries of the device if there is none; returns how many. */
    static int forget(Ledger ledger, Device device, Collection<TransposedConvolution> layers) {
        List<String> keys = layers.stream().map(layer -> key(device, layer)).toList();
        String ofDevice = key(device);
        int[] removed = new int[1];
        ledger.update(entries -> {
            int before = entries.size();
            entries.keySet().removeIf(key -> keys.isEmpty() ? key.startsWith(ofDevice) : keys.contains(key));
            removed[0] = before - entries.size();
        });
        return removed[0];
    }

    private static String key(Device device, TransposedConvolution layer) {
        return key(device) + layer;
    }

    /** Names device, driver and library by a fingerprint, and then says for a reader's eye which device it was. */
    private static String key(Device device) {
        DeviceInfo info = device.info();
        String fingerprint = Fingerprint.of(
                info.platform(),
                info.name(),
                info.version(),
                info.driver(),
                info.type().name(),
                String.valueOf(info.computeUnits()),
                Ledger.VERSION);
        String name = info.name().toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9]+", "-");
        return "%s %s ".formatted(fingerprint, name);
    }

    private static String sources(ForwardVariant variant) {
        return Fingerprint.of(KernelSource.of(variant.sources()));
    }
}
