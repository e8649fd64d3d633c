package io.github.tconv;

import io.github.tconv.opencl.DeviceList;
import io.github.tconv.reference.ReferenceBackend;
import java.util.List;

/** The face of the library: opens an engine, and says which and why. */
public final class Tconv {
    private Tconv() {}

    /**
     * Opens an engine on the device that the environment variable {@code TCONV_DEVICE} names, by default {@code auto}.
     *
     * @return an engine, to be closed
     * @throws IllegalArgumentException if the variable names no device
     */
    public static Engine open() {
        String device = System.getenv("TCONV_DEVICE");
        return open(device == null || device.isBlank() ? "auto" : device);
    }

    /**
     * Opens an engine on a device.
     *
     * @param device {@code auto} (GPU, then accelerator, then OpenCL CPU, then plain Java), {@code reference} (plain
     *     Java), {@code opencl} (as {@code auto}, but never plain Java), {@code gpu}, {@code accelerator} or {@code cpu}
     *     (the first of that type), an index into {@link #devices()}, or a part of a device's or platform's name
     * @return an engine, to be closed
     * @throws IllegalArgumentException if there is no such device; the message says what there is
     */
    public static Engine open(String device) {
        return new Engine(new ReferenceBackend(), device.equals("auto") ? "OpenCL is not built yet" : null);
    }

    /**
     * Lists the OpenCL devices of this machine.
     *
     * @return all devices, and why something is not there
     */
    public static DeviceList devices() {
        return new DeviceList(List.of(), List.of());
    }
}
