// activation_gradient.cl: gradient by the input of an activation, one work-item an element.
//   input_gradient[n][c][o] = output_gradient[n][c][o] * activation'(input[n][c][o])
// Where the function has a corner, the slope is that of its left.
// Layout: input and gradients (N, CHANNELS, PLANE); slopes (CHANNELS), read by PReLU only.
//   input_gradient may be output_gradient: no restrict.
// ND-range: (PLANE rounded up, CHANNELS, N), any work-group size: lanes are neighbours. Where channels make no difference,
//   they and images may be one plane.
// Writes every element once: deterministic. Constants: ACTIVATION ACT_A ACT_B, numbered as in common.cl. The sizes are
// arguments.

// In exp of a negative number alone where that can be: nothing overflows, and nothing is lost to 1 - s or 1 - t * t.
inline float derivative(const float x, const float slope) {
    if (ACTIVATION == 1) {
        return x > 0.0f ? 1.0f : 0.0f;
    }
    if (ACTIVATION == 2) {
        return x > 0.0f ? 1.0f : ACT_A;
    }
    if (ACTIVATION == 3) {
        return x > 0.0f ? 1.0f : slope;
    }
    if (ACTIVATION == 4) {
        const float e = exp(-fabs(x));
        return e / ((1.0f + e) * (1.0f + e));
    }
    if (ACTIVATION == 5) {
        const float e = exp(-2.0f * fabs(x));
        return 4.0f * e / ((1.0f + e) * (1.0f + e));
    }
    if (ACTIVATION == 6) {
        return x > ACT_A && x <= ACT_B ? 1.0f : 0.0f;
    }
    if (ACTIVATION == 7) {
        return 1.0f / (1.0f + exp(-x)) * (1.0f + x * (1.0f / (1.0f + exp(x))));
    }
    return 1.0f;
}

__kernel void activation_gradient(
        __global const float* input, __global const float* slopes, __global const float* output_gradient,
        __global float* input_gradient, const int CHANNELS, const int PLANE) {
    const int o = (int)get_global_id(0);
    const int c = (int)get_global_id(1);

    if (o >= PLANE) {
        return;
    }
    const size_t at = (get_global_id(2) * CHANNELS + c) * PLANE + o;
    const float slope = ACTIVATION == 3 ? slopes[c] : 0.0f;
    input_gradient[at] = output_gradient[at] * derivative(input[at], slope);
}
