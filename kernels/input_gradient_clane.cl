// input_gradient_clane.cl: gradient by the input = the adjoint convolution, lanes are input channels ("channel-lane"). For
// at least some 16 input channels of a group.
//   input_gradient[n][ic][id][ih][iw] = activate(bias[ic] + residual[n][ic][id][ih][iw] +
//       sum over oc,kd,kh,kw of output_gradient[n][oc][od][oh][ow] * weight[ic][oc][kd][kh][kw])
//   with od == id * SD - PD + kd * DD (likewise oh, ow); terms outside the output vanish. oc runs over the group of ic.
// Layout: output_gradient (N, OC, OD, OH, OW), input_gradient and residual (N, IC, ID, IH, IW), bias and slope (IC);
//   packed (GROUPS, IC_TILES, KD, KH, OC / GROUPS, KW, TILE_IC), zeros in the lanes beyond the last channel.
// A work-item is a work-group of its own. Block by block of OC_BLOCK channels it copies a zero-padded patch of the output
//   gradient to local memory and walks over its register tiles: ROWS rows (of IMGS images and RY rows each) of P positions
//   of V vectors of channels. A value of the patch is one scalar for V vectors of weights. The sums of a tile wait in local
//   memory, for the next block or until their rows are complete; then they are transposed from channels into rows.
// ND-range: (ceil(IW / (XT * P)), ID * ceil(IH / RY), chunks of IT channel tiles * GROUPS * ceil(N / IMGS)), work-group
//   size 1; input_gradient_clane_pack: (GROUPS * IC_TILES, OC / GROUPS).
// Writes every element once, in a fixed order of additions that no size of a tile changes: deterministic.
// Constants: the layer's (common.cl) and its epilogue (forward.cl), LANES (lanes.cl), and
//   V ROWS P       vectors of channels, rows and positions of a register tile; ROWS * P * V sums in registers
//   XT RY IMGS IT  the work-item's tiles along the row, its rows, images and tiles of channels
//   OC_BLOCK       output channels of a patch
//   KW_UNROLL      taps of a row that are written out, a divisor of KW
//   ROW_PARTS      1: the products of a row of taps and a block of channels are summed on their own; 0: those of a block

#define TILE_IC (LANES * V)
#define IC_TILES CEIL_DIV(IC_PER_GROUP, TILE_IC)
#define IC_CHUNKS CEIL_DIV(IC_TILES, IT)
#define SUMS (ROWS * P * V)
#define ROW_TILES CEIL_DIV(IMGS * RY, ROWS)
#define ITEM_TILES (OC_BLOCK < OC_PER_GROUP ? IT * ROW_TILES * XT : XT)

#define PITCH (CEIL_DIV((XT * P - 1) * SW + (KW - 1) * DW + 1, LANES) * LANES)
#define PATCH_H ((RY - 1) * SH + (KH - 1) * DH + 1)
#define PATCH_PLANE (PATCH_H * PITCH)
#define PATCH_CHANNEL (IMGS * KD * PATCH_PLANE)

#define PACKED_OC (KW * TILE_IC)
#define PACKED_ROW (OC_PER_GROUP * PACKED_OC)
#define PACKED_TILE (KD * KH * PACKED_ROW)

// One work-item packs the taps of one output channel for one tile of input channels.
__kernel void input_gradient_clane_pack(__global const float* restrict weight, __global float* restrict packed) {
    const int tile = (int)get_global_id(0);
    const int ocg = (int)get_global_id(1);
    const int group = tile / IC_TILES;
    const int first_icg = REMAINDER(tile, IC_TILES, group) * TILE_IC;
    const int count = min(TILE_IC, IC_PER_GROUP - first_icg);
    const size_t channel = (size_t)OC_PER_GROUP * (KD * KH * KW);
    __global const float* const from = weight + WEIGHT_AT(group * IC_PER_GROUP + first_icg, ocg, 0, 0, 0);
    __global float* const to = packed + (size_t)tile * PACKED_TILE + (size_t)ocg * PACKED_OC;
    int c = 0;
    for (; c + 4 <= count; c += 4) {
        // Channels outermost: their rows may be a power of two apart and then share cache sets.
        for (int row = 0; row < KD * KH; row++) {
            transpose_row_to_global(
                    from + c * channel + row * KW, channel, KW, to + (size_t)row * PACKED_ROW + c, TILE_IC);
        }
    }
    for (; c < TILE_IC; c++) {
        for (int row = 0; row < KD * KH; row++) {
            for (int kw = 0; kw < KW; kw++) {
                to[(size_t)row * PACKED_ROW + kw * TILE_IC + c] = c < count ? from[c * channel + row * KW + kw] : 0.0f;
            }
        }
    }
}

