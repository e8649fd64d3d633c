// slope_gradient.cl: gradient of PReLU by its slopes, one work-item sums one block of one channel.
//   slope_gradient[c] = sum over n,o of output_gradient[n][c][o] * min(input[n][c][o], 0)
// A block is LENGTH neighbours of a plane in each of IMAGES images. Where there are several, each writes its own part, and
// gradient_sum.cl adds them up.
// Layout: input, output_gradient (N, C, PLANE); slope_gradient (ceil(N / IMAGES) * ceil(PLANE / LENGTH), C).
// ND-range: (C, possibly rounded up, blocks), any work-group size. The sizes are arguments: one program serves all layers.
// Writes every element once, in a fixed order of additions: deterministic. Sixteen sums side by side, as bias_gradient.cl.

#define WIDTH 16

// Comparisons are such that a NaN stays one.
#define DEFINE_NEGATIVE(NAME, T)                    \
    inline T NAME(const T x) {                      \
        return x > (T)(0.0f) ? (T)(0.0f) : x;       \
    }
DEFINE_NEGATIVE(negative, float)
DEFINE_NEGATIVE(negative16, float16)

__kernel void slope_gradient(
        __global const float* restrict input, __global const float* restrict output_gradient,
        __global float* restrict slope_gradient,
        const int IMAGES, const int LENGTH, const int N, const int C, const int PLANE) {
    const int c = (int)get_global_id(0);
    const int block = (int)get_global_id(1);
    const int lengths = (PLANE + LENGTH - 1) / LENGTH;
    const int images = block / lengths;
    const int begin = REMAINDER(block, lengths, images) * LENGTH;
    const int end = min(begin + LENGTH, PLANE);

    if (c >= C) {
        return;
    }
    float16 sums = (float16)(0.0f);
    float rest = 0.0f;
    for (int n = images * IMAGES; n < min((images + 1) * IMAGES, N); n++) {
        const size_t plane = ((size_t)n * C + c) * PLANE;
        int o = begin;
        for (; o + WIDTH <= end; o += WIDTH) {
            sums += vload16(0, output_gradient + plane + o) * negative16(vload16(0, input + plane + o));
        }
        for (; o < end; o++) {
            rest += output_gradient[plane + o] * negative(input[plane + o]);
        }
    }
    const float8 eight = sums.lo + sums.hi;
    const float4 four = eight.lo + eight.hi;
    const float2 two = four.lo + four.hi;
    slope_gradient[(size_t)block * C + c] = two.x + two.y + rest;
}
