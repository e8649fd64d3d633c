package io.github.tconv;

import io.github.tconv.op.Backend;
import io.github.tconv.op.DeviceException;
import io.github.tconv.opencl.DeviceList;
import io.github.tconv.opencl.OpenClBackend;
import io.github.tconv.reference.ReferenceBackend;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

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
     *     (the first of that type), an index into {@link #devices()}, or a part of a device's or platform's name. Several
     *     with commas between, or {@code all} that are of the preferred one's kind, share the images of a batch, with the
     *     bits of the first; if they are of different kinds, those of the first without {@link EngineHabit#CONTRACTION}.
     *     {@code /N} behind a name stands for N parts of a device, for instance {@code cpu/2}
     * @return an engine, to be closed
     * @throws IllegalArgumentException if there is no such device; the message says what there is
     * @throws DeviceException if the device cannot be opened; {@code auto} then computes in plain Java, and says why
     */
    public static Engine open(String device) {
        return open(device, Set.of());
    }

    /**
     * Opens an engine on a device, without some of what engines do by themselves.
     *
     * @param device as for {@link #open(String)}
     * @param without what the engine is to leave
     * @return an engine, to be closed
     * @throws IllegalArgumentException if there is no such device; the message says what there is
     * @throws DeviceException as {@link #open(String)} does
     */
    public static Engine open(String device, Set<EngineHabit> without) {
        Backend oracle = without.contains(EngineHabit.SELF_CHECK) ? null : new ReferenceBackend();
        boolean tuned = !without.contains(EngineHabit.TUNING);
        boolean contracted = !without.contains(EngineHabit.CONTRACTION);
        return switch (device.strip().toLowerCase(Locale.ROOT)) {
            case "reference" -> new Engine(new ReferenceBackend(), null);
            case "auto" -> openAuto(oracle, tuned, contracted);
            default -> new Engine(OpenClBackend.open(device, oracle, tuned, contracted), null);
        };
    }

    /** A device that is listed and cannot be opened (a driver older than its library, a card in use) is no device. */
    private static Engine openAuto(@Nullable Backend oracle, boolean tuned, boolean contracted) {
        try {
            return OpenClBackend.openPreferred(oracle, tuned, contracted)
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
