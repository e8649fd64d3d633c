// weight_gradient_xlane.cl: gradient by the weight, the lanes of a vector are neighbours along the row ("x-lane"). For few
// input channels a group, depthwise above all.
//   weight_gradient[ic][oc][kd][kh][kw] = sum over n,id,ih,iw of
//       input[n][ic][id][ih][iw] * output_gradient[n][oc][od][oh][ow]
//   with od == id * SD - PD + kd * DD (likewise oh, ow); terms outside the output vanish.
// Layout: input (N, IC, ID, IH, IW), output_gradient (N, OC, OD, OH, OW); weight_gradient (BLOCKS, IC, OC / GROUPS, KD,
//   KH, KW): each block of the sum writes its own part, which gradient_sum.cl adds up if there are several.
// SEG positions of RY rows of IMGS images of the input are a batch, BATCHES batches a block.
// A work-item is a work-group of its own and computes one block for a chunk of IT * ICT input channels, of OT * OCT output
//   channels and TAP_D * TAP_H rows of taps. Batch by batch it copies the input to local memory and the zero-padded rows of
//   the output gradient that it meets, split by phase, position mod SW: what a tap meets of neighbours is then contiguous.
//   A register tile has a vector for each of ICT * OCT * KWC weights; the lanes of a vector are added at the end of the
//   block, in halves.
// ND-range: (BLOCKS, ceil(KD / TAP_D) * ceil(KH / TAP_H), GROUPS * IC_CHUNKS * OC_CHUNKS), work-group size 1.
// Writes every element of its part once, in an order of additions that the sizes alone decide: deterministic.
// Constants: the layer's (common.cl), LANES (lanes.cl), and
//   ICT OCT KWC       input channels, output channels and taps of a register tile; their product is the sums in registers
//   IT OT TAP_D TAP_H the work-item's tiles of input and output channels and its rows of taps
//   SEG RY IMGS       positions, a multiple of LANES, rows and images of a batch

#define ITEM_IC (IT * ICT)
#define ITEM_OC (OT * OCT)
#define IC_CHUNKS CEIL_DIV(IC_PER_GROUP, ITEM_IC)
#define OC_CHUNKS CEIL_DIV(OC_PER_GROUP, ITEM_OC)
#define KW_CHUNKS CEIL_DIV(KW, KWC)
#define SUMS (ICT * OCT * KWC)

#define PITCH (CEIL_DIV(SEG + (KW - 1) * DW / SW, LANES) * LANES)
#define PATCH_ROW (SW * PITCH)
#define PATCH_H ((RY - 1) * SH + (TAP_H - 1) * DH + 1)
#define PATCH_IMAGE (TAP_D * PATCH_H * PATCH_ROW)
#define PATCH_CHANNEL (IMGS * PATCH_IMAGE)
#define PANEL_CHANNEL (IMGS * RY * SEG)

// Whether any row of a batch and tap reads row h of the patch.
FLATTENED bool is_met(const int h) {
    bool met = false;
    for (int kh = 0; kh < TAP_H; kh++) {
        const int rest = h - kh * DH;
        met |= rest >= 0 && rest - rest / SH * SH == 0;
    }
    return met;
}

