// weight_gradient_xlane.cl: gradient by the weight, the lanes of a vector are neighbours along the row ("x-lane"). For few
// input channels a group, depthwise above all.
//   weight_gradient[ic][oc][kd][kh][kw] = sum over n,id,ih,iw of
//       input[n][ic][id][ih][iw] * output_gradient[n][oc][od][oh][ow]
// Layout, batches, ND-range and how the work is shared: batches.cl.
// A work-item has IT * ICT input channels. Batch by batch it copies the input to local memory and the zero-padded rows of
//   the output gradient that it meets, split by phase, position mod SW: what a tap meets of neighbours is then contiguous.
//   A register tile has a vector for each of ICT * OCT * KWC weights; the lanes of a vector are added at the end of the
//   block, in halves.
// Writes every element of its part once, in an order of additions that the sizes alone decide: deterministic.
// Constants: those of batches.cl, where SEG is a multiple of LANES, and
//   ICT  input channels of a register tile, which has ICT * OCT * KWC sums in registers
//   IT   the work-item's tiles of input channels

#define ITEM_IC (IT * ICT)
#define SUMS (ICT * OCT * KWC)

#define PITCH (CEIL_DIV(SEG + (KW - 1) * DW / SW, LANES) * LANES)
#define PATCH_ROW (SW * PITCH)
#define PATCH_IMAGE (TAP_D * PATCH_H * PATCH_ROW)
#define PATCH_CHANNEL (IMGS * PATCH_IMAGE)
#define PANEL_CHANNEL (IMGS * RY * SEG)

// Adds count positions, rounded up to vectors, to a register tile; taps are where its taps read the first phase's row.
FLATTENED void add_positions(
        lanes* sums, __local const float* panel, __local const float* patch, const int* taps, const int count) {
    for (int p = 0; p < count; p += LANES) {
        lanes x[ICT];
        #pragma unroll
        for (int i = 0; i < ICT; i++) {
            x[i] = LANES_FROM(__local, panel + i * PANEL_CHANNEL + p);
        }
        #pragma unroll
        for (int o = 0; o < OCT; o++) {
            #pragma unroll
            for (int k = 0; k < KWC; k++) {
                const lanes g = LANES_FROM(__local, patch + o * PATCH_CHANNEL + taps[k] + p);
                #pragma unroll
                for (int i = 0; i < ICT; i++) {
                    sums[(i * OCT + o) * KWC + k] += g * x[i];
                }
            }
        }
    }
}