// Adds a row of taps of one output channel to a tile; rows are where its rows read the patch for the first tap.
FLATTENED void add_taps(lanes* sums, __local const float* const* rows, const int channel, __global const float* weights) {
    for (int first = 0; first < KW; first += KW_UNROLL) {
        #pragma unroll
        for (int k = 0; k < KW_UNROLL; k++) {
            lanes w[V];
            #pragma unroll
            for (int v = 0; v < V; v++) {
                w[v] = LANES_FROM(__global, weights + (first + k) * TILE_IC + v * LANES);
            }
            #pragma unroll
            for (int r = 0; r < ROWS; r++) {
                #pragma unroll
                for (int p = 0; p < P; p++) {
                    const lanes x = (lanes)(rows[r][channel + first * DW + k * DW + p * SW]);
                    #pragma unroll
                    for (int v = 0; v < V; v++) {
                        sums[(r * P + p) * V + v] += x * w[v];
                    }
                }
            }
        }
    }
}

// Adds a bias and a residual to a finished sum, activates and stores it.
FLATTENED void finish(
        const float sum, const size_t at, const int ic, __global const float* bias, __global const float* slope,
        __global const float* residual, __global float* input_gradient) {
    const float biased = HAS_BIAS ? sum + bias[ic] : sum;
    const float full = HAS_RESIDUAL ? biased + residual[at] : biased;
    input_gradient[at] = activate(full, ACTIVATION == 3 ? slope[ic] : 0.0f);
}

DEFINE_ACTIVATE(activate4, float4)

// The same for four neighbours of a row.
FLATTENED void finish4(
        const float4 sum, const size_t at, const int ic, __global const float* bias, __global const float* slope,
        __global const float* residual, __global float* input_gradient) {
    const float4 biased = HAS_BIAS ? sum + (float4)(bias[ic]) : sum;
    const float4 full = HAS_RESIDUAL ? biased + vload4(0, residual + at) : biased;
    vstore4(activate4(full, (float4)(ACTIVATION == 3 ? slope[ic] : 0.0f)), 0, input_gradient + at);
}

// Where position x of a tile's row begins in its sums, which come before those of the next tile along the row.
#define FINISHED_AT(x, tile_x) (((tile_x) * SUMS * LANES) + ((x) - (tile_x) * P) * TILE_IC)

