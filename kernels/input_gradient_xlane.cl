// input_gradient_xlane.cl: gradient by the input = the adjoint convolution, the lanes of a vector are neighbours along the
// row ("x-lane"). For few input channels a group, depthwise above all.
//   input_gradient[n][ic][id][ih][iw] = activate(bias[ic] + residual[n][ic][id][ih][iw] +
//       sum over oc,kd,kh,kw of output_gradient[n][oc][od][oh][ow] * weight[ic][oc][kd][kh][kw])
//   with od == id * SD - PD + kd * DD (likewise oh, ow); terms outside the output vanish. oc runs over the group of ic.
// Layout: output_gradient (N, OC, OD, OH, OW), input_gradient and residual (N, IC, ID, IH, IW), bias and slope (IC);
//   packed (GROUPS, IC_TILES, KD, KH, OC / GROUPS, KW, MR), zeros beyond the last channel.
// A work-item is a work-group of its own. Block by block of OC_BLOCK channels it copies a zero-padded patch of the output
//   gradient to local memory, each row split by phase, position mod SW: what a tap reads for neighbours is then contiguous.
//   It walks over its register tiles, MR input channels x NV vectors; the sums of a tile wait in local memory.
// ND-range: (ceil(IW / (XT * NV * LANES)), ID * ceil(IH / RY), chunks of IT channel tiles * GROUPS * N), work-group size 1;
//   input_gradient_xlane_pack: (elements of packed).
// Writes every element once, in a fixed order of additions that no size of a tile changes: deterministic.
// Constants: the layer's (common.cl) and its epilogue (forward.cl), LANES (lanes.cl), and
//   MR NV      input channels and vectors of a register tile; MR * NV sums in registers
//   XT RY IT   the work-item's tiles along the row, its rows, its tiles of channels
//   OC_BLOCK   output channels of a patch
//   KW_UNROLL  taps of a row that are written out, KW or a divisor of it that the phases divide
//   ROW_PARTS  1: the products of a row of taps and a block of channels are summed on their own; 0: those of a block

#define IC_TILES CEIL_DIV(IC_PER_GROUP, MR)
#define IC_CHUNKS CEIL_DIV(IC_TILES, IT)
#define SUMS (MR * NV)
#define BLOCKED (OC_BLOCK < OC_PER_GROUP)
#define ITEM_TILES (BLOCKED ? IT * RY * XT : 1)

#define PITCH (CEIL_DIV(XT * NV * LANES + (KW - 1) * DW / SW, LANES) * LANES)
#define PATCH_ROW (SW * PITCH)
#define PATCH_H ((RY - 1) * SH + (KH - 1) * DH + 1)
#define PATCH_CHANNEL (KD * PATCH_H * PATCH_ROW)

#define PACKED_OC (KW * MR)
#define PACKED_ROW (OC_PER_GROUP * PACKED_OC)
#define PACKED_TILE (KD * KH * PACKED_ROW)

__kernel void input_gradient_xlane_pack(__global const float* restrict weight, __global float* restrict packed) {
    const size_t at = get_global_id(0);
    const size_t tap = at / MR;
    const int m = (int)(at - tap * MR);
    const size_t channel = tap / KW;
    const int kw = (int)(tap - channel * KW);
    const size_t row = channel / OC_PER_GROUP;
    const int ocg = (int)(channel - row * OC_PER_GROUP);
    const size_t plane = row / KH;
    const int kh = (int)(row - plane * KH);
    const size_t tile = plane / KD;
    const int kd = (int)(plane - tile * KD);
    const int group = (int)(tile / IC_TILES);
    const int icg = (int)(tile - (size_t)group * IC_TILES) * MR + m;
    packed[at] = icg < IC_PER_GROUP ? weight[WEIGHT_AT(group * IC_PER_GROUP + icg, ocg, kd, kh, kw)] : 0.0f;
}

