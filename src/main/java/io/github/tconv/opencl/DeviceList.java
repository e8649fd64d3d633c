package io.github.tconv.opencl;

import java.util.List;
import java.util.Optional;

/**
 * The devices found on this machine, and what was not.
 *
 * @param devices every device of every platform, usable or not, in a fixed order
 * @param notes why something is not there: no loader, no platform, a platform without devices; one line each
 */
public record DeviceList(List<DeviceInfo> devices, List<String> notes) {
    /** Copies the lists. */
    public DeviceList {
        devices = List.copyOf(devices);
        notes = List.copyOf(notes);
    }

    /**
     * Returns the device that {@code auto} chooses.
     *
     * @return the preferred usable device, or empty if none is usable
     */
    public Optional<DeviceInfo> preferred() {
        return DeviceChoice.preferred(this);
    }
}
