// forward_tile.cl: transposed convolution on GPUs, one work-group computes a tile of output channels x pixels of one
// phase as a blocked matrix product; the formula and the tensors' layouts are those of forward.cl.
//   The pixels of a phase (output positions alike modulo the strides) share their taps, so that for each tap the sum
//   over the input channels is a product of a weight block and an input block. Both blocks, BLOCK_IC channels deep,
//   wait in local memory, in two copies: while one is multiplied the next is on its way through registers.
//   Pixels are numbered through (n, qd, qh, qw), so that small images and the batch fill a tile, too. SPLIT times as many
//   work-items share a long sum, a run of blocks each, and add their parts in local memory, in order.
// Layout of packed (tile_pack): [group][tile of channels][kd][kh][kw][ic, padded][TILE_OC], zeros in the padding.
// ND-range: local (LANES_PIX, LANES_OC * SPLIT); global (LANES_PIX * PHASES *
//   ceil(N * ceil(OD / SD) * ceil(OH / SH) * ceil(OW / SW) / TILE_PIX), LANES_OC * SPLIT * GROUPS * TILES_OC).
//   Phases are the fastest work-groups: what they store interleaves, and they read the same input.
// Writes every output element once, in a fixed order of additions (tap by tap, part by part): deterministic.
// An input element that is not there counts as a zero times its weight: a weight of infinity or NaN spoils the border.
// Constants: as forward.cl, and the tile's:
//   LANES_PIX LANES_OC    work-items of a work-group along pixels and along output channels
//   ITEM_PIX ITEM_OC      pixels and output channels of a work-item's register tile; the channels a multiple of 4
//   VECTOR_PIX            1, 2 or 4, a divisor of ITEM_PIX: so many of a work-item's pixels are neighbours. More make fewer
//                         instructions of the sum, fewer let a work-group store neighbours together
//   BLOCK_IC              input channels of a block
//   SPLIT                 parts of the sum, a divisor of the number of blocks; if it is not 1, LANES_PIX * ITEM_PIX must be
//                         at most 2 * BLOCK_IC * ITEM_OC, for the parts meet where the weights were
// Local memory: 8 * SPLIT * BLOCK_IC * (TILE_PIX + TILE_OC) bytes. LANES_PIX * LANES_OC must divide TILE_PIX or be a
// multiple of it by a divisor of BLOCK_IC.

#define ITEMS (LANES_PIX * LANES_OC)
#define TILE_PIX (LANES_PIX * ITEM_PIX)
#define TILE_OC (LANES_OC * ITEM_OC)
#define TILES_OC ((OC_PER_GROUP + TILE_OC - 1) / TILE_OC)
#define BLOCKS ((IC_PER_GROUP + BLOCK_IC - 1) / BLOCK_IC)
#define PART_BLOCKS (BLOCKS / SPLIT)
#define PHASES (SD * SH * SW)

// A work-item stages STAGED_PIX pixels of every STAGE_STEP-th channel of a block, and every ITEMS-th quad of weights.
#if TILE_PIX >= ITEMS
#define STAGED_PIX (TILE_PIX / ITEMS)
#define STAGE_STEP 1
#else
#define STAGED_PIX 1
#define STAGE_STEP (ITEMS / TILE_PIX)
#endif
#define STAGED_IC (BLOCK_IC / STAGE_STEP)
#define INPUT_VECTORS (BLOCK_IC * TILE_PIX / VECTOR_PIX)
#define BLOCK_QUADS (BLOCK_IC * TILE_OC / 4)
#define STAGED_QUADS ((BLOCK_QUADS + ITEMS - 1) / ITEMS)

// Neighbouring pixels that a work-item reads together.
#if VECTOR_PIX == 1
#define VECTOR float
#define COMPONENT(vector, c) (vector)
#elif VECTOR_PIX == 2
#define VECTOR float2
#define COMPONENT(vector, c) ((c) == 0 ? (vector).x : (vector).y)
#else
#define VECTOR float4
#define COMPONENT(vector, c) ((c) == 0 ? (vector).x : (c) == 1 ? (vector).y : (c) == 2 ? (vector).z : (vector).w)
#endif

DEFINE_ACTIVATE(activate, float)

