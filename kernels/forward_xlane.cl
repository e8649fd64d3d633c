// forward_xlane.cl: transposed convolution, the lanes of a vector are neighbours of one phase along the row.
//   output[n][oc][od][oh][ow] = activation(bias[oc] + sum over ic,kd,kh,kw of input[n][ic][id][ih][iw] * weight[ic][oc][kd][kh][kw])
//   with id = qd - TAP_SHIFT(kd) for od = SD * qd + TAP_PHASE(kd) (likewise h, w; see common.cl); + residual, if any.
// Layout: input (N, IC, ID, IH, IW), output (N, OC, OD, OH, OW); packed (GROUPS * OC_TILES, KD, tap and channel, KW_PACKED, MR),
//   "tap and channel" being (KH, IC / GROUPS), or with MERGE_H (IC / GROUPS, KH); zeros fill up the last tile and taps past KW.
// A work-item is a work-group of its own. It copies a zero-padded patch of the input to local memory, then walks over
//   its tiles, each MR output channels x (SH phases if MERGE_H) x SW phases x NV vectors, held in registers.
// ND-range: (row tiles of XT * NV * LANES grid points, QD * tiles of RY grid rows, N * GROUPS * chunks of OC_CHUNK tiles),
//   work-group size 1; QD = ceil(OD / SD) and so on are the points of the phase grid.
// Writes every output element once, in a fixed order of additions: deterministic.
// Constants: the layer's (common.cl) and
//   LANES              floats in a vector
//   MR, NV             output channels and vectors of a register tile; MR * NV * phases accumulators, 16 to 28 are best
//   MERGE_H            1: a tile holds all SH phases, for few output channels; 0: one of them
//   XT, RY, OC_CHUNK   tiles of a work-item along the row, grid rows, and output channel tiles
//   IC_BLOCK           input channels of a patch; where less than all, partial sums wait in local memory
//   SUMMED             input channels that are summed on their own, so that errors do not grow with the layer
//   PREFETCH           1: fetch the next patch into the cache while computing (needs Clang and a CPU); 0: do not
//   SHUFFLE            1: lay phases side by side within registers; 0: through memory (Oclgrind fails on vector elements)
//   KW_UNROLL          taps of a row that are written out: KW, or else a multiple of SW / gcd(SW, DW)

#define OC_TILES CEIL_DIV(OC_PER_GROUP, MR)
#define OC_CHUNKS CEIL_DIV(OC_TILES, OC_CHUNK)
#define KW_PACKED (CEIL_DIV(KW, KW_UNROLL) * KW_UNROLL)
#define TILE_H (MERGE_H ? SH : 1)
#define ROW_VECTORS (SW * NV)
#define ACCUMULATORS (TILE_H * MR * ROW_VECTORS)
// Whether vectors are stored straight from the registers: not where phases cross from one to the next.
#define STRAIGHT (SHUFFLE && LANES / SW * SW == LANES)

// Largest shift: what the patch begins with before the first grid point.
#define LEAD_D TAP_SHIFT(KD - 1, SD, DD, PD)
#define LEAD_H TAP_SHIFT(KH - 1, SH, DH, PH)
#define LEAD_W TAP_SHIFT(KW_PACKED - 1, SW, DW, PW)
#define PATCH_D (1 + LEAD_D - TAP_SHIFT(0, SD, DD, PD))
#define PATCH_H (RY + LEAD_H - TAP_SHIFT(0, SH, DH, PH))
#define PATCH_W (CEIL_DIV(XT * NV * LANES + LEAD_W - TAP_SHIFT(0, SW, DW, PW), LANES) * LANES)
#define PATCH_CHANNEL (PATCH_D * PATCH_H * PATCH_W)

#define PATCH_LINES (PATCH_H * PATCH_W / LANES)

// Register tiles of a work-item.
#define ITEM_TILES (OC_CHUNK * SD * (SH / TILE_H) * RY * XT)

// Strides of the packed weights.
#define PACKED_IC ((MERGE_H ? KH : 1) * KW_PACKED * MR)
#define PACKED_KH ((MERGE_H ? 1 : IC_PER_GROUP) * KW_PACKED * MR)
#define PACKED_KD (IC_PER_GROUP * KH * KW_PACKED * MR)
#define PACKED_TILE (KD * PACKED_KD)

