// channels.cl: what the kernels whose lanes are output channels share (forward_clane.cl, forward_winograd.cl); the host
// prepends it to them, after common.cl and transpose.cl. Their input is staged once, channels innermost:
//   staged (N, ID, IH, width, PIXEL), then one more row, all zeros, which stands for every row outside the input.
//     Position x of a row is input position x - begin; those outside the input are zeros.
// Their sums leave through a private tile (positions, TILE_OC), from where store_row transposes them into rows.
// Functions that may stay calls keep restrict from their parameters: Oclgrind does not know what becomes of it.
// Constants: LANES, V, the vectors of a work-item's output channels.

#define CONCATENATE(a, b) a##b
#define VECTOR_TYPE(lanes) CONCATENATE(float, lanes)
typedef VECTOR_TYPE(LANES) floatV;
// Vectors at any float. PoCL's compiler makes one instruction of them, and four of vstore16.
typedef floatV unaligned_floatV __attribute__((aligned(4)));
typedef float4 unaligned_float4 __attribute__((aligned(4)));
typedef float8 unaligned_float8 __attribute__((aligned(4)));
#define VECTOR_AT(address_space, pointer) (*(address_space unaligned_floatV*)(pointer))
#define VECTOR_FROM(address_space, pointer) (*(const address_space unaligned_floatV*)(pointer))

#define TILE_OC (LANES * V)
#define TILES_OC ((OC_PER_GROUP + TILE_OC - 1) / TILE_OC)

// Input channels that a work-item stages at once: a cache line of the result.
#define STAGE_IC 16
// Floats from one staged pixel to the next. Not a multiple of a cache line, lest the pixels of a tile share cache sets.
#define PIXEL (IC % 16 == 0 ? IC + 4 : IC)

DEFINE_ACTIVATE(activate, float)
DEFINE_ACTIVATE(activate4, float4)
DEFINE_ACTIVATE(activate8, float8)

inline int floor_divide(const int dividend, const int divisor) {
    return dividend >= 0 ? dividend / divisor : -((-dividend + divisor - 1) / divisor);
}

inline int ceil_divide(const int dividend, const int divisor) {
    return -floor_divide(-dividend, divisor);
}

// The least and greatest input offset i - q that any tap of any phase of the width takes.
#define LEAST_OFFSET_W ceil_divide(PW - (KW - 1) * DW, SW)
#define GREATEST_OFFSET_W floor_divide(SW - 1 + PW, SW)

// The offset i - q that a tap takes in a phase, or NO_TAP if the phase does not meet it.
#define NO_TAP INT_MIN
inline int tap_offset(const int phase, const int k, const int stride, const int dilation, const int pad) {
    const int spread = phase + pad - k * dilation;
    const int offset = spread / stride;
    return offset * stride == spread ? offset : NO_TAP;
}

// Moves eight positions of eight channels, the first of both at from and to.
inline void stage_block8(__global const float* from, const size_t plane, __global float* to) {
    float8 v[8];
#pragma unroll
    for (int i = 0; i < 8; i++) {
        v[i] = vload8(0, from + i * plane);
    }
    transpose8(v);
#pragma unroll
    for (int i = 0; i < 8; i++) {
        *(__global unaligned_float8*)(to + i * PIXEL) = v[i];
    }
}

// Stages channels [first_ic, first_ic + STAGE_IC) of one row.
inline void stage_row(
        __global const float* input, __global float* staged, const int first_ic, const size_t row, const int begin,
        const int width, const int N, const int ID, const int IH, const int IW) {
    const int count = min(IC - first_ic, STAGE_IC);
    const size_t image = (size_t)ID * IH;
    const size_t plane = image * IW;
    const int n = (int)(row / image);
    __global float* const to = staged + row * width * PIXEL + first_ic;
    __global const float* const from = input + ((size_t)n * IC + first_ic) * plane + REMAINDER(row, image, n) * IW;

    // Staged positions [first, end) hold input; the last row, which is no image's, holds zeros only.
    const int first = n < N ? clamp(begin, 0, width) : width;
    const int end = n < N ? clamp(IW + begin, first, width) : width;
    if (count == STAGE_IC && end - first >= 4) {
        for (int x = 0; x < width; x++) {
            if (x < first || x >= end) {
                for (int ic = 0; ic < STAGE_IC; ic++) {
                    to[(size_t)x * PIXEL + ic] = 0.0f;
                }
            }
        }
        if (end - first >= 8) {
            for (int next = first; next < end; next += 8) {
                const int x = min(next, end - 8);
#pragma unroll
                for (int ic = 0; ic < STAGE_IC; ic += 8) {
                    stage_block8(from + ic * plane + (x - begin), plane, to + (size_t)x * PIXEL + ic);
                }
            }
            return;
        }
        for (int next = first; next < end; next += 4) {
            const int x = min(next, end - 4);
#pragma unroll
            for (int ic = 0; ic < STAGE_IC; ic += 4) {
                transpose_block_to_global(from + ic * plane + (x - begin), plane, to + (size_t)x * PIXEL + ic, PIXEL);
            }
        }
        return;
    }
    for (int x = 0; x < width; x++) {
        for (int ic = 0; ic < count; ic++) {
            const bool inside = x >= first && x < end;
            to[(size_t)x * PIXEL + ic] = inside ? from[ic * plane + (x - begin)] : 0.0f;
        }
    }
}