__kernel void tile_pack(__global const float* restrict weight, __global float* restrict packed) {
    const int item = (int)get_global_id(0);
    const int row = item / TILE_OC;
    const int column = REMAINDER(item, TILE_OC, row);
    const int tap = row / (BLOCKS * BLOCK_IC);
    const int icg = REMAINDER(row, BLOCKS * BLOCK_IC, tap);
    const int plane = tap / KW;
    const int kw = REMAINDER(tap, KW, plane);
    const int volume = plane / KH;
    const int kh = REMAINDER(plane, KH, volume);
    const int tile = volume / KD;
    const int kd = REMAINDER(volume, KD, tile);
    const int group = tile / TILES_OC;
    const int ocg = REMAINDER(tile, TILES_OC, group) * TILE_OC + column;
    if (group < GROUPS) {
        packed[item] = icg < IC_PER_GROUP && ocg < OC_PER_GROUP
                ? weight[WEIGHT_AT(group * IC_PER_GROUP + icg, ocg, kd, kh, kw)]
                : 0.0f;
    }
}

// A pixel of a phase: its image and its place on the phase's grid.
typedef struct {
    int n;
    int qd;
    int qh;
    int qw;
} Pixel;

static inline Pixel pixel_at(const int index, const int grid_d, const int grid_h, const int grid_w) {
    Pixel pixel;
    const int row = index / grid_w;
    pixel.qw = REMAINDER(index, grid_w, row);
    const int plane = row / grid_h;
    pixel.qh = REMAINDER(row, grid_h, plane);
    pixel.n = plane / grid_d;
    pixel.qd = REMAINDER(plane, grid_d, pixel.n);
    return pixel;
}

// Adds the product of a block of weights and a block of inputs to a work-item's register tile. A quad of channels is the
// same for all lanes along the pixels, the next lane's pixels are the next in memory: no bank conflicts either way.
__attribute__((always_inline)) static inline void multiply_block(
        __local const float4* weights, __local const VECTOR* inputs, float (*sum)[ITEM_PIX]) {
#pragma unroll
    for (int icb = 0; icb < BLOCK_IC; icb++) {
        float x[ITEM_PIX];
#pragma unroll
        for (int v = 0; v < ITEM_PIX / VECTOR_PIX; v++) {
            const VECTOR read = inputs[icb * (TILE_PIX / VECTOR_PIX) + v * LANES_PIX];
#pragma unroll
            for (int c = 0; c < VECTOR_PIX; c++) {
                x[v * VECTOR_PIX + c] = COMPONENT(read, c);
            }
        }
#pragma unroll
        for (int v = 0; v < ITEM_OC / 4; v++) {
            const float4 w = weights[icb * (TILE_OC / 4) + v * LANES_OC];
#pragma unroll
            for (int p = 0; p < ITEM_PIX; p++) {
                sum[v * 4][p] += w.x * x[p];
                sum[v * 4 + 1][p] += w.y * x[p];
                sum[v * 4 + 2][p] += w.z * x[p];
                sum[v * 4 + 3][p] += w.w * x[p];
            }
        }
    }
}

