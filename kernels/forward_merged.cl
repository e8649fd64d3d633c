// forward_merged.cl: transposed convolution on GPUs for few output channels and short strides. A work-item computes all
// phases of the width and height of some grid points, so that an input element, once read, meets every tap of the
// kernel; the formula and the tensors' layouts are those of forward.cl.
//   Work-items are neighbouring grid points along the row, so that they read neighbours. Taps are written out: which phase
//   a tap belongs to and what it reads is known to the compiler, and nothing is divided. The weights are the same for all
//   work-items of a group. SPLIT work-items share the sum of the same points, a run of input channels each, and add their
//   parts in local memory, in order.
// Layout of packed (merged_pack): [group][tile of channels][kd][ic][kh][kw][MERGED_OC], zeros up to a multiple of four
//   floats for each ic.
// ND-range: local (LANES, SPLIT); global (LANES * ceil(ceil(ceil(OH / SH) / POINTS) * ceil(OW / SW) / LANES), SPLIT * OD,
//   N * GROUPS * TILES_OC).
// Writes every output element once, in a fixed order of additions (channel by channel, part by part): deterministic.
// An input element that is not there counts as a zero times its weight: a weight of infinity or NaN spoils the border.
// Constants: as forward.cl, and the tile's:
//   MERGED_OC    output channels of a work-item
//   SPLIT        work-items that share a sum, a divisor of IC / GROUPS
//   POINTS       grid points of a work-item, one below the other
//   LANES        work-items of a work-group along the grid
// Local memory: 4 * SPLIT * LANES * MERGED_OC * SH * SW bytes, none if SPLIT is 1.

#define TILES_OC ((OC_PER_GROUP + MERGED_OC - 1) / MERGED_OC)
#define PACKED_QUADS ((KH * KW * MERGED_OC + 3) / 4)
#define PART_IC (IC_PER_GROUP / SPLIT)
#define POINT_SUMS (SH * SW * MERGED_OC)

// Tap k reads what lies TAP_SHIFT before its grid point; the window holds all that a work-item's points read.
#define LAST_SHIFT_H TAP_SHIFT(KH - 1, SH, DH, PH)
#define LAST_SHIFT_W TAP_SHIFT(KW - 1, SW, DW, PW)
#define WINDOW_H (LAST_SHIFT_H - TAP_SHIFT(0, SH, DH, PH) + POINTS)
#define WINDOW_W (LAST_SHIFT_W - TAP_SHIFT(0, SW, DW, PW) + 1)

// A value that is the same for all work-items of a wave, which AMD's compiler cannot know of a local id; LANES are whole
// waves. It then keeps what depends on it in scalar registers.
#ifdef __AMDGCN__
#define SAME_IN_WAVE(value) __builtin_amdgcn_readfirstlane(value)
#else
#define SAME_IN_WAVE(value) (value)
#endif

DEFINE_ACTIVATE(activate, float)

__kernel void merged_pack(__global const float* restrict weight, __global float* restrict packed) {
    const int item = (int)get_global_id(0);
    const int channel = item / (PACKED_QUADS * 4);
    const int column = REMAINDER(item, PACKED_QUADS * 4, channel);
    const int tap = column / MERGED_OC;
    const int m = REMAINDER(column, MERGED_OC, tap);
    const int kh = tap / KW;
    const int kw = REMAINDER(tap, KW, kh);
    const int volume = channel / IC_PER_GROUP;
    const int icg = REMAINDER(channel, IC_PER_GROUP, volume);
    const int tile = volume / KD;
    const int kd = REMAINDER(volume, KD, tile);
    const int group = tile / TILES_OC;
    const int ocg = REMAINDER(tile, TILES_OC, group) * MERGED_OC + m;
    if (group < GROUPS) {
        packed[item] = kh < KH && ocg < OC_PER_GROUP ? weight[WEIGHT_AT(group * IC_PER_GROUP + icg, ocg, kd, kh, kw)]
                                                     : 0.0f;
    }
}

