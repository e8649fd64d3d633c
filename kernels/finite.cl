// finite.cl: looks for values that are infinite or no number, one work-item a block of elements.
//   verdicts[FIRST + block] = 0 if all values of the block are finite, else not a number
// Told by the exponents' bits, as integers: some compilers (Mesa's) make 0 of a product with 0, whatever the other factor.
// The verdicts of several blocks are values again, of which the same kernel makes one.
// Layout: values (ELEMENTS), verdicts (at least FIRST + blocks).
// ND-range: (blocks, possibly rounded up), any work-group size. A block is LENGTH neighbours.
// Writes one element a block, once: deterministic. The sizes are arguments.

#define WIDTH 16
// The bits of a float but its sign; those of the infinite, above which no number is.
#define MAGNITUDE 0x7fffffff
#define INFINITE 0x7f800000

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
    int16 largest = (int16)(0);
    int rest = 0;
    int at = begin;
    for (; at + WIDTH <= end; at += WIDTH) {
        largest = max(largest, as_int16(vload16(0, values + at)) & MAGNITUDE);
    }
    for (; at < end; at++) {
        rest = max(rest, as_int(values[at]) & MAGNITUDE);
    }
    const int8 eight = max(largest.lo, largest.hi);
    const int4 four = max(eight.lo, eight.hi);
    const int2 two = max(four.lo, four.hi);
    verdicts[FIRST + block] = max(max(two.x, two.y), rest) < INFINITE ? 0.0f : NAN;
}
