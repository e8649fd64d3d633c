package io.github.tconv.opencl;

import io.github.tconv.op.Tensor;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * Measures the float32 multiply-adds that a device does at best ({@code peak_fma.cl}), as the roof that benchmarks
 * compare with. Not thread-safe.
 */
public final class PeakFma implements AutoCloseable {
    /** As in {@code peak_fma.cl}. */
    private static final int ACCUMULATORS = 16;
    /** Long enough that an enqueue, some 20 µs, does not count; short enough to come between two measured calls. */
    private static final double BURST_SECONDS = 0.004;
    /** Bursts of each length, of which one at least should be undisturbed. */
    private static final int CALIBRATIONS = 8;
    /** Several groups for each compute unit, so that one that is late costs little. */
    private static final int GROUPS_PER_UNIT = 32;
    /** A CPU's widest vector, one work-item at a time. */
    private static final int CPU_LANES = 16;
    /** A GPU takes vectors apart; it wants many work-items and few registers in each. */
    private static final int GPU_LANES = 4;

    private static final int GPU_GROUP = 64;

    private final Session session;
    private final int lanes;
    private final NdRange range;
    private final Tensor values;
    private int iterations = 64;

    private PeakFma(Device device) {
        boolean cpu = device.info().type() == DeviceInfo.Type.CPU;
        int group = cpu ? 1 : GPU_GROUP;
        int items = group * GROUPS_PER_UNIT * device.info().computeUnits();
        lanes = cpu ? CPU_LANES : GPU_LANES;
        range = new NdRange(new long[] {items}, new long[] {group});
        values = Tensor.zeros(items * lanes);
        session = new Session(device);
    }

    /**
     * Opens the device on which an engine of the same selector computes; the whole device where that has its parts.
     *
     * @param selector {@code auto}, {@code reference} or what names a device
     * @return the measurement, or empty where plain Java computes, or several devices do
     * @throws IllegalArgumentException if there is no such device
     */
    public static Optional<PeakFma> open(String selector) {
        Discovery found = Discovery.run();
        Optional<DeviceInfo> device = switch (selector.strip().toLowerCase(Locale.ROOT)) {
            case "reference" -> Optional.empty();
            case "auto" -> DeviceChoice.preferred(found.list());
            default -> {
                List<DeviceChoice.Choice> chosen = DeviceChoice.several(selector, found);
                yield chosen.size() == 1 ? Optional.of(chosen.get(0).device()) : Optional.empty();
            }
        };
        return device.map(info -> warmedUp(found.devices().get(info.index())));
    }

    private static PeakFma warmedUp(Device device) {
        PeakFma peak = new PeakFma(device);
        try {
            double unused = peak.burst(); // compiles
            while (peak.leastBurst() < BURST_SECONDS / 2) {
                peak.iterations *= 2;
            }
            return peak;
        } catch (RuntimeException e) {
            peak.close();
            throw e;
        }
    }

    /** The shortest of several: one alone may have waited for other processes, and would pass for long enough. */
    private double leastBurst() {
        double least = Double.POSITIVE_INFINITY;
        for (int i = 0; i < CALIBRATIONS; i++) {
            least = Math.min(least, burst());
        }
        return least;
    }

    /**
     * Runs one short burst of some milliseconds.
     *
     * @return the billions of floating-point operations a second, a multiply-add being two
     * @throws io.github.tconv.op.DeviceException if the device fails
     */
    public double gflops() {
        double flops = 2.0 * ACCUMULATORS * lanes * range.global()[0] * iterations;
        return flops / burst() * 1e-9;
    }

    private double burst() {
        Program program = session.programs()
                .get(
                        List.of("peak_fma"),
                        new Defines(LayerConstants.LANGUAGE)
                                .with("LANES", lanes)
                                .toString());
        long start = System.nanoTime();
        try (Call call = session.call()) {
            DeviceBuffer result = call.result(values);
            try (Kernel kernel = program.kernel("peak_fma")) {
                kernel.with(result).with(iterations).enqueue(session.queue(), range);
            }
            call.complete(program);
        }
        return (System.nanoTime() - start) * 1e-9;
    }

    /** Frees the device. Idempotent. */
    @Override
    public void close() {
        session.close();
    }
}
