package io.github.tconv;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.opencl.DeviceInfo;
import org.junit.jupiter.api.Test;

/** Where OpenCL is required, the tests of every device must not pass because there is none. */
class OpenClPresenceTest {
    @Test
    void whereOpenClIsRequiredThereIsAUsableCpuDevice() {
        boolean required = Boolean.getBoolean("tconv.requireOpenCl");
        boolean present = EnginesPresent.usable().stream().anyMatch(info -> info.type() == DeviceInfo.Type.CPU);

        assertTrue(
                present || !required,
                () -> "tconv.requireOpenCl is true and there is no usable OpenCL CPU device: " + Tconv.devices());
    }
}
