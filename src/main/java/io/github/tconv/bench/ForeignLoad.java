package io.github.tconv.bench;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * How much of the machine other processes use, by Linux's {@code /proc/stat} less this process's own time; taken as none
 * where there is no such file.
 */
final class ForeignLoad {
    private static final Path STAT = Path.of("/proc/stat");
    private static final double SECONDS_PER_TICK = 0.01;
    /** Fields of the line of all processors: user, nice, system, idle, iowait, irq, softirq, steal. */
    private static final int[] BUSY = {1, 2, 3, 6, 7, 8};

    private final double wall;
    private final double foreign;

    private ForeignLoad(double wall, double foreign) {
        this.wall = wall;
        this.foreign = foreign;
    }

    /** Begins to watch. */
    static ForeignLoad now() {
        return new ForeignLoad(System.nanoTime() * 1e-9, busySeconds() - ownSeconds());
    }

    /** The share of all processors' time that went to other processes since this was made, 0 to 1. */
    double shareSince() {
        ForeignLoad end = now();
        double capacity = (end.wall - wall) * Runtime.getRuntime().availableProcessors();
        return Math.min(1, Math.max(0, (end.foreign - foreign) / capacity));
    }

    double secondsSince() {
        return System.nanoTime() * 1e-9 - wall;
    }

    private static double busySeconds() {
        try (java.util.stream.Stream<String> lines = Files.lines(STAT)) {
            String[] fields = lines.findFirst().orElse("").split(" +", -1);
            double ticks = 0;
            for (int field : BUSY) {
                ticks += Double.parseDouble(fields[field]);
            }
            return ticks * SECONDS_PER_TICK;
        } catch (IOException e) {
            return ownSeconds();
        }
    }

    private static double ownSeconds() {
        return ManagementFactory.getOperatingSystemMXBean() instanceof com.sun.management.OperatingSystemMXBean system
                ? system.getProcessCpuTime() * 1e-9
                : 0;
    }
}
