package io.github.tconv;

import io.github.tconv.opencl.DeviceInfo;
import java.util.List;
import java.util.stream.Stream;

/** The engines of this machine, by the names that {@link Tconv#open(String)} takes. */
public final class EnginesPresent {
    private EnginesPresent() {}

    /** The reference and every usable OpenCL device. */
    public static List<String> names() {
        Stream<String> devices = usable().stream().map(info -> Integer.toString(info.index()));
        return Stream.concat(Stream.of("reference"), devices).toList();
    }

    static List<DeviceInfo> usable() {
        return Tconv.devices().devices().stream()
                .filter(info -> info.unusable() == null)
                .toList();
    }
}