// The sum of a vector's lanes: halves are added until one is left.
FLATTENED float sum_of_lanes(const lanes vector) {
    float values[LANES];
    LANES_AT(__private, values) = vector;
    for (int left = LANES / 2; left > 0; left /= 2) {
        for (int lane = 0; lane < left; lane++) {
            values[lane] += values[lane + left];
        }
    }
    return values[0];
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void weight_gradient_xlane(
        __global const float* restrict input,
        __global const float* restrict output_gradient,
        __global float* restrict weight_gradient,
        const int BATCHES,
        const int N, const int ID, const int IH, const int IW, const int OD, const int OH, const int OW) {
    __local lanes panel_lanes[ITEM_IC * PANEL_CHANNEL / LANES];
    __local lanes patch_lanes[ITEM_OC * PATCH_CHANNEL / LANES];
    __local lanes line_lanes[SW > 1 ? PATCH_ROW / LANES : 1];
    __local lanes kept[IT * OT * TAP_D * TAP_H * KW_CHUNKS * SUMS];
    __local float* const panel = (__local float*)panel_lanes;
    __local float* const patch = (__local float*)patch_lanes;

    const share own = share_of_item(ITEM_IC, BATCHES, N, ID, IH, IW);

    for (int a = 0; a < IT * OT * TAP_D * TAP_H * KW_CHUNKS * SUMS; a++) {
        kept[a] = (lanes)(0.0f);
    }
    for (int batch = own.begin; batch < own.end; batch++) {
        const positions at = positions_of_batch(batch, N, ID, IH, IW);
        for (int c = 0; c < own.count_ic; c++) {
            for (int i = 0; i < at.images; i++) {
                for (int y = 0; y < at.rows; y++) {
                    const int ic = own.group * IC_PER_GROUP + own.first_icg + c;
                    stage_row(
                            panel + c * PANEL_CHANNEL + (i * RY + y) * SEG,
                            input + INPUT_AT(at.first_n + i, ic, at.id, at.first_ih + y, 0), SEG, at.first_iw, IW);
                }
            }
        }
        stage_batch(patch, PATCH_ROW, SW > 1 ? (__local float*)line_lanes : 0, output_gradient, own, at, OD, OH, OW);
        for (int d = 0; d < own.count_kd; d++) {
            const int od = at.id * SD - PD + (own.first_kd + d) * DD;
            if (od < 0 || od >= OD) {
                continue;
            }
            for (int h = 0; h < own.count_kh; h++) {
                for (int tile = 0; tile < IT * OT; tile++) {
                    const int tile_i = tile / OT;
                    const int tile_o = tile - tile_i * OT;
                    if (tile_i * ICT >= own.count_ic || tile_o * OCT >= own.count_oc) {
                        continue;
                    }
                    for (int k = 0; k < KW_CHUNKS; k++) {
                        int taps[KWC];
                        #pragma unroll
                        for (int tap = 0; tap < KWC; tap++) {
                            const int spread = min(k * KWC + tap, KW - 1) * DW;
                            taps[tap] = (spread - spread / SW * SW) * PITCH + spread / SW;
                        }
                        lanes sums[SUMS];
                        #pragma unroll
                        for (int a = 0; a < SUMS; a++) {
                            sums[a] = (lanes)(0.0f);
                        }
                        for (int i = 0; i < at.images; i++) {
                            for (int y = 0; y < at.rows; y++) {
                                const int oh = (at.first_ih + y) * SH - PH + (own.first_kh + h) * DH;
                                if (oh >= 0 && oh < OH) {
                                    add_positions(
                                            sums, panel + tile_i * (ICT * PANEL_CHANNEL) + (i * RY + y) * SEG,
                                            patch + tile_o * (OCT * PATCH_CHANNEL) + i * PATCH_IMAGE
                                                    + (d * PATCH_H + y * SH + h * DH) * PATCH_ROW,
                                            taps, at.count);
                                }
                            }
                        }
                        __local lanes* const sum = kept + (((tile * TAP_D + d) * TAP_H + h) * KW_CHUNKS + k) * SUMS;
                        #pragma unroll
                        for (int a = 0; a < SUMS; a++) {
                            sum[a] += sums[a];
                        }
                    }
                }
            }
        }
    }

    __global float* const part = weight_gradient + get_global_id(0) * ((size_t)IC * OC_PER_GROUP * KD * KH * KW);
    for (int i = 0; i < own.count_ic; i++) {
        for (int o = 0; o < own.count_oc; o++) {
            const int tile = i / ICT * OT + o / OCT;
            const int pair = (i - i / ICT * ICT) * OCT + o - o / OCT * OCT;
            for (int t = 0; t < own.count_kd * own.count_kh; t++) {
                const int d = t / own.count_kh;
                const int h = t - d * own.count_kh;
                const int ic = own.group * IC_PER_GROUP + own.first_icg + i;
                __global float* const row =
                        part + WEIGHT_AT(ic, own.first_ocg + o, own.first_kd + d, own.first_kh + h, 0);
                for (int kw = 0; kw < KW; kw++) {
                    const int chunk = kw / KWC;
                    row[kw] = sum_of_lanes(
                            kept[(((tile * TAP_D + d) * TAP_H + h) * KW_CHUNKS + chunk) * SUMS + pair * KWC + kw - chunk * KWC]);
                }
            }
        }
    }
}
