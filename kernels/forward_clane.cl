// forward_clane.cl: transposed convolution, lanes are output channels ("channel-lane"). For long sums (many input
// channels times taps) and at least some 16 output channels; the best variant on small and middle-sized maps.
//   output[n][oc][od][oh][ow] = activate(bias[oc] + residual[n][oc][od][oh][ow] +
//       sum over kd,kh,kw,ic of input[n][ic][id][ih][iw] * weight[ic][oc][kd][kh][kw])
//   with id * SD == od + PD - kd * DD (likewise ih, iw); other terms vanish. ic runs over the group of oc.
// On each axis let o = q * S + phase. A tap meets a phase only if phase + P - k * D is a multiple of S, and then reads
// input position i = q + (phase + P - k * D) / S: within a phase neighbours in q are neighbours in the input.
//
// One work-item computes TILE_OC = LANES * V output channels of ROWS rows of one phase in d and h, and of each row P
// positions qw with PHASES phases of w. It keeps ROWS * P * V vectors of sums for one phase in registers; an input value
// is one scalar for a vector of channels. A finished phase goes to a private tile, from where channels are transposed
// into rows. On tiny maps the rows are those of neighbouring images and P is 1: every tap outside the map is then
// outside for all of the tile, and none of them is computed.
//
// Layout: weight (IC, OC / GROUPS, KD, KH, KW), bias and slope (OC), input, residual and output as (N, C, D, H, W).
//   staged (N, ID, IH, staged width, PIXEL): the input, channels innermost, rows widened by zeros so that a tile never
//     leaves its row; then one row of zeros, which stands for every row outside the input.
//   packed (GROUPS, TILES_OC, KD, KH, KW, IC / GROUPS, TILE_OC), zeros in the lanes beyond the last channel.
// ND-range, always in work-groups of one item (there is no barrier and no local memory):
//   clane_pack  (elements of packed)
//   clane_stage (ceil(IC / STAGE_IC), N * ID * IH + 1)
//   clane       (ceil(QW / P), SD * SH * SW / PHASES * ceil(QD * QH * N / ROWS), GROUPS * TILES_OC), Q = ceil(O / S)
// Writes every output element once, in a fixed order of additions: deterministic.
// Constants: the layer's (common.cl) and its epilogue (forward.cl);
//   LANES   output channels in a vector: the float width of the CPU's registers (16: AVX-512)
//   V, ROWS, P  vectors of channels, rows and positions of a work-item. The inner loop needs ROWS * P * V + V + 1 vector
//           registers; AVX-512 has 32 (measured: 31 are well, 33 spill and cost a third), other CPUs 16
//   PHASES  phases of w of a work-item: SW, so that its outputs are neighbours, or 1 where the tile would grow too large

#define CONCATENATE(a, b) a##b
#define VECTOR_TYPE(lanes) CONCATENATE(float, lanes)
#define VECTOR_LOAD(lanes) CONCATENATE(vload, lanes)
#define VECTOR_STORE(lanes) CONCATENATE(vstore, lanes)
#define floatV VECTOR_TYPE(LANES)

#define TILE_OC (LANES * V)
#define TILES_OC ((OC_PER_GROUP + TILE_OC - 1) / TILE_OC)

// From one output position of a tile's row to the next, and the work-items' combinations of phases.
#define STEP (SW / PHASES)
#define PHASE_GROUPS (SD * SH * STEP)

// Neighbouring work-items of a thread share what its cache holds (1 to 2 MiB on current server cores). Weights of all
// phases that fit half of it stay there while the work-items go through the output in memory order; otherwise all rows
// of a phase come before the next phase.
#define KEPT_BYTES (512 * 1024)
#define PHASE_FASTEST ((size_t)KD * KH * KW * IC_PER_GROUP * TILE_OC * sizeof(float) <= KEPT_BYTES)
// Several rows in a tile are those of several images, which meet the same taps.
#define IMAGES_FASTEST (ROWS > 1)

// Input channels a turn of the inner loop: hides the loop's own instructions (1: up to 4 % slower, 4: no faster).
#define UNROLL 2
// Input channels whose products are summed on their own.
#define PART 64

// Input channels that clane_stage moves at once: a cache line of the result.
#define STAGE_IC 16
// Floats from one staged pixel to the next. Not a multiple of a cache line, lest the pixels of a tile share cache sets.
#define PIXEL (IC % 16 == 0 ? IC + 4 : IC)

// The least and greatest input offset i - q that any tap of any phase of the width takes. A tile of one position tests
// its taps instead and needs no widened rows.
#define LEAST_OFFSET_W ceil_divide(PW - (KW - 1) * DW, SW)
#define GREATEST_OFFSET_W floor_divide(SW - 1 + PW, SW)

