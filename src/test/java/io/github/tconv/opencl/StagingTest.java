package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.tconv.op.Tensor;
import org.junit.jupiter.api.Test;

/** Values arrive whole on a device that is apart, and come back, whatever of the pieces they fill. */
class StagingTest {
    private static final int PIECE_BYTES = 64;

    @Test
    void everySizeGoesThereAndBackAndLeavesNoHandle() {
        long before = Handles.live();
        for (DeviceInfo info : OpenClBackend.devices().devices()) {
            if (info.unusable() == null) {
                Device device = Discovery.run().devices().get(info.index()).reached(Device.HostMemory.APART);
                try (Session session = new Session(device);
                        Staging staging = new Staging(session, PIECE_BYTES)) {
                    for (int elements : new int[] {1, 15, 16, 17, 32, 33, 47, 48, 49, 1000}) {
                        Tensor there = Tensor.zeros(elements);
                        for (int i = 0; i < elements; i++) {
                            there.set(i, elements + 0.5f * i);
                        }
                        Tensor back = Tensor.zeros(elements);
                        try (DeviceBuffer buffer = session.borrow(elements)) {
                            float[] expected = there.toArray();
                            staging.write(there, buffer);
                            // The caller's again, though the transfer may still go on.
                            there.set(0, -1);
                            there.set(elements - 1, -1);
                            staging.read(buffer, back);
                            assertArrayEquals(expected, back.toArray(), elements + " elements");
                        }
                    }
                }
            }
        }
        assertEquals(before, Handles.live(), "native handles");
    }
}
