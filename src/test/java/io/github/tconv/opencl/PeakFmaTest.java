package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class PeakFmaTest {
    @Test
    void everyDeviceHasAPeakAndNoHandleIsLeft() {
        long before = Handles.live();
        for (DeviceInfo device : OpenClBackend.devices().devices()) {
            if (device.unusable() == null) {
                try (PeakFma peak = PeakFma.open(String.valueOf(device.index())).orElseThrow()) {
                    double gflops = peak.gflops();
                    assertTrue(gflops > 0 && Double.isFinite(gflops), () -> device.name() + ": " + gflops);
                }
            }
        }
        assertEquals(before, Handles.live(), "native handles");
    }

    @Test
    void plainJavaHasNone() {
        assertTrue(PeakFma.open("reference").isEmpty());
    }
}