__kernel __attribute__((reqd_work_group_size(LANES_PIX, LANES_OC * SPLIT, 1))) void tile(
        __global const float* restrict input,
        __global const float* restrict packed,
        __global const float* restrict bias,
        __global const float* restrict slope,
        __global const float* restrict residual,
        __global float* restrict output,
        const int N, const int ID, const int IH, const int IW, const int OD, const int OH, const int OW) {
    __local VECTOR input_blocks[SPLIT * 2 * INPUT_VECTORS];
    __local float4 weight_blocks[SPLIT * 2 * BLOCK_QUADS];

    const int tile_and_phase = (int)get_group_id(0);
    const int tile = tile_and_phase / PHASES;
    const int phase = REMAINDER(tile_and_phase, PHASES, tile);
    const int phase_dh = phase / SW;
    const int rw = REMAINDER(phase, SW, phase_dh);
    const int rd = phase_dh / SH;
    const int rh = REMAINDER(phase_dh, SH, rd);
    const int group = (int)get_group_id(1) / TILES_OC;
    const int first_ocg = REMAINDER((int)get_group_id(1), TILES_OC, group) * TILE_OC;

    const int grid_d = max(phase_size(rd, SD, OD), 1);
    const int grid_h = max(phase_size(rh, SH, OH), 1);
    const int grid_w = max(phase_size(rw, SW, OW), 1);
    const bool phase_exists = rd < OD && rh < OH && rw < OW;
    const int first_pixel = tile * TILE_PIX;
    const int pixels = phase_exists ? max(min(N * grid_d * grid_h * grid_w - first_pixel, TILE_PIX), 0) : 0;

    const int period_d = tap_period(SD, DD);
    const int period_h = tap_period(SH, DH);
    const int period_w = tap_period(SW, DW);
    const int first_kd = first_tap(rd, KD, SD, DD, PD);
    const int first_kh = first_tap(rh, KH, SH, DH, PH);
    const int first_kw = first_tap(rw, KW, SW, DW, PW);
    // No early return: where there is nobody to add for, all work-items alike skip all taps and their barriers.
    const int last_kd = pixels > 0 ? KD : 0;

    // What this work-item stages: the same pixels of every block, and from where it reads their next channels.
    const int lane_pix = (int)get_local_id(0);
    const int part = (int)get_local_id(1) / LANES_OC;
    const int lane_oc = REMAINDER((int)get_local_id(1), LANES_OC, part);
    __local VECTOR* const input_block = input_blocks + part * (2 * INPUT_VECTORS);
    __local float4* const weight_block = weight_blocks + part * (2 * BLOCK_QUADS);
    const int item = lane_oc * LANES_PIX + lane_pix;
    const int stage_ic = STAGE_STEP == 1 ? 0 : item / TILE_PIX;
    const int stage_pix = REMAINDER(item, TILE_PIX, stage_ic);
    // Places in bytes: no tensor has 2 GiB, so 32 bits do, and cost half the registers of 64.
    const uint channel_bytes = (uint)(ID * IH * IW) * (uint)sizeof(float);
    const int first_icg = part * (PART_BLOCKS * BLOCK_IC) + stage_ic;
    Pixel staged[STAGED_PIX];
    uint image[STAGED_PIX];
    uint from[STAGED_PIX];
    bool present[STAGED_PIX];
#pragma unroll
    for (int p = 0; p < STAGED_PIX; p++) {
        staged[p] = pixel_at(first_pixel + min(stage_pix + p * ITEMS, max(pixels - 1, 0)), grid_d, grid_h, grid_w);
        image[p] = (uint)(min(staged[p].n, N - 1) * IC + group * IC_PER_GROUP + first_icg) * channel_bytes;
    }
    __global const float* const packed_tile =
            packed + (size_t)get_group_id(1) * KD * KH * KW * BLOCKS * (BLOCK_QUADS * 4);
    const uint first_quad = (uint)(part * PART_BLOCKS * BLOCK_QUADS) * (uint)sizeof(float4);
    float next_input[STAGED_PIX][STAGED_IC];
    float4 next_weight[STAGED_QUADS];

    float sum[ITEM_OC][ITEM_PIX];
#pragma unroll
    for (int m = 0; m < ITEM_OC; m++) {
#pragma unroll
        for (int p = 0; p < ITEM_PIX; p++) {
            sum[m][p] = 0.0f;
        }
    }

    int step = 0;
    for (int kd = first_kd; kd < last_kd; kd += period_d) {
        const int shift_d = input_shift(rd, kd, SD, DD, PD);
        for (int kh = first_kh; kh < KH; kh += period_h) {
            const int shift_h = input_shift(rh, kh, SH, DH, PH);
            for (int kw = first_kw; kw < KW; kw += period_w) {
                const int shift_w = input_shift(rw, kw, SW, DW, PW);
#pragma unroll
                for (int p = 0; p < STAGED_PIX; p++) {
                    const int id = input_place(staged[p].qd, shift_d, ID);
                    const int ih = input_place(staged[p].qh, shift_h, IH);
                    const int iw = input_place(staged[p].qw, shift_w, IW);
                    present[p] = id >= 0 && ih >= 0 && iw >= 0;
                    from[p] = image[p]
                            + (uint)((max(id, 0) * IH + max(ih, 0)) * IW + max(iw, 0)) * (uint)sizeof(float);
                }
                uint quads = first_quad
                        + (uint)((kd * KH + kh) * KW + kw) * (uint)(BLOCKS * BLOCK_QUADS * sizeof(float4));
                for (int block = 0; block < PART_BLOCKS; block++) {
                    // The next block sets out, ...
#pragma unroll
                    for (int p = 0; p < STAGED_PIX; p++) {
#pragma unroll
                        for (int j = 0; j < STAGED_IC; j++) {
                            next_input[p][j] = 0.0f;
                        }
                        if (present[p]) {
#pragma unroll
                            for (int j = 0; j < STAGED_IC; j++) {
                                if (IC_PER_GROUP % BLOCK_IC == 0
                                        || block * BLOCK_IC + first_icg + j * STAGE_STEP < IC_PER_GROUP) {
                                    next_input[p][j] = read_at(input, from[p] + j * STAGE_STEP * channel_bytes);
                                }
                            }
                            from[p] += BLOCK_IC * channel_bytes;
                        }
                    }
#pragma unroll
                    for (int j = 0; j < STAGED_QUADS; j++) {
                        // Where they do not come out even, some read the last quad, and nobody stores it twice.
                        const int quad = BLOCK_QUADS % ITEMS == 0 ? item + j * ITEMS : min(item + j * ITEMS, BLOCK_QUADS - 1);
                        next_weight[j] = read_quad_at(packed_tile, quads + (uint)quad * (uint)sizeof(float4));
                    }
                    quads += BLOCK_QUADS * (uint)sizeof(float4);
                    // ... the one before it is multiplied meanwhile, ...
                    if (step > 0) {
                        const int copy = (step - 1) & 1;
                        multiply_block(
                                weight_block + copy * BLOCK_QUADS + lane_oc,
                                input_block + copy * INPUT_VECTORS + lane_pix, sum);
                    }
                    // ... and the next arrives in the other copy: one barrier a block is enough.
                    const int copy = step & 1;
                    __local float* const inputs = (__local float*)(input_block + copy * INPUT_VECTORS);
#pragma unroll
                    for (int p = 0; p < STAGED_PIX; p++) {
#pragma unroll
                        for (int j = 0; j < STAGED_IC; j++) {
                            inputs[(stage_ic + j * STAGE_STEP) * TILE_PIX + stage_pix + p * ITEMS] = next_input[p][j];
                        }
                    }
#pragma unroll
                    for (int j = 0; j < STAGED_QUADS; j++) {
                        if (BLOCK_QUADS % ITEMS == 0 || item + j * ITEMS < BLOCK_QUADS) {
                            weight_block[copy * BLOCK_QUADS + item + j * ITEMS] = next_weight[j];
                        }
                    }
                    barrier(CLK_LOCAL_MEM_FENCE);
                    step++;
                }
            }
        }
    }
    if (step > 0) {
        const int copy = (step - 1) & 1;
        multiply_block(
                weight_block + copy * BLOCK_QUADS + lane_oc, input_block + copy * INPUT_VECTORS + lane_pix, sum);
    }

#if SPLIT > 1
    // The parts of each channel's sums meet in local memory, and one of the work-items that share them adds them up; they
    // take turns. What is never stored is added in vain: nobody skips a barrier.
    __local float* const parts = (__local float*)weight_blocks;
#pragma unroll
    for (int m = 0; m < ITEM_OC; m++) {
        barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
        for (int p = 0; p < ITEM_PIX; p++) {
            parts[(part * ITEM_PIX + p) * ITEMS + item] = sum[m][p];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (part == m % SPLIT) {
#pragma unroll
            for (int p = 0; p < ITEM_PIX; p++) {
                float total = parts[p * ITEMS + item];
#pragma unroll
                for (int other = 1; other < SPLIT; other++) {
                    total += parts[(other * ITEM_PIX + p) * ITEMS + item];
                }
                sum[m][p] = total;
            }
        }
    }
#endif

    const size_t output_size = (size_t)OD * OH * OW;
#pragma unroll
    for (int p = 0; p < ITEM_PIX; p++) {
        const int v = p / VECTOR_PIX;
        const int index = (v * LANES_PIX + lane_pix) * VECTOR_PIX + p - v * VECTOR_PIX;
        if (index < pixels) {
            const Pixel pixel = pixel_at(first_pixel + index, grid_d, grid_h, grid_w);
            const size_t first = OUTPUT_AT(
                    pixel.n, group * OC_PER_GROUP, pixel.qd * SD + rd, pixel.qh * SH + rh, pixel.qw * SW + rw);
#pragma unroll
            for (int m = 0; m < ITEM_OC; m++) {
                const int ocg = first_ocg + (m / 4 * LANES_OC + lane_oc) * 4 + m % 4;
                if (ocg < OC_PER_GROUP && part == m % SPLIT) {
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