DEFINE_ACTIVATE(activate, float)
DEFINE_ACTIVATE(activate4, float4)

inline int floor_divide(const int dividend, const int divisor) {
    return dividend >= 0 ? dividend / divisor : -((-dividend + divisor - 1) / divisor);
}

inline int ceil_divide(const int dividend, const int divisor) {
    return -floor_divide(-dividend, divisor);
}

// Zeros before the first pixel of a staged row (negative: the row begins later), and the pixels of the row.
inline int staged_begin(void) {
    return P == 1 ? 0 : -LEAST_OFFSET_W;
}

inline int staged_width(const int IW, const int OW) {
    const int tiles = ceil_divide(ceil_divide(OW, SW), P);
    return P == 1 ? IW : tiles * P + GREATEST_OFFSET_W - LEAST_OFFSET_W;
}

// Turns four vectors of four channels into four vectors of four positions.
inline void transpose4(float4* a, float4* b, float4* c, float4* d) {
    const float4 ab0 = (float4)((*a).s0, (*b).s0, (*a).s1, (*b).s1);
    const float4 ab2 = (float4)((*a).s2, (*b).s2, (*a).s3, (*b).s3);
    const float4 cd0 = (float4)((*c).s0, (*d).s0, (*c).s1, (*d).s1);
    const float4 cd2 = (float4)((*c).s2, (*d).s2, (*c).s3, (*d).s3);
    *a = (float4)(ab0.s01, cd0.s01);
    *b = (float4)(ab0.s23, cd0.s23);
    *c = (float4)(ab2.s01, cd2.s01);
    *d = (float4)(ab2.s23, cd2.s23);
}

__kernel void clane_pack(__global const float* restrict weight, __global float* restrict packed) {
    const size_t at = get_global_id(0);
    const size_t row = at / TILE_OC;
    const int lane = (int)REMAINDER(at, TILE_OC, row);
    const size_t taps = row / IC_PER_GROUP;
    const int icg = (int)REMAINDER(row, IC_PER_GROUP, taps);
    const size_t tile = taps / (KD * KH * KW);
    const int tap = (int)REMAINDER(taps, KD * KH * KW, tile);
    const int group = (int)(tile / TILES_OC);
    const int ocg = (int)REMAINDER(tile, TILES_OC, group) * TILE_OC + lane;

    packed[at] = ocg < OC_PER_GROUP ? weight[WEIGHT_AT(group * IC_PER_GROUP + icg, ocg, 0, 0, tap)] : 0.0f;
}

// Moves four positions of four channels, the first of both at from and to.
inline void stage_block(__global const float* from, const size_t plane, __global float* to) {
    float4 a = vload4(0, from);
    float4 b = vload4(0, from + plane);
    float4 c = vload4(0, from + 2 * plane);
    float4 d = vload4(0, from + 3 * plane);
    transpose4(&a, &b, &c, &d);
    vstore4(a, 0, to);
    vstore4(b, 0, to + PIXEL);
    vstore4(c, 0, to + 2 * PIXEL);
    vstore4(d, 0, to + 3 * PIXEL);
}

