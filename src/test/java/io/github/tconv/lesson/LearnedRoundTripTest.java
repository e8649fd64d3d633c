package io.github.tconv.lesson;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.Engine;
import io.github.tconv.EnginesPresent;
import io.github.tconv.Tconv;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

final class LearnedRoundTripTest {
    static Stream<String> devices() {
        return EnginesPresent.names().stream();
    }

    @ParameterizedTest
    @MethodSource("devices")
    void theErrorFallsAndEveryRunIsTheSame(String device) {
        try (Engine engine = Tconv.open(device);
                LearnedRoundTrip trip = new LearnedRoundTrip(engine);
                LearnedRoundTrip again = new LearnedRoundTrip(engine)) {
            double before = trip.error(trip.before());
            double loss = learn(trip);
            double after = trip.error(trip.now());
            assertTrue(after < before / 2, before + " to " + after);
            assertArrayEquals(trip.shown().shape(), trip.now().shape());
            assertEquals(loss, learn(again));
            assertEquals(after, again.error(again.now()));
        }
    }

    private static double learn(LearnedRoundTrip trip) {
        double loss = Double.NaN;
        for (int i = 0; i < 30; i++) {
            loss = trip.step();
        }
        return loss;
    }
}
