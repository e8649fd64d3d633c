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
//   clane_pack  (IC / GROUPS, GROUPS * TILES_OC)
//   clane_stage (ceil(IC / STAGE_IC), N * ID * IH + 1)
//   clane       (ceil(QW / P), SD * SH * SW / PHASES * ceil(QD * QH * N / ROWS), GROUPS * TILES_OC), Q = ceil(O / S)
// Writes every output element once, in a fixed order of additions: deterministic.
// Constants: the layer's (common.cl) and its epilogue (forward.cl);
//   LANES   output channels in a vector: the float width of the CPU's registers (16: AVX-512)
//   V, ROWS, P  vectors of channels, rows and positions of a work-item. The inner loop needs ROWS * P * V + V + 1 vector
//           registers; AVX-512 has 32 (measured: 31 are well, 33 spill and cost a third), other CPUs 16
//   PREFETCH  1: ask for weights before their use (needs Clang and a CPU); 0: do not
//   PHASES  phases of w of a work-item: SW, so that its outputs are neighbours, or 1 where the tile would grow too large

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

// Zeros before the first pixel of a staged row (negative: the row begins later), and the pixels of the row.
inline int staged_begin(void) {
    return P == 1 ? 0 : -LEAST_OFFSET_W;
}

inline int staged_width(const int IW, const int OW) {
    const int tiles = ceil_divide(ceil_divide(OW, SW), P);
    return P == 1 ? IW : tiles * P + GREATEST_OFFSET_W - LEAST_OFFSET_W;
}

// A channel's taps are neighbours, and so are those of a tile's channels: they are read once, from the nearest cache.
__kernel void clane_pack(__global const float* restrict weight, __global float* restrict packed) {
    const int icg = (int)get_global_id(0);
    const int tile = (int)get_global_id(1);
    const int group = tile / TILES_OC;
    const int first_ocg = REMAINDER(tile, TILES_OC, group) * TILE_OC;
    __global const float* const from = weight + WEIGHT_AT(group * IC_PER_GROUP + icg, first_ocg, 0, 0, 0);

    for (int tap = 0; tap < KD * KH * KW; tap++) {
        __global float* const to = packed + (((size_t)tile * (KD * KH * KW) + tap) * IC_PER_GROUP + icg) * TILE_OC;
        for (int lane = 0; lane < TILE_OC; lane++) {
            to[lane] = first_ocg + lane < OC_PER_GROUP ? from[lane * (KD * KH * KW) + tap] : 0.0f;
        }
    }
}

__kernel void clane_stage(
        __global const float* restrict input,
        __global float* restrict staged,
        const int N, const int ID, const int IH, const int IW, const int OD, const int OH, const int OW) {
    stage_row(
            input, staged, (int)get_global_id(0) * STAGE_IC, get_global_id(1), staged_begin(), staged_width(IW, OW), N, ID,
            IH, IW);
}

// Adds a row of taps to the sums of one phase: for each tap of the phase inside the width, every input channel of the
// group times its TILE_OC weights. rows holds 0 for a row outside the input. Each PART input channels are summed on
// their own, in registers, then a tap's parts, then the taps: the error then grows with the lengths of these sums, not
// with their product.
FLATTENED void add_taps(
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
        floatV tap[ROWS * P * V];
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
                    w[v] = VECTOR_FROM(__global, w_tap + (ic * V + v) * LANES);
                    FETCH_NEAR(w_tap + (ic * V + v) * LANES + WEIGHTS_AHEAD);
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
                tap[i] = first_ic == 0 ? sum[i] : tap[i] + sum[i];
            }
        }
#pragma unroll
        for (int i = 0; i < ROWS * P * V; i++) {
            kept[i] += tap[i];
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
                VECTOR_AT(__private, tile + (p * PHASES + i) * TILE_OC + v * LANES) = sum[p * V + v];
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
                    STEP, (size_t)OD * OH * OW, group * OC_PER_GROUP + first_ocg, count_oc, count_ow, bias, slope, residual, output);
        }
    }
}
