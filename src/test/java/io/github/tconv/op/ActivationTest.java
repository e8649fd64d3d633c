package io.github.tconv.op;

import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class ActivationTest {
    /** From -88.73 on exp(-x) is infinite in float32, and SiLU minus zero, where its exact value is still -2.6e-37. */
    @Test
    void whatVanishesInFloat32IsWithinTheBound() {
        for (double x = -110; x < -80; x += 0.01) {
            double silu = x / (1 + Math.exp(-x));
            float device = (float) x / (1 + (float) Math.exp(-x));
            double error = Math.abs(device - silu);
            double at = x;
            assertTrue(error <= Activation.errorBound(silu), () -> "SiLU of " + at + " is off by " + error);
        }
    }

    @Test
    void anErrorThatIsSeenIsBeyondTheBound() {
        assertTrue(Activation.errorBound(1) < 1e-6);
        assertTrue(Activation.errorBound(0) < 1e-30);
    }
}
