package io.github.tconv.opencl;

/**
 * What the rules for a processor's variants need to know of it.
 *
 * @param lanes floats in a vector register
 * @param registers its vector registers
 * @param threads the kernels that run at once
 * @param localBytes local memory of a work-group
 * @param prefetches whether its compiler knows how to ask for a cache line ahead of time
 */
record Processor(int lanes, int registers, int threads, long localBytes, boolean prefetches) {
    /** Weights beyond so many come from memory: the share of the last cache that may be counted on. */
    static final double LAST_CACHE_BYTES = 16 << 20;

    private static final long LEAST_CACHE = 1 << 20;

    /** The vectors of sums that the registers hold beside operands. */
    int accumulators() {
        return registers - 4;
    }

    /** Its second-level cache, which PoCL gives as local memory; others, and where caches are hidden, what fits them all. */
    long cacheBytes() {
        return Math.min(Math.max(localBytes, LEAST_CACHE), 2 * LEAST_CACHE);
    }

    /**
     * Cycles that a vector from the last cache is waited for, however early it is asked for: none on a Zen 4, whose cores
     * share that cache by eight. Processors with a larger second-level cache have it because the last one is far: 8.5 on
     * a Xeon with 2 MiB. Where a virtual machine hides the caches, its own tables of pages add to every way.
     */
    double farWait() {
        boolean hidden = lanes >= 16 && localBytes < LEAST_CACHE;
        return hidden || localBytes > LEAST_CACHE ? 8.5 : 0;
    }

    /** The same with a last cache that is near. */
    Processor withNearCache() {
        return new Processor(lanes, registers, threads, LEAST_CACHE, prefetches);
    }

    static Processor of(Device device) {
        // AVX-512 has 32 registers of 16 floats; AVX has 16 of 8, and NEON 32 of 4, which work in pairs.
        boolean wide = device.vectorWidth() >= 16;
        DeviceInfo info = device.info();
        return new Processor(
                wide ? 16 : 8,
                wide ? 32 : 16,
                info.computeUnits(),
                info.localMemoryBytes(),
                // Mesa's compiler ends the process at this instruction, and Oclgrind has none.
                device.hostMemory() == Device.HostMemory.SAME && !info.isSimulator());
    }
}
