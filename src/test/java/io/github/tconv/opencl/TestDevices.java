package io.github.tconv.opencl;

import java.util.List;

/** The devices that tests run on, and what passes for others. */
final class TestDevices {
    private TestDevices() {}

    /** Those that can compute; the simulators among them. */
    static List<Device> usable() {
        return Discovery.run().devices().stream()
                .filter(device -> device.info().unusable() == null)
                .toList();
    }

    /** A device that says that it has another driver. */
    static Device ofDriver(Device device, String driver) {
        return ofDriver(device, driver, device.info().localMemoryBytes());
    }

    /** The same, which also says how much local memory it has. */
    static Device ofDriver(Device device, String driver, long localBytes) {
        DeviceInfo info = device.info();
        DeviceInfo other = new DeviceInfo(
                info.index(),
                info.type(),
                info.name(),
                info.platform(),
                info.version(),
                driver,
                info.computeUnits(),
                info.memoryBytes(),
                localBytes,
                info.unusable());
        return new Device(
                other,
                device.platform(),
                device.id(),
                device.hostMemory(),
                device.maxAllocationBytes(),
                device.vectorWidth(),
                device.groupItems(),
                device.part());
    }
}
