// weight_gradient_clane.cl: gradient by the weight, lanes are input channels ("channel-lane"). For at least some 16 input
// channels of a group.
//   weight_gradient[ic][oc][kd][kh][kw] = sum over n,id,ih,iw of
//       input[n][ic][id][ih][iw] * output_gradient[n][oc][od][oh][ow]
// Layout, batches, ND-range and how the work is shared: batches.cl.
// A work-item has IT tiles of TILE_IC = LANES * V input channels. Batch by batch it copies the input to local memory,
//   channels innermost, and the zero-padded rows of the output gradient that it meets. A register tile has V vectors of
//   input channels for each of OCT output channels and KWC taps of a row; a value of the output gradient is one scalar for
//   V vectors. The sums of a batch are added to those of the block in local memory.
// Writes every element of its part once, in an order of additions that the sizes alone decide: deterministic.
// Constants: those of batches.cl, and
//   V   vectors of input channels of a register tile, which has V * OCT * KWC sums in registers
//   IT  the work-item's tiles of input channels

#define TILE_IC (LANES * V)
#define ITEM_IC (IT * TILE_IC)
#define SUMS (OCT * KWC * V)

#define PITCH (CEIL_DIV((SEG - 1) * SW + (KW_CHUNKS * KWC - 1) * DW + 1, LANES) * LANES)
#define PATCH_IMAGE (TAP_D * PATCH_H * PITCH)
#define PATCH_CHANNEL (IMGS * PATCH_IMAGE)
#define PANEL_ROW (SEG * TILE_IC)
#define PANEL_TILE (IMGS * RY * PANEL_ROW)

// Adds count positions to a register tile. The step is SW, which the compiler must not know: where taps meet what taps beside
// them met a position earlier it would keep those values, and spill sums for them.
FLATTENED void add_positions(
        lanes* sums, __local const float* panel, __local const float* patch, const int step, const int count) {
    for (int p = 0; p < count; p++) {
        lanes x[V];
        #pragma unroll
        for (int v = 0; v < V; v++) {
            x[v] = LANES_FROM(__local, panel + p * TILE_IC + v * LANES);
        }
        #pragma unroll
        for (int o = 0; o < OCT; o++) {
            #pragma unroll
            for (int k = 0; k < KWC; k++) {
                const lanes g = (lanes)(patch[p * step + o * PATCH_CHANNEL + k * DW]);
                #pragma unroll
                for (int v = 0; v < V; v++) {
                    sums[(o * KWC + k) * V + v] = plus_product(sums[(o * KWC + k) * V + v], g, x[v]);
                }
            }
        }
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void weight_gradient_clane(
        __global const float* restrict input,
        __global const float* restrict output_gradient,
        __global float* restrict weight_gradient,
        const int BATCHES,
        const int N, const int ID, const int IH, const int IW, const int OD, const int OH, const int OW) {
    __local lanes panel_lanes[IT * PANEL_TILE / LANES];
    __local lanes patch_lanes[ITEM_OC * PATCH_CHANNEL / LANES];
    __local lanes kept[IT * OT * TAP_D * TAP_H * KW_CHUNKS * SUMS];
    __local float* const panel = (__local float*)panel_lanes;
    __local float* const patch = (__local float*)patch_lanes;

    const share own = share_of_item(ITEM_IC, BATCHES, N, ID, IH, IW);
    const size_t plane = (size_t)ID * IH * IW;
    const int step = BATCHES > 0 ? SW : SW + 1;

    for (int a = 0; a < IT * OT * TAP_D * TAP_H * KW_CHUNKS * SUMS; a++) {
        kept[a] = (lanes)(0.0f);
    }
    for (int batch = own.begin; batch < own.end; batch++) {
        const positions at = positions_of_batch(batch, N, ID, IH, IW);
        for (int i = 0; i < at.images; i++) {
            for (int y = 0; y < at.rows; y++) {
                for (int c = 0; c < own.count_ic; c += TILE_IC) {
                    const int ic = own.group * IC_PER_GROUP + own.first_icg + c;
                    stage_panel(
                            panel + c / TILE_IC * PANEL_TILE + (i * RY + y) * PANEL_ROW, TILE_IC,
                            input + INPUT_AT(at.first_n + i, ic, at.id, at.first_ih + y, at.first_iw), plane,
                            min(TILE_IC, own.count_ic - c), at.count);
                }
            }
        }
        stage_batch(patch, PITCH, 0, output_gradient, own, at, OD, OH, OW);
        for (int d = 0; d < own.count_kd; d++) {
            const int od = at.id * SD - PD + (own.first_kd + d) * DD;
            if (od < 0 || od >= OD) {
                continue;
            }
            for (int h = 0; h < own.count_kh; h++) {
                for (int o = 0; o < OT && o * OCT < own.count_oc; o++) {
                    for (int tile = 0; tile < KW_CHUNKS * IT; tile++) {
                        const int k = tile / IT;
                        const int c = tile - k * IT;
                        if (c * TILE_IC >= own.count_ic) {
                            continue;
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
                                            sums, panel + c * PANEL_TILE + (i * RY + y) * PANEL_ROW,
                                            patch + o * (OCT * PATCH_CHANNEL) + i * PATCH_IMAGE
                                                    + (d * PATCH_H + y * SH + h * DH) * PITCH + k * (KWC * DW),
                                            step, at.count);
                                }
                            }
                        }
                        __local lanes* const sum = kept + ((((c * OT + o) * TAP_D + d) * TAP_H + h) * KW_CHUNKS + k) * SUMS;
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
    const size_t channel = (size_t)OC_PER_GROUP * KD * KH * KW;
    // Channels outermost: their weights may lie a power of two apart and then share cache sets.
    for (int c = 0; c < own.count_ic; c += 4) {
        const int in_tile = c / TILE_IC;
        for (int o = 0; o < own.count_oc; o++) {
            const int tile = in_tile * OT + o / OCT;
            for (int t = 0; t < own.count_kd * own.count_kh; t++) {
                const int d = t / own.count_kh;
                const int h = t - d * own.count_kh;
                const int ic = own.group * IC_PER_GROUP + own.first_icg + c;
                __global float* const row =
                        part + WEIGHT_AT(ic, own.first_ocg + o, own.first_kd + d, own.first_kh + h, 0);
                for (int kw = 0; kw < KW; kw++) {
                    const int chunk = kw / KWC;
                    __local const float* const from = (__local const float*)(kept
                            + (((tile * TAP_D + d) * TAP_H + h) * KW_CHUNKS + chunk) * SUMS
                            + ((o - o / OCT * OCT) * KWC + kw - chunk * KWC) * V) + c - in_tile * TILE_IC;
                    if (c + 4 <= own.count_ic) {
                        #pragma unroll
                        for (int i = 0; i < 4; i++) {
                            row[i * channel + kw] = from[i];
                        }
                    } else {
                        for (int i = 0; i < own.count_ic - c; i++) {
                            row[i * channel + kw] = from[i];
                        }
                    }
                }
            }
        }
    }
}