// Adds all taps of one input channel. An element outside of the input is read elsewhere, and its mask makes it zero.
// Offsets are in bytes; 32 bits are enough inside an image, for no tensor has 2 GiB. The load itself adds them to an
// address that the whole work-group shares, on devices that can.
FLATTENED void add_channel(
        __global const float* plane, __global const float4* weights, const uint (*offset)[WINDOW_W],
        const uint (*mask)[WINDOW_W], float (*sum)[POINT_SUMS]) {
    float w[PACKED_QUADS * 4];
#pragma unroll
    for (int v = 0; v < PACKED_QUADS; v++) {
        const float4 quad = weights[v];
        w[v * 4] = quad.x;
        w[v * 4 + 1] = quad.y;
        w[v * 4 + 2] = quad.z;
        w[v * 4 + 3] = quad.w;
    }
    float x[WINDOW_H][WINDOW_W];
#pragma unroll
    for (int j = 0; j < WINDOW_H; j++) {
#pragma unroll
        for (int i = 0; i < WINDOW_W; i++) {
            const float read = *(__global const float*)((__global const char*)plane + offset[j][i]);
            x[j][i] = as_float(as_uint(read) & mask[j][i]);
        }
    }
#pragma unroll
    for (int kh = 0; kh < KH; kh++) {
#pragma unroll
        for (int kw = 0; kw < KW; kw++) {
            const int phase = TAP_PHASE(kh, SH, DH, PH) * SW + TAP_PHASE(kw, SW, DW, PW);
            const int i = LAST_SHIFT_W - TAP_SHIFT(kw, SW, DW, PW);
#pragma unroll
            for (int y = 0; y < POINTS; y++) {
                const int j = y + LAST_SHIFT_H - TAP_SHIFT(kh, SH, DH, PH);
#pragma unroll
                for (int m = 0; m < MERGED_OC; m++) {
                    sum[y][phase * MERGED_OC + m] += w[(kh * KW + kw) * MERGED_OC + m] * x[j][i];
                }
            }
        }
    }
}

// Stores the finished sums of one grid point.
FLATTENED void store_point(
        const float* sum, const int n, const int first_oc, const int last_oc, const int od, const int first_oh,
        const int first_ow, const int OD, const int OH, const int OW, __global const float* bias,
        __global const float* slope, __global const float* residual, __global float* output) {
#pragma unroll
    for (int rh = 0; rh < SH; rh++) {
#pragma unroll
        for (int rw = 0; rw < SW; rw++) {
            if (first_oh + rh < OH && first_ow + rw < OW) {
#pragma unroll
                for (int m = 0; m < MERGED_OC; m++) {
                    const int oc = first_oc + m;
                    if (oc < last_oc) {
                        const size_t at = OUTPUT_AT(n, oc, od, first_oh + rh, first_ow + rw);
                        const float raw = sum[(rh * SW + rw) * MERGED_OC + m];
                        const float biased = HAS_BIAS ? raw + bias[oc] : raw;
                        output[at] = activate(
                                HAS_RESIDUAL ? biased + residual[at] : biased, ACTIVATION == 3 ? slope[oc] : 0.0f);
                    }
                }
            }
        }
    }
}

