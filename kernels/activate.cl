// activate.cl: an activation by itself, one work-item an element.
//   output[n][c][o] = activation(input[n][c][o])
// Layout: input and output (N, CHANNELS, PLANE); slopes (CHANNELS), read by PReLU only.
// ND-range: (PLANE rounded up, CHANNELS, N), any work-group size: lanes are neighbours. Where channels make no difference,
//   they and images may be one plane.
// Writes every element once: deterministic. Constants: ACTIVATION ACT_A ACT_B. The sizes are arguments.

DEFINE_ACTIVATE(activation, float)

__kernel void activate(
        __global const float* restrict input, __global const float* restrict slopes, __global float* restrict output,
        const int CHANNELS, const int PLANE) {
    const int o = (int)get_global_id(0);
    const int c = (int)get_global_id(1);

    if (o >= PLANE) {
        return;
    }
    const size_t at = (get_global_id(2) * CHANNELS + c) * PLANE + o;
    output[at] = activation(input[at], ACTIVATION == 3 ? slopes[c] : 0.0f);
}
