// forward_phaselane.cl: transposed convolution with a long stride, the lanes of a vector are neighbouring phases of the row.
//   output[n][oc][od][oh][ow] = activation(bias[oc] + sum over ic,kd,kh,kw of input[n][ic][id][ih][iw] * weight[ic][oc][kd][kh][kw])
//   with id = qd - TAP_SHIFT(kd) for od = SD * qd + TAP_PHASE(kd) (likewise h; see common.cl); + residual, if any.
//   Along the row  ow = SW * qw + r - OFFSET  with r = LANES * block + lane, and iw = qw - j: lane r meets the tap
//   kw = (SW * j + r + SHIFTED_PAD) / DW, where that divides and exists, else a zero weight.
// Layout: input (N, IC, ID, IH, IW), output (N, OC, OD, OH, OW);
//   packed (GROUPS * OC_TILES, KD, KH, BLOCKS, IC / GROUPS, SLOTS, MR, LANES), slot being j counted from the block's first.
// A work-item is a work-group of its own. It copies a zero-padded patch of the input to local memory, then walks over
//   its tiles, each MR output channels x QT grid points x a block of LANES phases, held in registers.
// ND-range: (row tiles of QT grid points, QD * tiles of RY grid rows, N * GROUPS * OC_TILES * chunks of PHASE_CHUNK phases),
//   work-group size 1; QD = ceil(OD / SD), QH = ceil(OH / SH), and along the row there are ceil((OW + OFFSET) / SW) points.
// Writes every output element once, in a fixed order of additions: deterministic.
// Constants: the layer's (common.cl) and
//   LANES              floats in a vector
//   MR, QT             output channels and grid points of a register tile; MR * QT accumulators, 16 to 28 are best
//   RY                 grid rows of a work-item
//   PHASE_CHUNK        phases (of SD * SH) of a work-item
//   SLOTS              most taps that a block's lanes meet: the largest LAST_J(block) - FIRST_J(block) + 1

#define OC_TILES CEIL_DIV(OC_PER_GROUP, MR)
#define PHASE_CHUNKS CEIL_DIV(SD * SH, PHASE_CHUNK)

// Blocks begin where taps do: with an offset congruent to the padding, a kernel of whole vectors wastes no lane.
#define OFFSET (PW - FLOOR_DIV(PW, LANES) * LANES)
#define SHIFTED_PAD (PW - OFFSET)
#define BLOCKS CEIL_DIV(SW, LANES)
#define SPREAD_W ((KW - 1) * DW)
#define FIRST_J(block) (-FLOOR_DIV(LANES * (block) + LANES - 1 + SHIFTED_PAD, SW))
#define LAST_J(block) FLOOR_DIV(SPREAD_W - LANES * (block) - SHIFTED_PAD, SW)

#define LEAD_D TAP_SHIFT(KD - 1, SD, DD, PD)
#define LEAD_H TAP_SHIFT(KH - 1, SH, DH, PH)
// Of the first block, which begins last, all slots: where other blocks meet more taps, those past its own have zero weights.
#define LEAD_W (FIRST_J(0) + SLOTS - 1)
#define PATCH_D (1 + LEAD_D - TAP_SHIFT(0, SD, DD, PD))
#define PATCH_H (RY + LEAD_H - TAP_SHIFT(0, SH, DH, PH))
#define PATCH_W (CEIL_DIV(QT + LEAD_W - FIRST_J(BLOCKS - 1), LANES) * LANES)
#define PATCH_CHANNEL (PATCH_D * PATCH_H * PATCH_W)

#define PACKED_IC (SLOTS * MR * LANES)
#define PACKED_BLOCK (IC_PER_GROUP * PACKED_IC)
#define PACKED_TILE (KD * KH * BLOCKS * PACKED_BLOCK)

// One work-item packs a vector of phases. ND-range: (GROUPS * OC_TILES * PACKED_TILE / LANES).
__kernel void phaselane_pack(__global const float* restrict weight, __global float* restrict packed) {
    const size_t vector = get_global_id(0);
    const size_t slots = vector / MR;
    const int m = (int)(vector - slots * MR);
    const size_t channels = slots / SLOTS;
    const int slot = (int)(slots - channels * SLOTS);
    const size_t blocks = channels / IC_PER_GROUP;
    const int ic = (int)(channels - blocks * IC_PER_GROUP);
    const size_t rows = blocks / BLOCKS;
    const int block = (int)(blocks - rows * BLOCKS);
    const size_t planes = rows / KH;
    const int kh = (int)(rows - planes * KH);
    const size_t tile = planes / KD;
    const int kd = (int)(planes - tile * KD);
    const int group = (int)(tile / OC_TILES);
    const int ocg = (int)(tile - (size_t)group * OC_TILES) * MR + m;

    for (int lane = 0; lane < LANES; lane++) {
        const int r = block * LANES + lane;
        const int spread = SW * (FIRST_J(block) + slot) + r + SHIFTED_PAD;
        const int kw = spread / DW;
        const bool real = ocg < OC_PER_GROUP && r < SW && spread >= 0 && kw < KW && kw * DW == spread;
        packed[vector * LANES + lane] =
                real ? weight[WEIGHT_AT(group * IC_PER_GROUP + ic, ocg, kd, kh, kw)] : 0.0f;
    }
}