// Copies the rows of the output gradient that a batch meets to a zero-padded patch (ITEM_OC, IMGS, TAP_D, PATCH_H, SW, PITCH);
// rows outside are left as they are, for nothing reads them. first_od, first_oh and first_ow belong to the first position
// and tap.
FLATTENED void stage_batch(
        __local float* patch, __local float* line, __global const float* output_gradient, const int first_n, const int images,
        const int first_oc, const int channels, const int first_od, const int count_kd, const int first_oh, const int rows,
        const int count_kh, const int first_ow, const int OD, const int OH, const int OW) {
    for (int c = 0; c < channels; c++) {
        for (int i = 0; i < images; i++) {
            for (int d = 0; d < count_kd; d++) {
                const int od = first_od + d * DD;
                for (int h = 0; h < (rows - 1) * SH + (count_kh - 1) * DH + 1; h++) {
                    const int oh = first_oh + h;
                    if (od >= 0 && od < OD && oh >= 0 && oh < OH && is_met(h)) {
                        __local float* const to = patch + c * PATCH_CHANNEL + i * PATCH_IMAGE + (d * PATCH_H + h) * PATCH_ROW;
                        stage_row(
                                SW > 1 ? line : to, output_gradient + OUTPUT_AT(first_n + i, first_oc + c, od, oh, 0),
                                PATCH_ROW, first_ow, OW);
                        if (SW > 1) {
                            split_row(to, line, PITCH);
                        }
                    }
                }
            }
        }
    }
}

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

    const int tap_chunk = (int)get_global_id(1);
    const int first_kd = tap_chunk / CEIL_DIV(KH, TAP_H) * TAP_D;
    const int first_kh = REMAINDER(tap_chunk, CEIL_DIV(KH, TAP_H), tap_chunk / CEIL_DIV(KH, TAP_H)) * TAP_H;
    const int count_kd = min(TAP_D, KD - first_kd);
    const int count_kh = min(TAP_H, KH - first_kh);
    const int chunks = (int)get_global_id(2) / OC_CHUNKS;
    const int first_ocg = ((int)get_global_id(2) - chunks * OC_CHUNKS) * ITEM_OC;
    const int group = chunks / IC_CHUNKS;
    const int first_icg = (chunks - group * IC_CHUNKS) * ITEM_IC;
    const int count_ic = min(ITEM_IC, IC_PER_GROUP - first_icg);
    const int count_oc = min(ITEM_OC, OC_PER_GROUP - first_ocg);
    const int row_segments = CEIL_DIV(IW, SEG);
    const int row_blocks = CEIL_DIV(IH, RY);
    const int batches = CEIL_DIV(N, IMGS) * ID * row_blocks * row_segments;
    const int begin = min((int)get_global_id(0) * BATCHES, batches);
    const int end = min(begin + BATCHES, batches);

    for (int a = 0; a < IT * OT * TAP_D * TAP_H * KW_CHUNKS * SUMS; a++) {
        kept[a] = (lanes)(0.0f);
    }
    for (int batch = begin; batch < end; batch++) {
        const int row_block = batch / row_segments;
        const int first_iw = (batch - row_block * row_segments) * SEG;
        const int slice = row_block / row_blocks;
        const int first_ih = (row_block - slice * row_blocks) * RY;
        const int image_block = slice / ID;
        const int id = slice - image_block * ID;
        const int first_n = image_block * IMGS;
        const int count = min(SEG, IW - first_iw);
        const int rows = min(RY, IH - first_ih);
        const int images = min(IMGS, N - first_n);
        for (int c = 0; c < count_ic; c++) {
            for (int i = 0; i < images; i++) {
                for (int y = 0; y < rows; y++) {
                    const int ic = group * IC_PER_GROUP + first_icg + c;
                    stage_row(
                            panel + c * PANEL_CHANNEL + (i * RY + y) * SEG,
                            input + INPUT_AT(first_n + i, ic, id, first_ih + y, 0), SEG, first_iw, IW);
                }
            }
        }
        stage_batch(
                patch, (__local float*)line_lanes, output_gradient, first_n, images, group * OC_PER_GROUP + first_ocg,
                count_oc, id * SD - PD + first_kd * DD, count_kd, first_ih * SH - PH + first_kh * DH, rows, count_kh,
                first_iw * SW - PW, OD, OH, OW);
        for (int d = 0; d < count_kd; d++) {
            const int od = id * SD - PD + (first_kd + d) * DD;
            if (od < 0 || od >= OD) {
                continue;
            }
            for (int h = 0; h < count_kh; h++) {
                for (int tile = 0; tile < IT * OT; tile++) {
                    const int tile_i = tile / OT;
                    const int tile_o = tile - tile_i * OT;
                    if (tile_i * ICT >= count_ic || tile_o * OCT >= count_oc) {
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
                        for (int i = 0; i < images; i++) {
                            for (int y = 0; y < rows; y++) {
                                const int oh = (first_ih + y) * SH - PH + (first_kh + h) * DH;
                                if (oh >= 0 && oh < OH) {
                                    add_positions(
                                            sums, panel + tile_i * (ICT * PANEL_CHANNEL) + (i * RY + y) * SEG,
                                            patch + tile_o * (OCT * PATCH_CHANNEL) + i * PATCH_IMAGE
                                                    + (d * PATCH_H + y * SH + h * DH) * PATCH_ROW,
                                            taps, count);
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
    for (int i = 0; i < count_ic; i++) {
        for (int o = 0; o < count_oc; o++) {
            const int tile = i / ICT * OT + o / OCT;
            const int pair = (i - i / ICT * ICT) * OCT + o - o / OCT * OCT;
            for (int t = 0; t < count_kd * count_kh; t++) {
                const int d = t / count_kh;
                const int h = t - d * count_kh;
                __global float* const row = part
                        + WEIGHT_AT(group * IC_PER_GROUP + first_icg + i, first_ocg + o, first_kd + d, first_kh + h, 0);
                for (int kw = 0; kw < KW; kw++) {
                    const int chunk = kw / KWC;
                    row[kw] = sum_of_lanes(
                            kept[(((tile * TAP_D + d) * TAP_H + h) * KW_CHUNKS + chunk) * SUMS + pair * KWC + kw - chunk * KWC]);
                }
            }
        }
    }
}