__kernel void clane_stage(
        __global const float* restrict input,
        __global float* restrict staged,
        const int N, const int ID, const int IH, const int IW, const int OD, const int OH, const int OW) {
    const int first_ic = (int)get_global_id(0) * STAGE_IC;
    const int end_ic = min(first_ic + STAGE_IC, IC);
    const size_t row = get_global_id(1);
    const int n = (int)(row / ((size_t)ID * IH));
    const size_t line = REMAINDER(row, (size_t)ID * IH, n);
    const size_t plane = (size_t)ID * IH * IW;
    const int width = staged_width(IW, OW);
    const int begin = staged_begin();
    __global float* const to = staged + row * width * PIXEL + first_ic;
    __global const float* const from = input + ((size_t)n * IC + first_ic) * plane + line * IW;

    // Staged positions [first, end) hold input; the last row, which is no image's, holds zeros only.
    const int first = n < N ? clamp(begin, 0, width) : width;
    const int end = n < N ? clamp(IW + begin, first, width) : width;
    const int count = end_ic - first_ic;
    if (count == STAGE_IC && end - first >= 4) {
        for (int x = 0; x < width; x++) {
            if (x < first || x >= end) {
                for (int ic = 0; ic < STAGE_IC; ic++) {
                    to[(size_t)x * PIXEL + ic] = 0.0f;
                }
            }
        }
        for (int next = first; next < end; next += 4) {
            const int x = min(next, end - 4);
#pragma unroll
            for (int ic = 0; ic < STAGE_IC; ic += 4) {
                stage_block(from + ic * plane + (x - begin), plane, to + (size_t)x * PIXEL + ic);
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

// The offset i - q that a tap takes in a phase, or NO_TAP if the phase does not meet it.
#define NO_TAP INT_MIN
inline int tap_offset(const int phase, const int k, const int stride, const int dilation, const int pad) {
    const int spread = phase + pad - k * dilation;
    const int offset = spread / stride;
    return offset * stride == spread ? offset : NO_TAP;
}

// Adds a row of taps to the sums of one phase: for each tap of the phase inside the width, every input channel of the
// group times its TILE_OC weights. rows holds 0 for a row outside the input. Each PART input channels are summed on
// their own, in registers: the error then grows with the length of a part and with the number of parts, not with both.
inline void add_taps(
        floatV kept[ROWS * P * V], __global const float* const rows[ROWS], __global const float* zeros,
        __global const float* weights, const int phase_w, const int first_qw, const int IW) {
    for (int kw = 0; kw < KW; kw++) {
        const int offset = tap_offset(phase_w, kw, SW, DW, PW);
        const int iw = first_qw + offset;
        if (offset == NO_TAP || iw >= IW || iw + P <= 0) {
            continue;
        }
        __global const float* pixels[ROWS];
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            pixels[r] = rows[r] ? rows[r] + (size_t)(iw + staged_begin()) * PIXEL : zeros;
        }
        __global const float* const w_tap = weights + (size_t)kw * (IC_PER_GROUP * TILE_OC);
        for (int first_ic = 0; first_ic < IC_PER_GROUP; first_ic += PART) {
            floatV sum[ROWS * P * V];
#pragma unroll
            for (int i = 0; i < ROWS * P * V; i++) {
                sum[i] = (floatV)(0.0f);
            }
#pragma unroll UNROLL
            for (int ic = first_ic; ic < min(first_ic + PART, IC_PER_GROUP); ic++) {
                floatV w[V];
#pragma unroll
                for (int v = 0; v < V; v++) {
                    w[v] = VECTOR_LOAD(LANES)(ic * V + v, w_tap);
                }
#pragma unroll
                for (int r = 0; r < ROWS; r++) {
#pragma unroll
                    for (int p = 0; p < P; p++) {
                        const floatV x = (floatV)(pixels[r][p * PIXEL + ic]);
#pragma unroll
                        for (int v = 0; v < V; v++) {
                            sum[(r * P + p) * V + v] += x * w[v];
                        }
                    }
                }
            }
#pragma unroll
            for (int i = 0; i < ROWS * P * V; i++) {
                kept[i] += sum[i];
            }
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

// The same for four neighbours of a row.
inline void finish4(
        const float4 sum, const size_t at, const int oc,
        __global const float* bias, __global const float* slope,
        __global const float* residual, __global float* output) {
    const float4 biased = HAS_BIAS ? sum + (float4)(bias[oc]) : sum;
    const float4 full = HAS_RESIDUAL ? biased + vload4(0, residual + at) : biased;
    vstore4(activate4(full, (float4)(ACTIVATION == 3 ? slope[oc] : 0.0f)), 0, output + at);
}

// Transposes a row of the private tile, count_ow positions of count_oc channels, into the output, where positions lie
// STEP and channels a plane apart; at is the first element's place.
inline void store_row(
        const float* tile, const size_t at, const size_t plane, const int first_oc, const int count_oc, const int count_ow,
        __global const float* bias, __global const float* slope,
        __global const float* residual, __global float* output) {
    for (int c = 0; c < count_oc; c += 4) {
        int x = 0;
        if (STEP == 1 && c + 4 <= count_oc) {
            for (; x + 4 <= count_ow; x += 4) {
                float4 s0 = vload4(0, tile + x * TILE_OC + c);
                float4 s1 = vload4(0, tile + (x + 1) * TILE_OC + c);
                float4 s2 = vload4(0, tile + (x + 2) * TILE_OC + c);
                float4 s3 = vload4(0, tile + (x + 3) * TILE_OC + c);
                transpose4(&s0, &s1, &s2, &s3);
                finish4(s0, at + c * plane + x, first_oc + c, bias, slope, residual, output);
                finish4(s1, at + (c + 1) * plane + x, first_oc + c + 1, bias, slope, residual, output);
                finish4(s2, at + (c + 2) * plane + x, first_oc + c + 2, bias, slope, residual, output);
                finish4(s3, at + (c + 3) * plane + x, first_oc + c + 3, bias, slope, residual, output);
            }
        }
        for (; x < count_ow; x++) {
            for (int i = c; i < min(c + 4, count_oc); i++) {
                finish(tile[x * TILE_OC + i], at + i * plane + x * STEP, first_oc + i, bias, slope, residual, output);
            }
        }
    }
}

__kernel void clane(
        __global const float* restrict staged,
        __global const float* restrict packed,
        __global const float* restrict bias,
        __global const float* restrict slope,
        __global const float* restrict residual,
        __global float* restrict output,
        const int N, const int ID, const int IH, const int IW, const int OD, const int OH, const int OW) {
    const int QH = ceil_divide(OH, SH);
    const int QD = ceil_divide(OD, SD);
    const int first_qw = (int)get_global_id(0) * P;
    const int row_tiles = ceil_divide(QD * QH * N, ROWS);
    const int slow = (int)(get_global_id(1) / (PHASE_FASTEST ? PHASE_GROUPS : row_tiles));
    const int fast = (int)REMAINDER(get_global_id(1), PHASE_FASTEST ? PHASE_GROUPS : row_tiles, slow);
    const int phase = PHASE_FASTEST ? fast : slow;
    const int first_row = (PHASE_FASTEST ? slow : fast) * ROWS;
    const int phase_dh = phase / STEP;
    const int first_phase_w = REMAINDER(phase, STEP, phase_dh);
    const int phase_d = phase_dh / SH;
    const int phase_h = REMAINDER(phase_dh, SH, phase_d);
    const int group = (int)(get_global_id(2) / TILES_OC);
    const int first_ocg = (int)REMAINDER(get_global_id(2), TILES_OC, group) * TILE_OC;

    const int width = staged_width(IW, OW);
    const size_t line = (size_t)width * PIXEL;
    __global const float* const images = staged + group * IC_PER_GROUP;
    __global const float* const zeros = images + (size_t)N * ID * IH * line;
    __global const float* const weights = packed + get_global_id(2) * ((size_t)KD * KH * KW * IC_PER_GROUP * TILE_OC);

    int n[ROWS], qh[ROWS], qd[ROWS];
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        const int row = first_row + r;
        const int outer = row / (IMAGES_FASTEST ? N : QD * QH);
        const int inner = REMAINDER(row, IMAGES_FASTEST ? N : QD * QH, outer);
        const int q = IMAGES_FASTEST ? outer : inner;
        n[r] = IMAGES_FASTEST ? inner : outer;
        qd[r] = q / QH;
        qh[r] = REMAINDER(q, QH, qd[r]);
    }

    float tile[ROWS * P * PHASES * TILE_OC];
    for (int i = 0; i < PHASES; i++) {
        const int phase_w = first_phase_w + i;
        floatV sum[ROWS * P * V];
        for (int s = 0; s < ROWS * P * V; s++) {
            sum[s] = (floatV)(0.0f);
        }
        for (int kd = 0; kd < KD; kd++) {
            const int offset_d = tap_offset(phase_d, kd, SD, DD, PD);
            if (offset_d == NO_TAP) {
                continue;
            }
            for (int kh = 0; kh < KH; kh++) {
                const int offset_h = tap_offset(phase_h, kh, SH, DH, PH);
                if (offset_h == NO_TAP) {
                    continue;
                }
                __global const float* rows[ROWS];
                bool any = false;
#pragma unroll
                for (int r = 0; r < ROWS; r++) {
                    const int id = qd[r] + offset_d;
                    const int ih = qh[r] + offset_h;
                    const bool inside = qd[r] < QD && id >= 0 && id < ID && ih >= 0 && ih < IH;
                    rows[r] = inside ? images + (((size_t)n[r] * ID + id) * IH + ih) * line : 0;
                    any |= inside;
                }
                if (any) {
                    add_taps(
                            sum, rows, zeros, weights + (size_t)(kd * KH + kh) * (KW * IC_PER_GROUP * TILE_OC), phase_w,
                            first_qw, IW);
                }
            }
        }
        for (int p = 0; p < ROWS * P; p++) {
            for (int v = 0; v < V; v++) {
                VECTOR_STORE(LANES)(sum[p * V + v], v, tile + (p * PHASES + i) * TILE_OC);
            }
        }
    }

    const int first_ow = first_qw * SW + first_phase_w;
    const int count_ow = min(ceil_divide(OW - first_ow, STEP), P * PHASES);
    const int count_oc = min(OC_PER_GROUP - first_ocg, TILE_OC);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        const int od = qd[r] * SD + phase_d;
        const int oh = qh[r] * SH + phase_h;
        if (od < OD && oh < OH) {
            store_row(
                    tile + r * (P * PHASES * TILE_OC), OUTPUT_AT(n[r], group * OC_PER_GROUP + first_ocg, od, oh, first_ow),
                    (size_t)OD * OH * OW, group * OC_PER_GROUP + first_ocg, count_oc, count_ow, bias, slope, residual, output);
        }
    }
}
