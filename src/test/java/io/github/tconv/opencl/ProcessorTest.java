package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ProcessorTest {
    @ParameterizedTest(name = "{0} lanes, {1} KiB: {2}")
    @CsvSource({
        // A Zen 4; a Xeon; a virtual machine that hides its caches, for which PoCL gives half a MiB; a processor with
        // AVX2.
        "16, 1024, near, 1024",
        "16, 2048, far, 2048",
        "16, 512, far, 1024",
        "8, 512, near, 1024"
    })
    void knowsHowFarTheLastCacheIs(int lanes, int localKiB, String last, int secondLevelKiB) {
        Processor processor = new Processor(lanes, 2 * lanes, 2, localKiB << 10, true);
        assertEquals(last, processor.farWait() > 0 ? "far" : "near");
        assertEquals((long) secondLevelKiB << 10, processor.cacheBytes());
        assertEquals(0, processor.withNearCache().farWait());
    }
}