// One work-item writes one packed weight. ND-range: (GROUPS * OC_TILES * PACKED_TILE).
__kernel void xlane_pack(__global const float* restrict weight, __global float* restrict packed) {
    const size_t at = get_global_id(0);
    const size_t tap = at / MR;
    const int m = (int)(at - tap * MR);
    const size_t row = tap / KW_PACKED;
    const int kw = (int)(tap - row * KW_PACKED);
    const size_t plane = row / (KH * IC_PER_GROUP);
    const int in_plane = (int)(row - plane * (KH * IC_PER_GROUP));
    const int major = in_plane / (MERGE_H ? KH : IC_PER_GROUP);
    const int minor = REMAINDER(in_plane, MERGE_H ? KH : IC_PER_GROUP, major);
    const int ic = MERGE_H ? major : minor;
    const int kh = MERGE_H ? minor : major;
    const size_t tile = plane / KD;
    const int kd = (int)(plane - tile * KD);
    const int group = (int)(tile / OC_TILES);
    const int ocg = (int)(tile - (size_t)group * OC_TILES) * MR + m;
    const bool real = kw < KW && ocg < OC_PER_GROUP;
    packed[at] = real ? weight[WEIGHT_AT(group * IC_PER_GROUP + ic, ocg, kd, kh, kw)] : 0.0f;
}

// Adds the KW taps of one input row and channel to the tile's phases of one output row.
FLATTENED void add_row(lanes* sums, __local const float* row, __global const float* weights) {
    for (int first = 0; first < KW_PACKED; first += KW_UNROLL) {
        __local const float* const shifted = row - first * DW / SW;
        #pragma unroll
        for (int k = 0; k < KW_UNROLL; k++) {
            #pragma unroll
            for (int m = 0; m < MR; m++) {
                const lanes weight = (lanes)(weights[(first + k) * MR + m]);
                #pragma unroll
                for (int v = 0; v < NV; v++) {
                    const int phase = TAP_PHASE(k, SW, DW, PW);
                    const int shift = TAP_SHIFT(k, SW, DW, PW);
                    sums[m * ROW_VECTORS + v * SW + phase] += weight * LANES_FROM(__local, shifted + v * LANES - shift);
                }
            }
        }
    }
}

// Asks for cache lines first, first + step, ... of a channel of the patch that comes next, which begins at next. Spread
// over all the computing, they do not wait for each other. Addresses outside the tensor do no harm here.
FLATTENED void prefetch_lines(__global const float* next, const int first, const int step, const int IW) {
#if PREFETCH
    for (int line = first; line < PATCH_LINES; line += step) {
        const int h = line / (PATCH_W / LANES);
        const int w = (line - h * (PATCH_W / LANES)) * LANES;
        FETCH_AHEAD(next + (size_t)h * IW + w);
    }
#endif
}

// Adds count input channels to the tile of phase (rd, rh) at grid row h of the patch, which begins at its tile; part is
// the tile's number, for its share of the next patch.
FLATTENED void add_tile(
        lanes* sums, __local const float* patch, __global const float* weights, const int count,
        const int rd, const int rh, const int h, __global const float* next, const size_t next_channel, const int part,
        const int IW) {
    for (int kd = tap_d(0, rd); kd < KD; kd = tap_d(kd + 1, rd)) {
        const int d = LEAD_D - TAP_SHIFT(kd, SD, DD, PD);
        __local const float* const plane = patch + (d * PATCH_H + h + LEAD_H) * PATCH_W + LEAD_W;
        __global const float* const taps = weights + kd * PACKED_KD;
        if (MERGE_H) {
            for (int ic = 0; ic < count; ic++) {
                prefetch_lines(next + ic * next_channel, part, ITEM_TILES, IW);
                #pragma unroll
                for (int kh = 0; kh < KH; kh++) {
                    add_row(
                            sums + TAP_PHASE(kh, SH, DH, PH) * MR * ROW_VECTORS,
                            plane + ic * PATCH_CHANNEL - TAP_SHIFT(kh, SH, DH, PH) * PATCH_W,
                            taps + ic * PACKED_IC + kh * PACKED_KH);
                }
            }
        } else {
            for (int kh = tap_h(0, rh); kh < KH; kh = tap_h(kh + 1, rh)) {
                __local const float* const row = plane - TAP_SHIFT(kh, SH, DH, PH) * PATCH_W;
                for (int ic = 0; ic < count; ic++) {
                    add_row(sums, row + ic * PATCH_CHANNEL, taps + kh * PACKED_KH + ic * PACKED_IC);
                }
            }
        }
    }
}

// Vector e of a row of sums with its phases side by side, as they stand in the output. e is known when compiling.
FLATTENED lanes side_by_side(const lanes* row, const int e) {
    lanes together = (lanes)(0.0f);
    #pragma unroll
    for (int lane = 0; lane < LANES; lane++) {
        const int q = (e * LANES + lane) / SW;
        const int phase = e * LANES + lane - q * SW;
        const int v = q / LANES;
        together[lane] = row[v * SW + phase][q - v * LANES];
    }
    return together;
}

