package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Devices that are made up: what a call takes is images over speed. */
class SpeedsTest {
    private static final boolean[] BOTH = {true, true};

    private static void call(Speeds speeds, int images, double... truth) {
        boolean[] all = new boolean[truth.length];
        Arrays.fill(all, true);
        int[] shares = speeds.share(images, all, truth.length);
        assertEquals(images, Arrays.stream(shares).sum());
        double[] seconds = new double[truth.length];
        Arrays.setAll(seconds, d -> shares[d] / truth[d]);
        speeds.measured(shares, seconds);
    }

    @Test
    void devicesOfWhichNothingIsKnownGetAlike() {
        assertArrayEquals(new int[] {2, 2, 1}, new Speeds(3).share(5, new boolean[] {true, true, true}, 3));
    }

    @Test
    void sharesFollowTheSpeeds() {
        Speeds speeds = new Speeds(3);
        for (int i = 0; i < 50; i++) {
            call(speeds, 16, 2, 1, 5);
        }
        assertArrayEquals(new int[] {4, 2, 10}, speeds.share(16, new boolean[] {true, true, true}, 3));
        assertArrayEquals(new int[] {0, 2, 10}, speeds.share(12, new boolean[] {false, true, true}, 3));
    }

    @Test
    void onlyTheFastestTakePartInSmallWork() {
        Speeds speeds = new Speeds(3);
        for (int i = 0; i < 50; i++) {
            call(speeds, 16, 2, 1, 5);
        }
        assertArrayEquals(new int[] {0, 0, 4}, speeds.share(4, new boolean[] {true, true, true}, 1));
        int[] two = speeds.share(7, new boolean[] {true, true, true}, 2);
        assertArrayEquals(new int[] {2, 0, 5}, two);
    }

    @Test
    void oneLateCallMovesLittle() {
        Speeds speeds = new Speeds(2);
        speeds.measured(new int[] {4, 4}, new double[] {0.01, 60});
        double[] relative = speeds.relative();
        assertTrue(relative[0] / relative[1] < 1.6, () -> Arrays.toString(relative));
    }

    @Test
    void aDeviceWithoutAShareIsTriedAgain() {
        Speeds speeds = new Speeds(3);
        for (int i = 0; i < 50; i++) {
            call(speeds, 60, 30, 30, 1);
        }
        boolean[] all = {true, true, true};
        int calls = 0;
        while (speeds.share(4, all, 3)[2] == 0) {
            call(speeds, 4, 30, 30, 1);
            calls++;
        }
        assertTrue(calls > 100, "not too often");
        call(speeds, 4, 30, 30, 1);
        assertEquals(0, speeds.share(4, all, 3)[2], "and left alone again");
    }

    @Test
    void oneImageGoesWhereItIsDoneFirst() {
        Speeds speeds = new Speeds(2);
        for (int i = 0; i < 50; i++) {
            call(speeds, 8, 1, 3);
        }
        assertEquals(1, speeds.first(new int[] {0, 0}, BOTH));
        assertEquals(1, speeds.first(new int[] {0, 1}, BOTH));
        assertEquals(0, speeds.first(new int[] {0, 3}, BOTH));
        assertEquals(0, speeds.first(new int[] {5, 0}, new boolean[] {true, false}));
    }
}
