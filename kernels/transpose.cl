// transpose.cl: between tensors, where the neighbours of a channel lie side by side, and vectors of channels. The host
// prepends it to what uses channels.cl or gradient_lanes.cl, after common.cl.

// Turns four vectors of four channels into four vectors of four positions, and back.
FLATTENED void transpose4(float4* a, float4* b, float4* c, float4* d) {
    const float4 ab0 = (float4)((*a).s0, (*b).s0, (*a).s1, (*b).s1);
    const float4 ab2 = (float4)((*a).s2, (*b).s2, (*a).s3, (*b).s3);
    const float4 cd0 = (float4)((*c).s0, (*d).s0, (*c).s1, (*d).s1);
    const float4 cd2 = (float4)((*c).s2, (*d).s2, (*c).s3, (*d).s3);
    *a = (float4)(ab0.s01, cd0.s01);
    *b = (float4)(ab0.s23, cd0.s23);
    *c = (float4)(ab2.s01, cd2.s01);
    *d = (float4)(ab2.s23, cd2.s23);
}

// Turns eight vectors of eight channels into eight vectors of eight positions.
inline void transpose8(float8 v[8]) {
    float8 pairs[8];
#pragma unroll
    for (int i = 0; i < 8; i += 2) {
        const float8 a = v[i];
        const float8 b = v[i + 1];
        pairs[i] = (float8)(a.s0, b.s0, a.s1, b.s1, a.s4, b.s4, a.s5, b.s5);
        pairs[i + 1] = (float8)(a.s2, b.s2, a.s3, b.s3, a.s6, b.s6, a.s7, b.s7);
    }
    float8 fours[8];
#pragma unroll
    for (int i = 0; i < 8; i += 4) {
#pragma unroll
        for (int j = 0; j < 2; j++) {
            const float8 a = pairs[i + j];
            const float8 b = pairs[i + j + 2];
            fours[i + 2 * j] = (float8)(a.s01, b.s01, a.s45, b.s45);
            fours[i + 2 * j + 1] = (float8)(a.s23, b.s23, a.s67, b.s67);
        }
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        v[i] = (float8)(fours[i].lo, fours[i + 4].lo);
        v[i + 4] = (float8)(fours[i].hi, fours[i + 4].hi);
    }
}

// For each kind of memory, as pointers know only one, functions that move neighbours of four channels: at from the channels
// lie a plane apart, at to side by side, and the neighbours a pixel apart. A block has four neighbours, a row has count, and
// the rest of a row those from first on.
#define DEFINE_TRANSPOSE(SPACE)                                                                                       \
    FLATTENED void transpose_block_to_##SPACE(                                                                        \
            __global const float* from, const size_t plane, __##SPACE float* to, const int pixel) {                   \
        float4 a = vload4(0, from);                                                                                   \
        float4 b = vload4(0, from + plane);                                                                           \
        float4 c = vload4(0, from + 2 * plane);                                                                       \
        float4 d = vload4(0, from + 3 * plane);                                                                       \
        transpose4(&a, &b, &c, &d);                                                                                   \
        vstore4(a, 0, to);                                                                                            \
        vstore4(b, 0, to + pixel);                                                                                    \
        vstore4(c, 0, to + 2 * pixel);                                                                                \
        vstore4(d, 0, to + 3 * pixel);                                                                                \
    }                                                                                                                 \
                                                                                                                      \
    FLATTENED void transpose_rest_to_##SPACE(                                                                         \
            __global const float* from, const size_t plane, const int first, const int count, __##SPACE float* to,    \
            const int pixel) {                                                                                        \
        for (int x = first; x < count; x++) {                                                                         \
            vstore4((float4)(from[x], from[plane + x], from[2 * plane + x], from[3 * plane + x]), 0, to + x * pixel); \
        }                                                                                                             \
    }                                                                                                                 \
                                                                                                                      \
    FLATTENED void transpose_row_to_##SPACE(                                                                          \
            __global const float* from, const size_t plane, const int count, __##SPACE float* to, const int pixel) {  \
        int x = 0;                                                                                                    \
        for (; x + 4 <= count; x += 4) {                                                                              \
            transpose_block_to_##SPACE(from + x, plane, to + x * pixel, pixel);                                       \
        }                                                                                                             \
        transpose_rest_to_##SPACE(from, plane, x, count, to, pixel);                                                  \
    }

DEFINE_TRANSPOSE(global)
DEFINE_TRANSPOSE(local)
DEFINE_TRANSPOSE(private)
