package io.github.tconv.opencl;

import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

/** Chooses a device by what a user writes. */
final class DeviceChoice {
    private DeviceChoice() {}

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
                "device must be auto, reference, opencl, gpu, accelerator, cpu, an index or a part of a name, and"
                        + " there: '" + selector + "' is not among " + present(list));
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
