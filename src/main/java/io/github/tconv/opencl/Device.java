package io.github.tconv.opencl;

import org.jocl.cl_device_id;
import org.jocl.cl_platform_id;

/**
 * A device with its native handles, which the driver owns.
 *
 * @param info what it says of itself
 * @param platform its platform
 * @param id the device
 * @param sharesHostMemory whether kernels can use the host's memory in place
 * @param maxAllocationBytes the largest buffer it allows
 */
record Device(
        DeviceInfo info, cl_platform_id platform, cl_device_id id, boolean sharesHostMemory, long maxAllocationBytes) {

    @Override
    public String toString() {
        return "%s (%s, %s)".formatted(info.name(), info.platform(), info.version());
    }
}
