package io.github.tconv.opencl;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Chooses devices by what a user writes. */
final class DeviceChoice {
    /** What is cut, and into how many parts. */
    private static final Pattern CUT = Pattern.compile("(.+)/(\\d{1,9})");

    private DeviceChoice() {}

    /**
     * A device that a user names.
     *
     * @param device which
     * @param parts how many it is to be cut into, 1 for none
     */
    record Choice(DeviceInfo device, int parts) {}

    /**
     * The devices that a user names: one, or several with commas between; each as it is or, with {@code /N} behind it,
     * in N parts.
     *
     * @param selector names of devices, as {@link #named} takes them
     * @throws IllegalArgumentException if there is no such device, or one is named twice
     */
    static List<Choice> several(String selector, Discovery found) {
        DeviceList list = found.list();
        if (selector.strip().equalsIgnoreCase("all")) {
            Device first = found.devices().get(named("opencl", list).index());
            return found.devices().stream()
                    .filter(device -> device.info().unusable() == null
                            && first.differenceFrom(device).isEmpty())
                    .map(device -> new Choice(device.info(), 1))
                    .toList();
        }
        return several(selector, list);
    }

    /** As the other, but without {@code all}. */
    static List<Choice> several(String selector, DeviceList list) {
        if (isPartOfAName(selector, list)) {
            return List.of(new Choice(named(selector, list), 1));
        }
        List<Choice> choices = new ArrayList<>();
        for (String one : selector.split(",", -1)) {
            Matcher cut = CUT.matcher(one.strip());
            Choice choice = cut.matches()
                    ? new Choice(named(cut.group(1), list), Integer.parseInt(cut.group(2)))
                    : new Choice(named(one, list), 1);
            if (choices.stream().anyMatch(other -> other.device.index() == choice.device.index())) {
                throw new IllegalArgumentException("a device must be named once: '%s' names %d '%s' twice"
                        .formatted(selector, choice.device.index(), choice.device.name()));
            }
            choices.add(choice);
        }
        return choices;
    }

    /** Names may have commas and slashes in them. */
    private static boolean isPartOfAName(String selector, DeviceList list) {
        String wanted = selector.strip().toLowerCase(Locale.ROOT);
        return list.devices().stream()
                .anyMatch(device -> device.name().toLowerCase(Locale.ROOT).contains(wanted)
                        || device.platform().toLowerCase(Locale.ROOT).contains(wanted));
    }

    /**
     * The preferred usable device: by {@link DeviceInfo.Type}'s order, then by index.
     *
     * @return its place in the list, or empty if none is usable
     */
    static Optional<DeviceInfo> preferred(DeviceList list) {
        return list.devices().stream()
                .filter(device -> device.unusable() == null)
                .min(java.util.Comparator.comparing(DeviceInfo::type).thenComparing(DeviceInfo::index));
    }

    /**
     * The device that a user names.
     *
     * @param selector {@code opencl}, a type, an index, or a part of a name
     * @throws IllegalArgumentException if there is none, or it cannot be used
     */
    static DeviceInfo named(String selector, DeviceList list) {
        String wanted = selector.strip().toLowerCase(Locale.ROOT);
        List<DeviceInfo> matches;
        if (wanted.equals("opencl")) {
            matches = preferred(list).stream().toList();
        } else if (wanted.matches("\\d+")) {
            matches = list.devices().stream()
                    .filter(device -> String.valueOf(device.index()).equals(wanted))
                    .toList();
        } else if (wanted.matches("gpu|accelerator|cpu")) {
            DeviceInfo.Type type = DeviceInfo.Type.valueOf(wanted.toUpperCase(Locale.ROOT));
            matches = list.devices().stream()
                    .filter(device -> device.type() == type)
                    .toList();
        } else {
            matches = list.devices().stream()
                    .filter(device -> !wanted.isEmpty()
                            && (device.name().toLowerCase(Locale.ROOT).contains(wanted)
                                    || device.platform()
                                            .toLowerCase(Locale.ROOT)
                                            .contains(wanted)))
                    .toList();
        }
        return matches.stream()
                .filter(device -> device.unusable() == null)
                .findFirst()
                .orElseThrow(() -> none(selector, matches, list));
    }

    private static IllegalArgumentException none(String selector, List<DeviceInfo> unusable, DeviceList list) {
        if (!unusable.isEmpty()) {
            DeviceInfo device = unusable.get(0);
            return new IllegalArgumentException(
                    "device '%s' cannot be used: %s: %s".formatted(selector, device.name(), device.unusable()));
        }
        return new IllegalArgumentException(
                "device must be auto, reference, opencl, gpu, accelerator, cpu, all, an index or a part of a name, or"
                        + " several with commas between, and there: '" + selector + "' is not among " + present(list));
    }

    /** Says in one line what is there, or why nothing is. */
    static String present(DeviceList list) {
        if (list.devices().isEmpty()) {
            return "the OpenCL devices, for there is none: " + String.join("; ", list.notes());
        }
        return list.devices().stream()
                .map(device -> "%d '%s' (%s)".formatted(device.index(), device.name(), device.platform()))
                .collect(Collectors.joining(", "));
    }

    /** Says in one line why no device can be used. */
    static String whyNone(DeviceList list) {
        String why = java.util.stream.Stream.concat(
                        list.notes().stream(),
                        list.devices().stream()
                                .filter(device -> device.unusable() != null)
                                .map(device -> "'" + device.name() + "': " + device.unusable()))
                .collect(Collectors.joining("; "));
        return why.isEmpty() ? "there is no OpenCL device" : why;
    }
}
