// bias_gradient.cl: gradient by the bias, one work-item sums one channel.
//   bias_gradient[c] = sum over n,o of output_gradient[n][c][o]
// Layout: output_gradient (N, C, PLANE), the spatial axes flattened; bias_gradient (C).
// ND-range: (C rounded up), any work-group size. The sizes are arguments: one program serves all layers.
// Writes every element once, in a fixed order of additions: deterministic. The sums are long, so each SEGMENT elements
// have their own partial sum, and each image one of its segments.

#define SEGMENT 256

__kernel void bias_gradient(
        __global const float* restrict output_gradient,
        __global float* restrict bias_gradient,
        const int N, const int C, const int PLANE) {
    const int c = (int)get_global_id(0);

    if (c >= C) {
        return;
    }
    float sum = 0.0f;
    for (int n = 0; n < N; n++) {
        __global const float* const plane = output_gradient + ((size_t)n * C + c) * PLANE;
        float image = 0.0f;
        for (int first = 0; first < PLANE; first += SEGMENT) {
            const int end = PLANE - first < SEGMENT ? PLANE : first + SEGMENT;
            float segment = 0.0f;
            for (int o = first; o < end; o++) {
                segment += plane[o];
            }
            image += segment;
        }
        sum += image;
    }
    bias_gradient[c] = sum;
}