__kernel __attribute__((reqd_work_group_size(LANES, SPLIT, 1))) void merged(
        __global const float* restrict input,
        __global const float* restrict packed,
        __global const float* restrict bias,
        __global const float* restrict slope,
        __global const float* restrict residual,
        __global float* restrict output,
        const int N, const int ID, const int IH, const int IW, const int OD, const int OH, const int OW) {
#if SPLIT > 1
    __local float parts[SPLIT][POINT_SUMS][LANES];
#endif
    const int lane = (int)get_local_id(0);
    const int part = SPLIT == 1 ? 0 : SAME_IN_WAVE((int)get_local_id(1));
    const int grid_w = (OW + SW - 1) / SW;
    const int qh_tile = (int)get_global_id(0) / grid_w;
    const int qw = REMAINDER((int)get_global_id(0), grid_w, qh_tile);
    const int qh = qh_tile * POINTS;
    // Everything from here on is the same for a whole work-group, and so are the addresses of its weights.
    const int od = (int)get_group_id(1);
    const int qd = od / SD;
    const int rd = REMAINDER(od, SD, qd);
    const int tile_and_image = (int)get_group_id(2);
    const int n = tile_and_image / (GROUPS * TILES_OC);
    const int tile = REMAINDER(tile_and_image, GROUPS * TILES_OC, n);
    const int group = tile / TILES_OC;
    const int first_oc = group * OC_PER_GROUP + REMAINDER(tile, TILES_OC, group) * MERGED_OC;

    uint offset[WINDOW_H][WINDOW_W];
    uint mask[WINDOW_H][WINDOW_W];
#pragma unroll
    for (int j = 0; j < WINDOW_H; j++) {
        const int ih = qh - LAST_SHIFT_H + j;
#pragma unroll
        for (int i = 0; i < WINDOW_W; i++) {
            const int iw = qw - LAST_SHIFT_W + i;
            const bool present = ih >= 0 && ih < IH && iw >= 0 && iw < IW;
            offset[j][i] = (uint)(clamp(ih, 0, IH - 1) * IW + clamp(iw, 0, IW - 1)) * (uint)sizeof(float);
            mask[j][i] = present ? 0xffffffffu : 0u;
        }
    }

    float sum[POINTS][POINT_SUMS];
#pragma unroll
    for (int y = 0; y < POINTS; y++) {
#pragma unroll
        for (int s = 0; s < POINT_SUMS; s++) {
            sum[y][s] = 0.0f;
        }
    }
    const uint channel_bytes = (uint)(ID * IH * IW) * (uint)sizeof(float);
    for (int kd = 0; kd < KD; kd++) {
        const int id = input_position(od, kd, SD, DD, PD, ID);
        if (id < 0) {
            continue;
        }
        __global const float* const plane = input + INPUT_AT(n, group * IC_PER_GROUP + part * PART_IC, id, 0, 0);
        uint at[WINDOW_H][WINDOW_W];
#pragma unroll
        for (int j = 0; j < WINDOW_H; j++) {
#pragma unroll
            for (int i = 0; i < WINDOW_W; i++) {
                at[j][i] = offset[j][i];
            }
        }
        __global const float4* weights = (__global const float4*)packed
                + (((size_t)tile * KD + kd) * IC_PER_GROUP + part * PART_IC) * PACKED_QUADS;
        for (int icg = 0; icg < PART_IC; icg++) {
            add_channel(plane, weights, at, mask, sum);
#pragma unroll
            for (int j = 0; j < WINDOW_H; j++) {
#pragma unroll
                for (int i = 0; i < WINDOW_W; i++) {
                    at[j][i] += channel_bytes;
                }
            }
            weights += PACKED_QUADS;
        }
    }

    const int last_oc = (group + 1) * OC_PER_GROUP;
#pragma unroll
    for (int y = 0; y < POINTS; y++) {
#if SPLIT > 1
        // One of the work-items that share a point gathers the parts and stores; they take turns.
#pragma unroll
        for (int s = 0; s < POINT_SUMS; s++) {
            parts[part][s][lane] = sum[y][s];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (part == y % SPLIT) {
#pragma unroll
            for (int s = 0; s < POINT_SUMS; s++) {
                float total = parts[0][s][lane];
#pragma unroll
                for (int other = 1; other < SPLIT; other++) {
                    total += parts[other][s][lane];
                }
                sum[y][s] = total;
            }
#endif
            store_point(sum[y], n, first_oc, last_oc, od, (qh + y) * SH, qw * SW, OD, OH, OW, bias, slope, residual, output);
#if SPLIT > 1
        }
        barrier(CLK_LOCAL_MEM_FENCE);
#endif
    }
}
