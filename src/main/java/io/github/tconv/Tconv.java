package io.github.tconv;

import io.github.tconv.op.DeviceException;
import io.github.tconv.opencl.DeviceList;
import io.github.tconv.opencl.OpenClBackend;
import io.github.tconv.reference.ReferenceBackend;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicBoolean;

/** The face of the library: opens an engine, and says which and why. */
public final class Tconv {
    private static final System.Logger LOG = System.getLogger(Tconv.class.getName());
    private static final AtomicBoolean FALLBACK_SAID = new AtomicBoolean();

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
     * @throws DeviceException if the device cannot be opened; {@code auto} then computes in plain Java, and says why
     */
    public static Engine open(String device) {
        return switch (device.strip().toLowerCase(Locale.ROOT)) {
            case "reference" -> new Engine(new ReferenceBackend(), null);
            case "auto" -> openAuto();
            default -> new Engine(OpenClBackend.open(device), null);
        };
    }

    /** A device that is listed and cannot be opened (a driver older than its library, a card in use) is no device. */
    private static Engine openAuto() {
        try {
            return OpenClBackend.openPreferred()
                    .map(backend -> new Engine(backend, null))
                    .orElseGet(() -> openFallback(OpenClBackend.whyNone()));
        } catch (DeviceException e) {
            return openFallback(String.valueOf(e.getMessage()));
        }
    }

    private static Engine openFallback(String reason) {
        if (FALLBACK_SAID.compareAndSet(false, true)) {
            LOG.log(System.Logger.Level.WARNING, "tconv computes in plain Java: {0}", reason);
        }
        return new Engine(new ReferenceBackend(), reason);
    }

    /**
     * Lists the OpenCL devices of this machine.
     *
     * @return all devices, and why something is not there
     */
    public static DeviceList devices() {
        return OpenClBackend.devices();
    }
}
