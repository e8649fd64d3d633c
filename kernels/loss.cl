// loss.cl: a loss and its gradient, one work-item a block of elements.
//   L1: sum of |output - target|,   output_gradient = sign(output - target) * SHARE
//   L2: sum of (output - target)^2, output_gradient = (output - target) * 2 * SHARE
// SHARE is 1 / ELEMENTS: the loss is the mean. Where there are several blocks, each writes its own part of the sum, and
// gradient_sum.cl adds them up.
// Layout: output, target, output_gradient (ELEMENTS); sum (blocks).
// ND-range: (blocks, possibly rounded up), any work-group size. A block is LENGTH neighbours.
// Writes every element once, in a fixed order of additions: deterministic. Sixteen sums side by side, as bias_gradient.cl.
// Constant: L2, 1 or 0 for L1. The sizes are arguments.

#define WIDTH 16

// What an element adds to the sum, and its gradient. A difference of 0 or NaN stays what it is.
#define DEFINE_LOSS(TERM, GRADIENT, T)                                                         \
    inline T TERM(const T difference) {                                                        \
        return L2 ? difference * difference : fabs(difference);                                \
    }                                                                                          \
    inline T GRADIENT(const T difference, const T share) {                                     \
        return L2 ? (T)(2.0f) * share * difference                                             \
                  : difference > (T)(0.0f) ? share                                             \
                                           : difference < (T)(0.0f) ? -share : difference;     \
    }
DEFINE_LOSS(term, gradient, float)
DEFINE_LOSS(term16, gradient16, float16)

__kernel void loss(
        __global const float* restrict output, __global const float* restrict target,
        __global float* restrict output_gradient, __global float* restrict sum,
        const int LENGTH, const int ELEMENTS, const float SHARE) {
    const int block = (int)get_global_id(0);
    const int blocks = (ELEMENTS + LENGTH - 1) / LENGTH;

    if (block >= blocks) {
        return;
    }
    const int begin = block * LENGTH;
    const int end = ELEMENTS - begin < LENGTH ? ELEMENTS : begin + LENGTH;
    float16 sums = (float16)(0.0f);
    float rest = 0.0f;
    int at = begin;
    for (; at + WIDTH <= end; at += WIDTH) {
        const float16 difference = vload16(0, output + at) - vload16(0, target + at);
        sums += term16(difference);
        vstore16(gradient16(difference, (float16)(SHARE)), 0, output_gradient + at);
    }
    for (; at < end; at++) {
        const float difference = output[at] - target[at];
        rest += term(difference);
        output_gradient[at] = gradient(difference, SHARE);
    }
    const float8 eight = sums.lo + sums.hi;
    const float4 four = eight.lo + eight.hi;
    const float2 two = four.lo + four.hi;
    sum[block] = two.x + two.y + rest;
}