// Transposes a row of finished tiles, count positions of count_ic channels, into the input gradient, where channels lie a
// plane apart; at is the first element's place. Whole rows of a channel: pieces of them would share cache sets.
FLATTENED void store_row(
        __local const float* tiles, const size_t at, const size_t plane, const int first_ic, const int count_ic,
        const int count, __global const float* bias, __global const float* slope, __global const float* residual,
        __global float* input_gradient) {
    for (int c = 0; c < count_ic; c += 4) {
        int x = 0;
        if (c + 4 <= count_ic) {
            for (; x + 4 <= count; x += 4) {
                float4 s0 = vload4(0, tiles + FINISHED_AT(x, x / P) + c);
                float4 s1 = vload4(0, tiles + FINISHED_AT(x + 1, (x + 1) / P) + c);
                float4 s2 = vload4(0, tiles + FINISHED_AT(x + 2, (x + 2) / P) + c);
                float4 s3 = vload4(0, tiles + FINISHED_AT(x + 3, (x + 3) / P) + c);
                transpose4(&s0, &s1, &s2, &s3);
                finish4(s0, at + c * plane + x, first_ic + c, bias, slope, residual, input_gradient);
                finish4(s1, at + (c + 1) * plane + x, first_ic + c + 1, bias, slope, residual, input_gradient);
                finish4(s2, at + (c + 2) * plane + x, first_ic + c + 2, bias, slope, residual, input_gradient);
                finish4(s3, at + (c + 3) * plane + x, first_ic + c + 3, bias, slope, residual, input_gradient);
            }
        }
        for (; x < count; x++) {
            for (int i = c; i < min(c + 4, count_ic); i++) {
                finish(
                        tiles[FINISHED_AT(x, x / P) + i], at + i * plane + x, first_ic + i, bias, slope, residual,
                        input_gradient);
            }
        }
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void input_gradient_clane(
        __global const float* restrict output_gradient,
        __global const float* restrict packed,
        __global const float* restrict bias,
        __global const float* restrict slope,
        __global const float* restrict residual,
        __global float* restrict input_gradient,
        const int N, const int ID, const int IH, const int IW, const int OD, const int OH, const int OW) {
    __local lanes patch_lanes[OC_BLOCK * PATCH_CHANNEL / LANES];
    __local lanes kept[ITEM_TILES * SUMS];
    __local float* const patch = (__local float*)patch_lanes;

    const int first_iw = (int)get_global_id(0) * (XT * P);
    const int row_blocks = CEIL_DIV(IH, RY);
    const int id = (int)get_global_id(1) / row_blocks;
    const int first_ih = ((int)get_global_id(1) - id * row_blocks) * RY;
    const int image_blocks = CEIL_DIV(N, IMGS);
    const int chunk_group = (int)get_global_id(2) / image_blocks;
    const int first_n = ((int)get_global_id(2) - chunk_group * image_blocks) * IMGS;
    const int chunk = chunk_group / GROUPS;
    const int group = chunk_group - chunk * GROUPS;
    const int end_tile = min((chunk + 1) * IT, IC_TILES);

    for (int first_ocg = 0; first_ocg < OC_PER_GROUP; first_ocg += OC_BLOCK) {
        const int count = min(OC_BLOCK, OC_PER_GROUP - first_ocg);
        for (int c = 0; c < count; c++) {
            for (int i = 0; i < IMGS; i++) {
                for (int kd = 0; kd < KD; kd++) {
                    const int od = id * SD - PD + kd * DD;
                    for (int h = 0; h < PATCH_H; h++) {
                        const int oh = first_ih * SH - PH + h;
                        const bool inside = first_n + i < N && od >= 0 && od < OD && oh >= 0 && oh < OH;
                        const int oc = group * OC_PER_GROUP + first_ocg + c;
                        stage_row(
                                patch + c * PATCH_CHANNEL + ((i * KD + kd) * PATCH_H + h) * PITCH,
                                output_gradient + (inside ? OUTPUT_AT(first_n + i, oc, od, oh, 0) : 0),
                                PITCH, first_iw * SW - PW, inside ? OW : 0);
                    }
                }
            }
        }
        for (int tile = chunk * IT; tile < end_tile; tile++) {
            __global const float* const weights =
                    packed + (size_t)(group * IC_TILES + tile) * PACKED_TILE + (size_t)first_ocg * PACKED_OC;
            for (int row_tile = 0; row_tile < ROW_TILES; row_tile++) {
                // Images first: the rows of a tile then meet the same taps.
                int image[ROWS], y[ROWS];
                #pragma unroll
                for (int r = 0; r < ROWS; r++) {
                    const int row = min(row_tile * ROWS + r, IMGS * RY - 1);
                    y[r] = row / IMGS;
                    image[r] = row - y[r] * IMGS;
                }
                __local lanes* const row_sums =
                        kept + (OC_BLOCK < OC_PER_GROUP ? (tile - chunk * IT) * ROW_TILES + row_tile : 0) * (XT * SUMS);
                for (int x = 0; x < XT; x++) {
                    __local lanes* const sum = row_sums + x * SUMS;
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
                            __local const float* rows[ROWS];
                            bool any = false;
                            #pragma unroll
                            for (int r = 0; r < ROWS; r++) {
                                const int h = y[r] * SH + kh * DH;
                                const int oh = first_ih * SH - PH + h;
                                any |= oh >= 0 && oh < OH;
                                rows[r] = patch + (image[r] * KD + kd) * PATCH_PLANE + h * PITCH + x * (P * SW);
                            }
                            if (!any) {
                                continue;
                            }
                            __global const float* const taps = weights + (size_t)(kd * KH + kh) * PACKED_ROW;
                            for (int c = 0; c < count; c++) {
                                add_taps(sums, rows, c * PATCH_CHANNEL, taps + c * PACKED_OC);
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
                }
                if (first_ocg + OC_BLOCK < OC_PER_GROUP) {
                    continue;
                }
                const int first_icg = tile * TILE_IC;
                for (int r = 0; r < ROWS; r++) {
                    const int row = row_tile * ROWS + r;
                    const int ih = first_ih + row / IMGS;
                    const int n = first_n + REMAINDER(row, IMGS, row / IMGS);
                    if (row < IMGS * RY && ih < IH && n < N) {
                        const int ic = group * IC_PER_GROUP + first_icg;
                        store_row(
                                (__local const float*)(row_sums + r * (P * V)), INPUT_AT(n, ic, id, ih, first_iw),
                                (size_t)ID * IH * IW, ic, min(IC_PER_GROUP - first_icg, TILE_IC), min(XT * P, IW - first_iw),
                                bias, slope, residual, input_gradient);
                    }
                }
            }
        }
    }
}