// The same for all rows through memory.
FLATTENED void interleave(__local lanes* rows, const lanes* sums) {
    for (int at = 0; at < ACCUMULATORS * LANES; at++) {
        const int vector = at / LANES;
        const int row = vector / ROW_VECTORS;
        const int v = (vector - row * ROW_VECTORS) / SW;
        const int phase = vector - row * ROW_VECTORS - v * SW;
        const int q = v * LANES + at - vector * LANES;
        ((__local float*)rows)[row * ROW_VECTORS * LANES + q * SW + phase] = ((const float*)sums)[at];
    }
}

// Stores a tile's rows (phase, output channel) from output position (od, first_oh, first_ow) on, as far as they exist:
// whole vectors straight from the registers, others by way of finished.
FLATTENED void store_tile(
        const lanes* sums, __local lanes* finished, __global const float* bias, __global const float* slope,
        __global const float* residual, __global float* output, const int n, const int group,
        const int first_ocg, const int od, const int first_oh, const int first_ow, const int OD, const int OH, const int OW) {
    const int whole = STRAIGHT && od < OD ? (OW - first_ow) / LANES : 0;
    if (STRAIGHT && whole >= ROW_VECTORS && first_oh + TILE_H <= OH && first_ocg + MR <= OC_PER_GROUP) {
        #pragma unroll
        for (int row = 0; row < TILE_H * MR; row++) {
            const int oc = group * OC_PER_GROUP + first_ocg + row - row / MR * MR;
            const lanes channel_bias = (lanes)(HAS_BIAS ? bias[oc] : 0.0f);
            const lanes channel_slope = (lanes)(ACTIVATION == 3 ? slope[oc] : 0.0f);
            const size_t start = OUTPUT_AT(n, oc, od, first_oh + row / MR, first_ow);
            #pragma unroll
            for (int e = 0; e < ROW_VECTORS; e++) {
                const lanes biased = side_by_side(sums + row * ROW_VECTORS, e) + channel_bias;
                const lanes full = HAS_RESIDUAL ? biased + LANES_FROM(__global, residual + start + e * LANES) : biased;
                LANES_AT(__global, output + start + e * LANES) = activate_lanes(full, channel_slope);
            }
        }
        return;
    }
    if (!SHUFFLE) {
        interleave(finished, sums);
    }
    #pragma unroll
    for (int row = 0; row < (SHUFFLE ? TILE_H * MR : 0); row++) {
        const int ocg = first_ocg + row - row / MR * MR;
        const int oh = first_oh + row / MR;
        const bool exists = oh < OH && ocg < OC_PER_GROUP;
        const int oc = group * OC_PER_GROUP + ocg;
        const lanes channel_bias = (lanes)(HAS_BIAS && exists ? bias[oc] : 0.0f);
        const lanes channel_slope = (lanes)(ACTIVATION == 3 && exists ? slope[oc] : 0.0f);
        const size_t start = OUTPUT_AT(n, oc, od, oh, first_ow);
        #pragma unroll
        for (int e = 0; e < ROW_VECTORS; e++) {
            const lanes together = side_by_side(sums + row * ROW_VECTORS, e);
            if (exists && e < whole) {
                const lanes biased = together + channel_bias;
                const lanes full = HAS_RESIDUAL ? biased + LANES_FROM(__global, residual + start + e * LANES) : biased;
                LANES_AT(__global, output + start + e * LANES) = activate_lanes(full, channel_slope);
            } else {
                finished[row * ROW_VECTORS + e] = together;
            }
        }
    }
    if (od >= OD) {
        return;
    }
    for (int row = 0; row < TILE_H * MR; row++) {
        const int row_phase = row / MR;
        const int ocg = first_ocg + row - row_phase * MR;
        const int oh = first_oh + row_phase;
        if (oh < OH && ocg < OC_PER_GROUP) {
            const int oc = group * OC_PER_GROUP + ocg;
            const float channel_bias = HAS_BIAS ? bias[oc] : 0.0f;
            const float channel_slope = ACTIVATION == 3 ? slope[oc] : 0.0f;
            const long start = OUTPUT_AT(n, oc, od, oh, first_ow);
            for (int e = whole; e < ROW_VECTORS && first_ow + e * LANES < OW; e++) {
                store_lanes(
                        finished[row * ROW_VECTORS + e], start + e * LANES, 0, OW - first_ow - e * LANES, channel_bias, channel_slope,
                        residual, output);
            }
        }
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void xlane(
        __global const float* restrict input,
        __global const float* restrict packed,
        __global const float* restrict bias,
        __global const float* restrict slope,
        __global const float* restrict residual,
        __global float* restrict output,
        const int N, const int ID, const int IH, const int IW, const int OD, const int OH, const int OW) {
    __local lanes patch_lanes[IC_BLOCK * PATCH_CHANNEL / LANES];
    __local lanes partial[IC_BLOCK < IC_PER_GROUP ? ITEM_TILES * ACCUMULATORS : ACCUMULATORS];
    __local lanes finished[ACCUMULATORS];
    __local float* const patch = (__local float*)patch_lanes;

    const int row_tiles = CEIL_DIV(CEIL_DIV(OH, SH), RY);
    const int qd = (int)get_group_id(1) / row_tiles;
    const int first_qh = ((int)get_group_id(1) - qd * row_tiles) * RY;
    const int first_qw = (int)get_group_id(0) * (XT * NV * LANES);
    const int image_group = (int)get_group_id(2) / OC_CHUNKS;
    const int first_tile = ((int)get_group_id(2) - image_group * OC_CHUNKS) * OC_CHUNK;
    const int n = image_group / GROUPS;
    const int group = image_group - n * GROUPS;

    for (int first_ic = 0; first_ic < IC_PER_GROUP; first_ic += IC_BLOCK) {
        const int count = min(IC_BLOCK, IC_PER_GROUP - first_ic);
        stage_patch(
                patch, PATCH_D, PATCH_H, PATCH_W, input, n, group * IC_PER_GROUP + first_ic, count,
                qd - LEAD_D, first_qh - LEAD_H, first_qw - LEAD_W, ID, IH, IW);
        // Next come other channels, or what the next work-item begins with: further along the row, or rows below.
        const bool finishing = first_ic + IC_BLOCK >= IC_PER_GROUP;
        const bool last_in_row = get_group_id(0) + 1 == get_num_groups(0);
        __global const float* const next = input + INPUT_AT(
                n, group * IC_PER_GROUP + (finishing ? 0 : first_ic + IC_BLOCK), qd,
                first_qh - LEAD_H + (finishing && last_in_row ? RY : 0),
                finishing ? (last_in_row ? 0 : first_qw + XT * NV * LANES) : first_qw);
        const size_t next_channel = (size_t)ID * IH * IW;
        int part = 0;
        for (int tile = first_tile; tile < min(first_tile + OC_CHUNK, OC_TILES); tile++) {
            __global const float* const weights =
                    packed + (size_t)(group * OC_TILES + tile) * PACKED_TILE + first_ic * PACKED_IC;
            for (int phases = 0; phases < SD * (SH / TILE_H); phases++) {
                const int rd = phases / (SH / TILE_H);
                const int rh = phases - rd * (SH / TILE_H);
                for (int y = 0; y < RY; y++) {
                    for (int x = 0; x < XT; x++, part++) {
                        __local lanes* const kept = partial + (IC_BLOCK < IC_PER_GROUP ? part : 0) * ACCUMULATORS;
                        lanes sums[ACCUMULATORS];
                        for (int ic = part; !MERGE_H && ic < IC_BLOCK; ic += ITEM_TILES) {
                            prefetch_lines(next + ic * next_channel, 0, 1, IW);
                        }
                        // The error grows with the length of a sum and with the number of sums.
                        for (int ic = 0; ic < count; ic += SUMMED) {
                            #pragma unroll
                            for (int a = 0; a < ACCUMULATORS; a++) {
                                sums[a] = (lanes)(0.0f);
                            }
                            add_tile(
                                    sums, patch + ic * PATCH_CHANNEL + x * NV * LANES, weights + ic * PACKED_IC,
                                    min(SUMMED, count - ic), rd, rh, y, next + ic * next_channel, next_channel, part, IW);
                            if (first_ic + ic > 0) {
                                #pragma unroll
                                for (int a = 0; a < ACCUMULATORS; a++) {
                                    sums[a] += kept[a];
                                }
                            }
                            if (first_ic + ic + SUMMED < IC_PER_GROUP) {
                                #pragma unroll
                                for (int a = 0; a < ACCUMULATORS; a++) {
                                    kept[a] = sums[a];
                                }
                            }
                        }
                        if (finishing) {
                            store_tile(
                                    sums, finished, bias, slope, residual, output, n, group, tile * MR, qd * SD + rd,
                                    (first_qh + y) * SH + rh, (first_qw + x * NV * LANES) * SW, OD, OH, OW);
                        }
                    }
                }
            }
        }
    }
}
