// weight_gradient_clane.cl: gradient by the weight, lanes are input channels ("channel-lane"). For at least some 16 input
// channels of a group.
//   weight_gradient[ic][oc][kd][kh][kw] = sum over n,id,ih,iw of
//       input[n][ic][id][ih][iw] * output_gradient[n][oc][od][oh][ow]
//   with od == id * SD - PD + kd * DD (likewise oh, ow); terms outside the output vanish.
// Layout: input (N, IC, ID, IH, IW), output_gradient (N, OC, OD, OH, OW); weight_gradient (BLOCKS, IC, OC / GROUPS, KD,
//   KH, KW): each block of the sum writes its own part, which gradient_sum.cl adds up if there are several.
// SEG positions of RY rows of IMGS images of the input are a batch, BATCHES batches a block.
// A work-item is a work-group of its own and computes one block for IT tiles of TILE_IC = LANES * V input channels, a chunk
//   of OT * OCT output channels and TAP_D * TAP_H rows of taps. Batch by batch it copies the input to local memory, channels
//   innermost, and the zero-padded rows of the output gradient that it meets. A register tile has V vectors of input
//   channels for each of OCT output channels and KWC taps of a row; a value of the output gradient is one scalar for V
//   vectors. The sums of a batch are added to those of the block in local memory.
// ND-range: (BLOCKS, ceil(KD / TAP_D) * ceil(KH / TAP_H), GROUPS * IC_CHUNKS * OC_CHUNKS), work-group
//   size 1.
// Writes every element of its part once, in an order of additions that the sizes alone decide: deterministic.
// Constants: the layer's (common.cl), LANES (lanes.cl), and
//   V OCT KWC     vectors of input channels, output channels and taps of a register tile; V * OCT * KWC sums in registers
//   IT OT TAP_D TAP_H  the work-item's tiles of input and of output channels and its rows of taps
//   SEG RY IMGS   positions, rows and images of a batch

#define TILE_IC (LANES * V)
#define ITEM_IC (IT * TILE_IC)
#define IC_CHUNKS CEIL_DIV(IC_PER_GROUP, ITEM_IC)
#define ITEM_OC (OT * OCT)
#define OC_CHUNKS CEIL_DIV(OC_PER_GROUP, ITEM_OC)
#define KW_CHUNKS CEIL_DIV(KW, KWC)
#define SUMS (OCT * KWC * V)

#define PITCH (CEIL_DIV((SEG - 1) * SW + (KW_CHUNKS * KWC - 1) * DW + 1, LANES) * LANES)
#define PATCH_H ((RY - 1) * SH + (TAP_H - 1) * DH + 1)
#define PATCH_IMAGE (TAP_D * PATCH_H * PITCH)
#define PATCH_CHANNEL (IMGS * PATCH_IMAGE)
#define PANEL_ROW (SEG * TILE_IC)
#define PANEL_TILE (IMGS * RY * PANEL_ROW)

// Whether any row of a batch and tap reads row h of the patch.
FLATTENED bool is_met(const int h) {
    bool met = false;
    for (int kh = 0; kh < TAP_H; kh++) {
        const int rest = h - kh * DH;
        met |= rest >= 0 && rest - rest / SH * SH == 0;
    }
    return met;
}

// Copies the rows of the output gradient that a batch meets to a zero-padded patch (ITEM_OC, IMGS, TAP_D, PATCH_H, PITCH);
// rows outside are left as they are, for nothing reads them. first_od, first_oh and first_ow belong to the first position
// and tap.
FLATTENED void stage_batch(
        __local float* patch, __global const float* output_gradient, const int first_n, const int images,
        const int first_oc, const int channels, const int first_od, const int count_kd, const int first_oh, const int rows,
        const int count_kh, const int first_ow, const int OD, const int OH, const int OW) {
    for (int c = 0; c < channels; c++) {
        for (int i = 0; i < images; i++) {
            for (int d = 0; d < count_kd; d++) {
                const int od = first_od + d * DD;
                for (int h = 0; h < (rows - 1) * SH + (count_kh - 1) * DH + 1; h++) {
                    const int oh = first_oh + h;
                    if (od >= 0 && od < OD && oh >= 0 && oh < OH && is_met(h)) {
                        stage_row(
                                patch + c * PATCH_CHANNEL + i * PATCH_IMAGE + (d * PATCH_H + h) * PITCH,
                                output_gradient + OUTPUT_AT(first_n + i, first_oc + c, od, oh, 0), PITCH, first_ow, OW);
                    }
                }
            }
        }
    }
}

// Adds count positions to a register tile.
FLATTENED void add_positions(lanes* sums, __local const float* panel, __local const float* patch, const int count) {
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
                const lanes g = (lanes)(patch[p * SW + o * PATCH_CHANNEL + k * DW]);
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
    const size_t plane = (size_t)ID * IH * IW;

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
        for (int i = 0; i < images; i++) {
            for (int y = 0; y < rows; y++) {
                for (int c = 0; c < count_ic; c += TILE_IC) {
                    const int ic = group * IC_PER_GROUP + first_icg + c;
                    stage_panel(
                            panel + c / TILE_IC * PANEL_TILE + (i * RY + y) * PANEL_ROW, TILE_IC,
                            input + INPUT_AT(first_n + i, ic, id, first_ih + y, first_iw), plane,
                            min(TILE_IC, count_ic - c), count);
                }
            }
        }
        stage_batch(
                patch, output_gradient, first_n, images, group * OC_PER_GROUP + first_ocg, count_oc,
                id * SD - PD + first_kd * DD, count_kd, first_ih * SH - PH + first_kh * DH, rows, count_kh,
                first_iw * SW - PW, OD, OH, OW);
        for (int d = 0; d < count_kd; d++) {
            const int od = id * SD - PD + (first_kd + d) * DD;
            if (od < 0 || od >= OD) {
                continue;
            }
            for (int h = 0; h < count_kh; h++) {
                for (int o = 0; o < OT && o * OCT < count_oc; o++) {
                    for (int tile = 0; tile < KW_CHUNKS * IT; tile++) {
                        const int k = tile / IT;
                        const int c = tile - k * IT;
                        if (c * TILE_IC >= count_ic) {
                            continue;
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
                                            sums, panel + c * PANEL_TILE + (i * RY + y) * PANEL_ROW,
                                            patch + o * (OCT * PATCH_CHANNEL) + i * PATCH_IMAGE
                                                    + (d * PATCH_H + y * SH + h * DH) * PITCH + k * (KWC * DW),
                                            count);
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
    for (int c = 0; c < count_ic; c += 4) {
        const int in_tile = c / TILE_IC;
        for (int o = 0; o < count_oc; o++) {
            const int tile = in_tile * OT + o / OCT;
            for (int t = 0; t < count_kd * count_kh; t++) {
                const int d = t / count_kh;
                const int h = t - d * count_kh;
                __global float* const row = part
                        + WEIGHT_AT(group * IC_PER_GROUP + first_icg + c, first_ocg + o, first_kd + d, first_kh + h, 0);
                for (int kw = 0; kw < KW; kw++) {
                    const int chunk = kw / KWC;
                    __local const float* const from = (__local const float*)(kept
                            + (((tile * TAP_D + d) * TAP_H + h) * KW_CHUNKS + chunk) * SUMS
                            + ((o - o / OCT * OCT) * KWC + kw - chunk * KWC) * V) + c - in_tile * TILE_IC;
                    for (int i = 0; i < min(4, count_ic - c); i++) {
                        row[i * channel + kw] = from[i];
                    }
                }
            }
        }
    }
}
