// finite.cl: looks for values that are infinite or no number, one work-item a block of elements.
//   verdicts[FIRST + block] = sum over the block of 0 * values: 0 if all of them are finite, else not a number
// The verdicts of several blocks are values again, of which the same kernel makes one.
// Layout: values (ELEMENTS), verdicts (at least FIRST + blocks).
// ND-range: (blocks, possibly rounded up), any work-group size. A block is LENGTH neighbours.
// Writes one element a block, once: deterministic. The sizes are arguments.

#define WIDTH 16

__kernel void finite(
        __global const float* restrict values, __global float* restrict verdicts,
        const int LENGTH, const int ELEMENTS, const int FIRST) {
    const int block = (int)get_global_id(0);
    const int blocks = (ELEMENTS + LENGTH - 1) / LENGTH;

    if (block >= blocks) {
        return;
    }
    const int begin = block * LENGTH;
    const int end = ELEMENTS - begin < LENGTH ? ELEMENTS : begin + LENGTH;
    float16 sums = (float16)(0.0f);
    float sum = 0.0f;
    int at = begin;
    for (; at + WIDTH <= end; at += WIDTH) {
        sums += vload16(0, values + at) * 0.0f;
    }
    for (; at < end; at++) {
        sum += values[at] * 0.0f;
    }
    const float8 eight = sums.lo + sums.hi;
    const float4 four = eight.lo + eight.hi;
    const float2 two = four.lo + four.hi;
    verdicts[FIRST + block] = two.x + two.y + sum;
}