// Adds bias and residual to a finished sum, activates and stores it.
inline void finish(
        const float sum, const size_t at, const int oc,
        __global const float* bias, __global const float* slope,
        __global const float* residual, __global float* output) {
    const float biased = HAS_BIAS ? sum + bias[oc] : sum;
    output[at] = activate(HAS_RESIDUAL ? biased + residual[at] : biased, ACTIVATION == 3 ? slope[oc] : 0.0f);
}

// The same for four and eight neighbours of a row.
inline void finish4(
        const float4 sum, const size_t at, const int oc,
        __global const float* bias, __global const float* slope,
        __global const float* residual, __global float* output) {
    const float4 biased = HAS_BIAS ? sum + (float4)(bias[oc]) : sum;
    const float4 full = HAS_RESIDUAL ? biased + vload4(0, residual + at) : biased;
    *(__global unaligned_float4*)(output + at) = activate4(full, (float4)(ACTIVATION == 3 ? slope[oc] : 0.0f));
}

inline void finish8(
        const float8 sum, const size_t at, const int oc,
        __global const float* bias, __global const float* slope,
        __global const float* residual, __global float* output) {
    const float8 biased = HAS_BIAS ? sum + (float8)(bias[oc]) : sum;
    const float8 full = HAS_RESIDUAL ? biased + vload8(0, residual + at) : biased;
    *(__global unaligned_float8*)(output + at) = activate8(full, (float8)(ACTIVATION == 3 ? slope[oc] : 0.0f));
}

// Transposes a row of the private tile, count_ow positions of count_oc channels, into the output, where positions lie
// step and channels a plane apart; at is the first element's place.
inline void store_row(
        const float* tile, const size_t at, const int step, const size_t plane, const int first_oc, const int count_oc,
        const int count_ow,
        __global const float* bias, __global const float* slope,
        __global const float* residual, __global float* output) {
    for (int c = 0; c < count_oc; c += 8) {
        int x = 0;
        if (step == 1 && c + 8 <= count_oc) {
            for (; x + 8 <= count_ow; x += 8) {
                float8 s[8];
#pragma unroll
                for (int i = 0; i < 8; i++) {
                    s[i] = vload8(0, tile + (x + i) * TILE_OC + c);
                }
                transpose8(s);
#pragma unroll
                for (int i = 0; i < 8; i++) {
                    finish8(s[i], at + (c + i) * plane + x, first_oc + c + i, bias, slope, residual, output);
                }
            }
            if (x + 4 <= count_ow) {
#pragma unroll
                for (int i = 0; i < 8; i += 4) {
                    float4 s0 = vload4(0, tile + x * TILE_OC + c + i);
                    float4 s1 = vload4(0, tile + (x + 1) * TILE_OC + c + i);
                    float4 s2 = vload4(0, tile + (x + 2) * TILE_OC + c + i);
                    float4 s3 = vload4(0, tile + (x + 3) * TILE_OC + c + i);
                    const size_t to = at + (c + i) * plane + x;
                    const int oc = first_oc + c + i;
                    transpose4(&s0, &s1, &s2, &s3);
                    finish4(s0, to, oc, bias, slope, residual, output);
                    finish4(s1, to + plane, oc + 1, bias, slope, residual, output);
                    finish4(s2, to + 2 * plane, oc + 2, bias, slope, residual, output);
                    finish4(s3, to + 3 * plane, oc + 3, bias, slope, residual, output);
                }
                x += 4;
            }
        }
        for (; x < count_ow; x++) {
            for (int i = c; i < min(c + 8, count_oc); i++) {
                finish(tile[x * TILE_OC + i], at + i * plane + x * step, first_oc + i, bias, slope, residual, output);
            }
        }
    }
}
