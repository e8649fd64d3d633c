// forward_thin.cl: transposed convolution on GPUs for long strides and large windows. No local memory: work-items are
// neighbours along the output row, so that they write neighbours, and each keeps a register tile of THIN_OC output
// channels x THIN_Y rows x THIN_X columns of one phase, which share their weights. The formula and the tensors' layouts
// are those of forward.cl.
// Layout of packed (thin_pack): [group][tile of channels][kd][kh][ic][kw][PACKED_OC], zeros in the padding.
// ND-range: local (THIN_SPAN, THIN_ROWS); global (THIN_SPAN * ceil(OW / (THIN_SPAN * THIN_X)),
//   OD * SH * ceil(ceil(OH / SH) / THIN_Y) rounded up to THIN_ROWS, N * GROUPS * TILES_OC).
// Writes every output element once, in a fixed order of additions (tap by tap): deterministic.
// An input element that is not there counts as a zero times its weight: a weight of infinity or NaN spoils the border.
// Constants: as forward.cl, and the tile's:
//   THIN_OC THIN_Y THIN_X    a work-item's output channels, rows and columns
//   THIN_SPAN THIN_ROWS      work-items of a work-group along the row and down; an item's columns are THIN_SPAN apart,
//                            which must be a multiple of SW unless THIN_X is 1

#define TILES_OC ((OC_PER_GROUP + THIN_OC - 1) / THIN_OC)
#define PACKED_OC (THIN_OC < 3 ? THIN_OC : (THIN_OC + 3) / 4 * 4)
#define THIN_PIX (THIN_Y * THIN_X)

DEFINE_ACTIVATE(activate, float)

__kernel void thin_pack(__global const float* restrict weight, __global float* restrict packed) {
    const int item = (int)get_global_id(0);
    const int row = item / PACKED_OC;
    const int column = REMAINDER(item, PACKED_OC, row);
    const int channel = row / KW;
    const int kw = REMAINDER(row, KW, channel);
    const int plane = channel / IC_PER_GROUP;
    const int icg = REMAINDER(channel, IC_PER_GROUP, plane);
    const int volume = plane / KH;
    const int kh = REMAINDER(plane, KH, volume);
    const int tile = volume / KD;
    const int kd = REMAINDER(volume, KD, tile);
    const int group = tile / TILES_OC;
    const int ocg = REMAINDER(tile, TILES_OC, group) * THIN_OC + column;
    if (group < GROUPS) {
        packed[item] = column < THIN_OC && ocg < OC_PER_GROUP
                ? weight[WEIGHT_AT(group * IC_PER_GROUP + icg, ocg, kd, kh, kw)]
                : 0.0f;
    }
}

// Reads the weights of one input channel and tap for a work-item's output channels.
static inline void read_weights(__global const float* base, const uint offset, float* weights) {
#if PACKED_OC == 1
    weights[0] = read_at(base, offset);
#elif PACKED_OC == 2
    const float2 pair = *(__global const float2*)((__global const char*)base + offset);
    weights[0] = pair.x;
    weights[1] = pair.y;
#else
#pragma unroll
    for (int v = 0; v < PACKED_OC / 4; v++) {
        const float4 quad = read_quad_at(base, offset + v * (uint)sizeof(float4));
        weights[v * 4] = quad.x;
        weights[v * 4 + 1] = quad.y;
        weights[v * 4 + 2] = quad.z;
        weights[v * 4 + 3] = quad.w;
    }
#endif
}

// Adds one tap over all input channels of the group. An element outside of the input is read elsewhere, and its mask makes
// it zero.
FLATTENED void add_tap(
        __global const float* image, const uint channel_bytes, __global const float* packed, const uint first_weight,
        const uint* offset, const uint* mask, float (*sum)[THIN_PIX]) {
    uint weight = first_weight;
    uint pixel[THIN_PIX];
#pragma unroll
    for (int p = 0; p < THIN_PIX; p++) {
        pixel[p] = offset[p];
    }
#pragma unroll 1
    for (int icg = 0; icg < IC_PER_GROUP; icg++) {
        float w[PACKED_OC];
        read_weights(packed, weight, w);
        weight += KW * PACKED_OC * (uint)sizeof(float);
#pragma unroll
        for (int p = 0; p < THIN_PIX; p++) {
            const float x = as_float(as_uint(read_at(image, pixel[p])) & mask[p]);
            pixel[p] += channel_bytes;
#pragma unroll
            for (int m = 0; m < THIN_OC; m++) {
                sum[m][p] += w[m] * x;
            }
        }
    }
}

