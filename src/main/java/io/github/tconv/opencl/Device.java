package io.github.tconv.opencl;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.jocl.cl_device_id;
import org.jocl.cl_platform_id;

/**
 * A device with its native handles. They are the driver's, but for that of a part of a device, which a session owns.
 *
 * @param info what it says of itself
 * @param platform its platform
 * @param id the device
 * @param hostMemory how it reaches the host's memory
 * @param maxAllocationBytes the largest buffer it allows
 * @param vectorWidth the floats in the vector that its instructions take
 * @param groupItems the work-items that a group may have, whichever way they lie on its first two axes
 * @param part whether this was cut from a device by {@link DeviceParts}
 */
record Device(
        DeviceInfo info,
        cl_platform_id platform,
        cl_device_id id,
        HostMemory hostMemory,
        long maxAllocationBytes,
        int vectorWidth,
        int groupItems,
        boolean part) {

    /** How a device reaches the host's memory. */
    enum HostMemory {
        /** Not at all: tensors are copied there and back. */
        APART,
        /** In place, and the host sees what kernels wrote after mapping it, as the standard asks for. */
        MAPPED,
        /** In place and always the same: the kernels are the host's own code, and mapping would do nothing. */
        SAME
    }

    /** The same device, reached in another way. Every device can be treated as one apart. */
    Device reached(HostMemory other) {
        return new Device(info, platform, id, other, maxAllocationBytes, vectorWidth, groupItems, part);
    }

    /** The rest of this device as a part of it: with a handle of its own and fewer compute units. */
    Device part(cl_device_id handle, int computeUnits) {
        DeviceInfo less = new DeviceInfo(
                info.index(),
                info.type(),
                info.name(),
                info.platform(),
                info.version(),
                info.driver(),
                computeUnits,
                info.memoryBytes(),
                info.localMemoryBytes(),
                info.unusable());
        return new Device(
                less, platform, handle, hostMemory, maxAllocationBytes, vectorWidth, groupItems, /* part= */ true);
    }

    /**
     * Says why another device may not give the bits that this one gives: in what they differ that compilers or the rules
     * for variants go by. How many compute units there are decides no bits, where one device chooses for all.
     *
     * @return trait and both values, or empty if the devices are of one kind
     */
    Optional<String> differenceFrom(Device other) {
        Map<String, Object> theirs = other.traits();
        return traits().entrySet().stream()
                .filter(trait -> !trait.getValue().equals(theirs.get(trait.getKey())))
                .map(trait ->
                        "%s '%s' and '%s'".formatted(trait.getKey(), trait.getValue(), theirs.get(trait.getKey())))
                .findFirst();
    }

    private Map<String, Object> traits() {
        Map<String, Object> traits = new LinkedHashMap<>();
        traits.put("platform", info.platform());
        traits.put("type", info.type());
        traits.put("name", info.name());
        traits.put("version", info.version());
        traits.put("driver", info.driver());
        traits.put("way to the host's memory", hostMemory);
        traits.put("vector width", vectorWidth);
        traits.put("largest work-group", groupItems);
        traits.put("local memory", info.localMemoryBytes());
        return traits;
    }

    @Override
    public String toString() {
        return "%s (%s, %s)".formatted(info.name(), info.platform(), info.version());
    }
}
