package io.github.tconv.opencl;

import io.github.tconv.op.DeviceException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jocl.CL;
import org.jocl.CLException;
import org.jocl.cl_device_id;
import org.jocl.cl_device_partition_property;

/** Parts of a device that compute side by side, each on compute units of its own, which follow one another. */
final class DeviceParts {
    private DeviceParts() {}

    /**
     * Cuts a device into parts whose compute units differ in number by at most one.
     *
     * @param device what is cut
     * @param count into how many parts, 1 for the device as it is
     * @return the parts; each belongs to the session that is opened on it, and is to be released where none is
     * @throws IllegalArgumentException if the device does not have so many parts
     */
    static List<Device> of(Device device, int count) {
        if (count == 1) {
            return List.of(device);
        }
        try {
            long most = Math.min(
                    device.info().computeUnits(),
                    Discovery.number(device.id(), CL.CL_DEVICE_PARTITION_MAX_SUB_DEVICES));
            if (count < 1 || count > most) {
                throw new IllegalArgumentException("device '%s' can be cut into 1 to %d parts: %d"
                        .formatted(device.info().name(), Math.max(1, most), count));
            }
            int[] units = counts(device.info().computeUnits(), count);
            cl_device_id[] ids = new cl_device_id[count];
            Calls.clCreateSubDevices(device.id(), byCounts(units), count, ids, null);
            List<Device> parts = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                Handles.acquired();
                parts.add(device.part(ids[i], units[i]));
            }
            return parts;
        } catch (CLException e) {
            throw new DeviceException(
                    "clCreateSubDevices failed: %s (%d parts of device %s)".formatted(e.getMessage(), count, device),
                    e);
        }
    }

    static int[] counts(int units, int parts) {
        int[] counts = new int[parts];
        Arrays.setAll(counts, i -> units / parts + (i < units % parts ? 1 : 0));
        return counts;
    }

    /** JOCL takes pairs: the kind and the first count, then two numbers of the list at a time, which ends with 0. */
    private static cl_device_partition_property byCounts(int[] units) {
        long[] list = new long[units.length + 3];
        Arrays.setAll(list, i -> i == 0 ? CL.CL_DEVICE_PARTITION_BY_COUNTS : i <= units.length ? units[i - 1] : 0);
        cl_device_partition_property property = new cl_device_partition_property();
        for (int i = 0; i + 1 < list.length; i += 2) {
            property.addProperty(list[i], list[i + 1]);
        }
        return property;
    }

    /** Gives a part back to the driver, once nothing is left that was made on it. */
    static void release(Device part) {
        Calls.clReleaseDevice(part.id());
        Handles.released();
    }
}