// Adds to QT grid points of a block of phases one slot of taps of one input row and channel.
FLATTENED void add_slot(lanes* sums, __local const float* row, __global const float* weights) {
    #pragma unroll
    for (int m = 0; m < MR; m++) {
        const lanes weight = LANES_FROM(__global, weights + m * LANES);
        #pragma unroll
        for (int q = 0; q < QT; q++) {
            sums[m * QT + q] += weight * (lanes)(row[q]);
        }
    }
}

// Adds all input channels to the tile of phase (rd, rh) and block at grid row h of the patch. The channels of a row and
// slot are summed on their own: the error then grows with their number and with that of the taps, not with both.
FLATTENED void add_tile(
        lanes* sums, __local const float* patch, __global const float* weights,
        const int rd, const int rh, const int block, const int h) {
    for (int kd = tap_d(0, rd); kd < KD; kd = tap_d(kd + 1, rd)) {
        const int d = LEAD_D - TAP_SHIFT(kd, SD, DD, PD);
        for (int kh = tap_h(0, rh); kh < KH; kh = tap_h(kh + 1, rh)) {
            __local const float* const row =
                    patch + (d * PATCH_H + h + LEAD_H - TAP_SHIFT(kh, SH, DH, PH)) * PATCH_W + LEAD_W - FIRST_J(block);
            __global const float* const taps = weights + ((kd * KH + kh) * BLOCKS + block) * PACKED_BLOCK;
            for (int slot = 0; slot < SLOTS; slot++) {
                lanes part[MR * QT];
                #pragma unroll
                for (int a = 0; a < MR * QT; a++) {
                    part[a] = (lanes)(0.0f);
                }
                for (int ic = 0; ic < IC_PER_GROUP; ic++) {
                    add_slot(part, row + ic * PATCH_CHANNEL - slot, taps + ic * PACKED_IC + slot * (MR * LANES));
                }
                #pragma unroll
                for (int a = 0; a < MR * QT; a++) {
                    sums[a] += part[a];
                }
            }
        }
    }
}

// Stores a tile at output row (od, oh), its first grid point standing at first_ow, as far as it exists.
FLATTENED void store_tile(
        __local const lanes* finished, __global const float* bias, __global const float* slope,
        __global const float* residual, __global float* output, const int n, const int group,
        const int first_ocg, const int od, const int oh, const int first_ow, const int phases, const int OD, const int OH,
        const int OW) {
    for (int m = 0; m < MR; m++) {
        const int oc = group * OC_PER_GROUP + first_ocg + m;
        if (od < OD && oh < OH && first_ocg + m < OC_PER_GROUP) {
            const float channel_bias = HAS_BIAS ? bias[oc] : 0.0f;
            const float channel_slope = ACTIVATION == 3 ? slope[oc] : 0.0f;
            const long start = OUTPUT_AT(n, oc, od, oh, 0);
            for (int q = 0; q < QT; q++) {
                const int ow = first_ow + q * SW;
                store_lanes(
                        finished[m * QT + q], start + ow, -ow, min(phases, OW - ow), channel_bias, channel_slope, residual,
                        output);
            }
        }
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void phaselane(
        __global const float* restrict input,
        __global const float* restrict packed,
        __global const float* restrict bias,
        __global const float* restrict slope,
        __global const float* restrict residual,
        __global float* restrict output,
        const int N, const int ID, const int IH, const int IW, const int OD, const int OH, const int OW) {
    __local lanes patch_lanes[IC_PER_GROUP * PATCH_CHANNEL / LANES];
    __local lanes finished[MR * QT];
    __local float* const patch = (__local float*)patch_lanes;

    const int row_tiles = CEIL_DIV(CEIL_DIV(OH, SH), RY);
    const int qd = (int)get_group_id(1) / row_tiles;
    const int first_qh = ((int)get_group_id(1) - qd * row_tiles) * RY;
    const int first_qw = (int)get_group_id(0) * QT;
    const int image_tile = (int)get_group_id(2) / PHASE_CHUNKS;
    const int first_phase = ((int)get_group_id(2) - image_tile * PHASE_CHUNKS) * PHASE_CHUNK;
    const int image_group = image_tile / OC_TILES;
    const int tile = image_tile - image_group * OC_TILES;
    const int n = image_group / GROUPS;
    const int group = image_group - n * GROUPS;

    stage_patch(
            patch, PATCH_D, PATCH_H, PATCH_W, input, n, group * IC_PER_GROUP, IC_PER_GROUP,
            qd - LEAD_D, first_qh - LEAD_H, first_qw - LEAD_W, ID, IH, IW);
    for (int phase = first_phase; phase < min(first_phase + PHASE_CHUNK, SD * SH); phase++) {
        const int rd = phase / SH;
        const int rh = phase - rd * SH;
        for (int y = 0; y < RY; y++) {
            for (int block = 0; block < BLOCKS; block++) {
                lanes sums[MR * QT];
                #pragma unroll
                for (int a = 0; a < MR * QT; a++) {
                    sums[a] = (lanes)(0.0f);
                }
                add_tile(
                        sums, patch, packed + (size_t)(group * OC_TILES + tile) * PACKED_TILE, rd, rh, block, y);
                #pragma unroll
                for (int a = 0; a < MR * QT; a++) {
                    finished[a] = sums[a];
                }
                store_tile(
                        finished, bias, slope, residual, output, n, group, tile * MR, qd * SD + rd, (first_qh + y) * SH + rh,
                        first_qw * SW - OFFSET + block * LANES, SW - block * LANES, OD, OH, OW);
            }
        }
    }
}