// Adds a row of taps of one output channel to a tile, which begins at row in the first phase.
FLATTENED void add_taps(lanes* sums, __local const float* row, __global const float* weights) {
    for (int first = 0; first < KW; first += KW_UNROLL) {
        __local const float* const shifted = row + first * DW / SW;
        #pragma unroll
        for (int k = 0; k < KW_UNROLL; k++) {
            const int shift = k * DW / SW;
            const int phase = k * DW - shift * SW;
            lanes x[NV];
            #pragma unroll
            for (int v = 0; v < NV; v++) {
                x[v] = LANES_FROM(__local, shifted + phase * PITCH + shift + v * LANES);
            }
            #pragma unroll
            for (int m = 0; m < MR; m++) {
                const lanes w = (lanes)(weights[(first + k) * MR + m]);
                #pragma unroll
                for (int v = 0; v < NV; v++) {
                    sums[m * NV + v] += w * x[v];
                }
            }
        }
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void input_gradient_xlane(
        __global const float* restrict output_gradient,
        __global const float* restrict packed,
        __global const float* restrict bias,
        __global const float* restrict slope,
        __global const float* restrict residual,
        __global float* restrict input_gradient,
        const int N, const int ID, const int IH, const int IW, const int OD, const int OH, const int OW) {
    __local lanes patch_lanes[OC_BLOCK * PATCH_CHANNEL / LANES];
    __local lanes line_lanes[SW > 1 ? PATCH_ROW / LANES : 1];
    __local lanes kept[ITEM_TILES * SUMS];
    __local float* const patch = (__local float*)patch_lanes;
    __local float* const line = (__local float*)line_lanes;

    const int first_iw = (int)get_global_id(0) * (XT * NV * LANES);
    const int row_blocks = CEIL_DIV(IH, RY);
    const int id = (int)get_global_id(1) / row_blocks;
    const int first_ih = ((int)get_global_id(1) - id * row_blocks) * RY;
    const int chunk_group = (int)get_global_id(2) / N;
    const int n = (int)get_global_id(2) - chunk_group * N;
    const int chunk = chunk_group / GROUPS;
    const int group = chunk_group - chunk * GROUPS;
    const int end_tile = min((chunk + 1) * IT, IC_TILES);

    for (int first_ocg = 0; first_ocg < OC_PER_GROUP; first_ocg += OC_BLOCK) {
        const int count = min(OC_BLOCK, OC_PER_GROUP - first_ocg);
        for (int c = 0; c < count; c++) {
            const int oc = group * OC_PER_GROUP + first_ocg + c;
            for (int kd = 0; kd < KD; kd++) {
                const int od = id * SD - PD + kd * DD;
                for (int h = 0; h < PATCH_H; h++) {
                    const int oh = first_ih * SH - PH + h;
                    const bool inside = od >= 0 && od < OD && oh >= 0 && oh < OH;
                    __local float* const to = patch + c * PATCH_CHANNEL + (kd * PATCH_H + h) * PATCH_ROW;
                    stage_row(
                            SW > 1 ? line : to, output_gradient + (inside ? OUTPUT_AT(n, oc, od, oh, 0) : 0), PATCH_ROW,
                            first_iw * SW - PW, inside ? OW : 0);
                    if (SW > 1) {
                        split_row(to, line, PITCH);
                    }
                }
            }
        }
        for (int tile = chunk * IT; tile < end_tile; tile++) {
            __global const float* const weights =
                    packed + (size_t)(group * IC_TILES + tile) * PACKED_TILE + (size_t)first_ocg * PACKED_OC;
            for (int y = 0; y < RY; y++) {
                for (int x = 0; x < XT; x++) {
                    __local lanes* const sum =
                            kept + (BLOCKED ? ((tile - chunk * IT) * RY + y) * XT + x : 0) * SUMS;
                    lanes sums[SUMS];
                    #pragma unroll
                    for (int a = 0; a < SUMS; a++) {
                        sums[a] = (lanes)(0.0f);
                        if (first_ocg == 0) {
                            sum[a] = (lanes)(0.0f);
                        }
                    }
                    for (int kd = 0; kd < KD; kd++) {
                        const int od = id * SD - PD + kd * DD;
                        if (od < 0 || od >= OD) {
                            continue;
                        }
                        for (int kh = 0; kh < KH; kh++) {
                            const int h = y * SH + kh * DH;
                            const int oh = first_ih * SH - PH + h;
                            if (oh < 0 || oh >= OH) {
                                continue;
                            }
                            __local const float* const row = patch + (kd * PATCH_H + h) * PATCH_ROW + x * (NV * LANES);
                            __global const float* const taps = weights + (size_t)(kd * KH + kh) * PACKED_ROW;
                            for (int c = 0; c < count; c++) {
                                add_taps(sums, row + c * PATCH_CHANNEL, taps + c * PACKED_OC);
                            }
                            if (ROW_PARTS) {
                                #pragma unroll
                                for (int a = 0; a < SUMS; a++) {
                                    sum[a] += sums[a];
                                    sums[a] = (lanes)(0.0f);
                                }
                            }
                        }
                    }
                    if (!ROW_PARTS) {
                        #pragma unroll
                        for (int a = 0; a < SUMS; a++) {
                            sum[a] += sums[a];
                        }
                    }
                    const int ih = first_ih + y;
                    const int iw = first_iw + x * (NV * LANES);
                    if (first_ocg + OC_BLOCK < OC_PER_GROUP || ih >= IH) {
                        continue;
                    }
                    for (int m = 0; m < min(MR, IC_PER_GROUP - tile * MR); m++) {
                        const int ic = group * IC_PER_GROUP + tile * MR + m;
                        const long at = INPUT_AT(n, ic, id, ih, iw);
                        for (int v = 0; v < NV && iw + v * LANES < IW; v++) {
                            store_lanes(
                                    sum[m * NV + v], at + v * LANES, 0, IW - iw - v * LANES, HAS_BIAS ? bias[ic] : 0.0f,
                                    ACTIVATION == 3 ? slope[ic] : 0.0f, residual, input_gradient);
                        }
                    }
                }
            }
        }
    }
}