__kernel __attribute__((reqd_work_group_size(THIN_SPAN, THIN_ROWS, 1))) void thin(
        __global const float* restrict input,
        __global const float* restrict packed,
        __global const float* restrict bias,
        __global const float* restrict slope,
        __global const float* restrict residual,
        __global float* restrict output,
        const int N, const int ID, const int IH, const int IW, const int OD, const int OH, const int OW) {
    const int ow = (int)get_group_id(0) * (THIN_SPAN * THIN_X) + (int)get_local_id(0);
    const int rows_and_phase = (int)get_global_id(1) / SH;
    const int rh = REMAINDER((int)get_global_id(1), SH, rows_and_phase);
    const int row_tiles = ((OH + SH - 1) / SH + THIN_Y - 1) / THIN_Y;
    const int od = rows_and_phase / row_tiles;
    const int oh = REMAINDER(rows_and_phase, row_tiles, od) * (SH * THIN_Y) + rh;
    const int tile_and_image = (int)get_group_id(2); // the same for a whole work-group, and so are its addresses
    const int n = tile_and_image / (GROUPS * TILES_OC);
    const int tile = REMAINDER(tile_and_image, GROUPS * TILES_OC, n);
    const int group = tile / TILES_OC;
    const int first_ocg = REMAINDER(tile, TILES_OC, group) * THIN_OC;
    if (od >= OD || oh >= OH || ow >= OW) {
        return;
    }

    float sum[THIN_OC][THIN_PIX];
#pragma unroll
    for (int m = 0; m < THIN_OC; m++) {
#pragma unroll
        for (int p = 0; p < THIN_PIX; p++) {
            sum[m][p] = 0.0f;
        }
    }

    const int qd = od / SD;
    const int qh = oh / SH;
    const int qw = ow / SW;
    const int rd = REMAINDER(od, SD, qd);
    const int rw = REMAINDER(ow, SW, qw);
    const int first_kw = first_tap(rw, KW, SW, DW, PW);
    __global const float* const image = input + INPUT_AT(n, group * IC_PER_GROUP, 0, 0, 0);
    const uint channel_bytes = (uint)(ID * IH * IW) * (uint)sizeof(float);
    __global const float* const packed_tile = packed + (size_t)tile * KD * KH * IC_PER_GROUP * KW * PACKED_OC;
    for (int kd = first_tap(rd, KD, SD, DD, PD); kd < KD; kd += tap_period(SD, DD)) {
        const int id = input_place(qd, input_shift(rd, kd, SD, DD, PD), ID);
        if (id < 0) {
            continue;
        }
        for (int kh = first_tap(rh, KH, SH, DH, PH); kh < KH; kh += tap_period(SH, DH)) {
            const int shift_h = input_shift(rh, kh, SH, DH, PH);
            for (int kw = first_kw; kw < KW; kw += tap_period(SW, DW)) {
                const int shift_w = input_shift(rw, kw, SW, DW, PW);
                uint offset[THIN_PIX];
                uint mask[THIN_PIX];
#pragma unroll
                for (int y = 0; y < THIN_Y; y++) {
#pragma unroll
                    for (int x = 0; x < THIN_X; x++) {
                        const int ih = input_place(qh + y, shift_h, IH);
                        const int iw = input_place(qw + x * (THIN_SPAN / SW), shift_w, IW);
                        const int p = y * THIN_X + x;
                        offset[p] = (uint)((id * IH + max(ih, 0)) * IW + max(iw, 0)) * (uint)sizeof(float);
                        mask[p] = ih >= 0 && iw >= 0 ? 0xffffffffu : 0u;
                    }
                }
                const uint weight = (uint)(((kd * KH + kh) * IC_PER_GROUP * KW + kw) * PACKED_OC) * (uint)sizeof(float);
                add_tap(image, channel_bytes, packed_tile, weight, offset, mask, sum);
            }
        }
    }

    const size_t output_size = (size_t)OD * OH * OW;
#pragma unroll
    for (int p = 0; p < THIN_PIX; p++) {
        const int y = p / THIN_X;
        const int x = p - y * THIN_X;
        const int row = oh + y * SH;
        const int column = ow + x * THIN_SPAN;
        if (row < OH && column < OW) {
            const size_t first = OUTPUT_AT(n, group * OC_PER_GROUP, od, row, column);
#pragma unroll
            for (int m = 0; m < THIN_OC; m++) {
                const int ocg = first_ocg + m;
                if (ocg < OC_PER_GROUP) {
                    const int oc = group * OC_PER_GROUP + ocg;
                    const size_t at = first + ocg * output_size;
                    const float biased = HAS_BIAS ? sum[m][p] + bias[oc] : sum[m][p];
                    output[at] = activate(
                            HAS_RESIDUAL ? biased + residual[at] : biased, ACTIVATION == 3 ? slope[oc] : 0.0f);
                }
            }
        }
    }
}
