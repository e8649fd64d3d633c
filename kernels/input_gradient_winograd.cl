// input_gradient_winograd.cl: gradient by the input = the adjoint convolution, with fewer multiplications. What stands
// before and after winograd (forward_winograd.cl): the gradient is a forward pass of stride 1 once the phases of the output
// gradient are channels.
//   input_gradient[n][ic][id][ih][iw] = activate(bias[ic] + residual[n][ic][id][ih][iw] +
//       sum over oc,kd,kh,kw of output_gradient[n][oc][od][oh][ow] * weight[ic][oc][kd][kh][kw])
// On an axis, output position o is phase f = o mod S of grid point o div S. A phase meets the taps k = r + S t with
//   r = (f + P) mod S, at o = i S - P + k, which is grid point i + t - (f + P) div S (mod and div: floored).
// So with each phase moved by its (f + P) div S, all phases together are a correlation with T = ceil(K / S) taps: the
// folded pass, of kernel T, stride 1 and padding T - 1, whose input channels are phases by output channels and whose
// taps that there are not (r + S t >= K) are zeros.
//
// Layout: weight (IC, OC / GROUPS, KD, KH, KW), output_gradient (N, OC, OD, OH, OW) of the layer itself; staged and packed
//   as winograd reads them of the folded pass, its channels in the order (GROUPS, SD, SH, SW, OC / GROUPS).
// ND-range: input_gradient_winograd_pack  (ceil(OC / GROUPS / PACKED_OC), SD * TD, GROUPS * TILES_OC)
//           input_gradient_winograd_stage (GROUPS * ceil(OC / GROUPS / STAGE_IC), N * (ID + TD - 1) * (IH + TH - 1) + 1,
//                                          SD * SH)
// Constants: those of winograd for the folded pass, whose OC are the layer's input channels, and
//   WHOLE_K. WHOLE_S. WHOLE_P.  the layer's own kernel, stride and padding

#define PHASES (WHOLE_SD * WHOLE_SH * WHOLE_SW)
#define WHOLE_OC_PER_GROUP (IC_PER_GROUP / PHASES)
#define STAGED_BLOCKS CEIL_DIV(WHOLE_OC_PER_GROUP, STAGE_IC)

// Output channels that a work-item packs, and the floats of one's taps in the lanes.
#define PACKED_OC 8
#define TAPS (WHOLE_KH * WHOLE_KW * LANES)

// By how many grid points a phase is moved.
#define MOVED(phase, stride, pad) floor_divide((phase) + (pad), stride)

// The tap of the layer's kernel that is tap t of a phase's.
#define WHOLE_TAP(t, phase, stride, pad) ((phase) + (pad) - MOVED(phase, stride, pad) * (stride) + (t) * (stride))

// Turns the taps of LANES input channels, the first at from and the others a channel apart, into vectors of the channels.
FLATTENED void load_taps(__global const float* from, const size_t channel, const int count, float* taps) {
    const int size = WHOLE_KH * WHOLE_KW;
    int lane = 0;
    for (; lane + 4 <= count; lane += 4) {
        transpose_row_to_private(from + lane * channel, channel, size, taps + lane, LANES);
    }
    for (; lane < LANES; lane++) {
        for (int tap = 0; tap < size; tap++) {
            taps[tap * LANES + lane] = lane < count ? from[lane * channel + tap] : 0.0f;
        }
    }
}

// One work-item packs the taps of PACKED_OC output channels, at one depth, for a tile of input channels. They lie next to
// each other in the packed weight, whose slots are far apart: a slot at a time leaves as one piece.
__kernel void input_gradient_winograd_pack(__global const float* restrict weight, __global float* restrict packed) {
    const int first_ocg = (int)get_global_id(0) * PACKED_OC;
    const int phase_d = (int)get_global_id(1) / KD;
    const int tap_d = REMAINDER((int)get_global_id(1), KD, phase_d);
    const int tile = (int)get_global_id(2);
    const int group = tile / TILES_OC;
    const int first_icg = REMAINDER(tile, TILES_OC, group) * TILE_OC;
    const int channels = min(WHOLE_OC_PER_GROUP - first_ocg, PACKED_OC);
    const int kd = WHOLE_TAP(tap_d, phase_d, WHOLE_SD, WHOLE_PD);
    const size_t channel = (size_t)WHOLE_OC_PER_GROUP * (WHOLE_KD * WHOLE_KH * WHOLE_KW);
    const int slots_w = count_slots(KW, MW);
    const int slots_h = count_slots(KH, MH);

    float taps[PACKED_OC * V * TAPS];
    float block[POINTS_H * POINTS_W * PACKED_OC * TILE_OC];
    for (int cv = 0; cv < channels * V; cv++) {
        const int c = cv / V;
        const int icg = first_icg + (cv - c * V) * LANES;
        load_taps(
                weight + (group * OC_PER_GROUP + icg) * channel
                        + ((size_t)(first_ocg + c) * WHOLE_KD + kd) * (WHOLE_KH * WHOLE_KW),
                // None at all where the phase lacks this tap.
                channel, kd < WHOLE_KD ? min(LANES, OC_PER_GROUP - icg) : 0, taps + cv * TAPS);
    }
    for (int phase_hw = 0; phase_hw < WHOLE_SH * WHOLE_SW; phase_hw++) {
        const int phase_h = phase_hw / WHOLE_SW;
        const int phase_w = REMAINDER(phase_hw, WHOLE_SW, phase_h);
        for (int cv = 0; cv < channels * V; cv++) {
            floatV g[3][3];
#pragma unroll
            for (int h = 0; h < 3; h++) {
#pragma unroll
                for (int w = 0; w < 3; w++) {
                    // A tap moves with the input here, so that the first one meets the first input.
                    const int kh = WHOLE_TAP(h, phase_h, WHOLE_SH, WHOLE_PH);
                    const int kw = WHOLE_TAP(w, phase_w, WHOLE_SW, WHOLE_PW);
                    const bool there = h < KH && w < KW && kh < WHOLE_KH && kw < WHOLE_KW;
                    g[h][w] = there ? VECTOR_FROM(__private, taps + cv * TAPS + (kh * WHOLE_KW + kw) * LANES)
                                    : (floatV)(0.0f);
                }
            }
#pragma unroll
            for (int w = 0; w < POINTS_W; w++) {
                if (w < slots_w) {
                    const floatV r0 = filter_point(g[0][0], g[0][1], g[0][2], KW, w);
                    const floatV r1 = filter_point(g[1][0], g[1][1], g[1][2], KW, w);
                    const floatV r2 = filter_point(g[2][0], g[2][1], g[2][2], KW, w);
#pragma unroll
                    for (int h = 0; h < POINTS_H; h++) {
                        if (h < slots_h) {
                            VECTOR_AT(__private, block + ((h * slots_w + w) * (PACKED_OC * V) + cv) * LANES) =
                                    filter_point(r0, r1, r2, KH, h);
                        }
                    }
                }
            }
        }
        const size_t first = ((size_t)phase_d * (WHOLE_SH * WHOLE_SW) + phase_hw) * WHOLE_OC_PER_GROUP + first_ocg;
        for (int slot = 0; slot < slots_h * slots_w; slot++) {
            const size_t row = (((size_t)tile * slots_h * slots_w + slot) * KD + KD - 1 - tap_d) * IC_PER_GROUP + first;
            for (int cv = 0; cv < channels * V; cv++) {
                VECTOR_AT(__global, packed + row * TILE_OC + cv * LANES) =
                        VECTOR_FROM(__private, block + (slot * (PACKED_OC * V) + cv) * LANES);
            }
        }
    }
}

// Writes eight positions of eight channels of a row, the first of which is output position ow, to their grid points.
FLATTENED void fold_block(
        __global const float* from, const size_t plane, __global float* to, const int ow, const int width) {
    float8 v[8];
#pragma unroll
    for (int i = 0; i < 8; i++) {
        v[i] = vload8(0, from + i * plane + ow);
    }
    transpose8(v);
#pragma unroll
    for (int i = 0; i < 8; i++) {
        const int point = (ow + i) / WHOLE_SW;
        const int phase = REMAINDER(ow + i, WHOLE_SW, point);
        const int x = point + MOVED(phase, WHOLE_SW, WHOLE_PW);
        // Output padding may reach beyond all taps; padding below zero moves a phase before the first point.
        if (x >= 0 && x < width) {
            *(__global unaligned_float8*)(to + (size_t)x * PIXEL + phase * WHOLE_OC_PER_GROUP) = v[i];
        }
    }
}

// One work-item stages some channels of one folded row, in all phases of the width.
__kernel void input_gradient_winograd_stage(
        __global const float* restrict output_gradient,
        __global float* restrict staged,
        const int N, const int ID, const int IH, const int IW, const int OD, const int OH, const int OW) {
    const int group = (int)get_global_id(0) / STAGED_BLOCKS;
    const int first_ocg = REMAINDER((int)get_global_id(0), STAGED_BLOCKS, group) * STAGE_IC;
    const int count = min(WHOLE_OC_PER_GROUP - first_ocg, STAGE_IC);
    const int phase_d = (int)get_global_id(2) / WHOLE_SH;
    const int phase_h = REMAINDER((int)get_global_id(2), WHOLE_SH, phase_d);
    const int FH = IH + KH - 1;
    const int FD = ID + KD - 1;
    const int width = staged_width(IW + KW - 1, IW);
    const int plane_row = (int)(get_global_id(1) / FH);
    const int fh = (int)REMAINDER(get_global_id(1), FH, plane_row);
    const int n = plane_row / FD;
    const int fd = REMAINDER(plane_row, FD, n);
    const int od = (fd - MOVED(phase_d, WHOLE_SD, WHOLE_PD)) * WHOLE_SD + phase_d;
    const int oh = (fh - MOVED(phase_h, WHOLE_SH, WHOLE_PH)) * WHOLE_SH + phase_h;
    const bool inside = n < N && od >= 0 && od < OD && oh >= 0 && oh < OH;
    const size_t plane = (size_t)OD * OH * OW;
    __global const float* const from = output_gradient
            + (inside ? ((size_t)n * (GROUPS * WHOLE_OC_PER_GROUP) + group * WHOLE_OC_PER_GROUP + first_ocg) * plane
                               + ((size_t)od * OH + oh) * OW
                      : 0);
    __global float* const to = staged + get_global_id(1) * width * PIXEL + group * IC_PER_GROUP
            + (phase_d * WHOLE_SH + phase_h) * (WHOLE_SW * WHOLE_OC_PER_GROUP) + first_ocg;

    const bool blocks = count == STAGE_IC && OW >= 8;
    for (int phase = 0; phase < WHOLE_SW; phase++) {
        const int moved = MOVED(phase, WHOLE_SW, WHOLE_PW);
        for (int x = 0; x < width; x++) {
            const int ow = (x - moved) * WHOLE_SW + phase;
            const bool there = inside && ow >= 0 && ow < OW;
            if (!there || !blocks) {
                for (int c = 0; c < count; c++) {
                    to[(size_t)x * PIXEL + phase * WHOLE_OC_PER_GROUP + c] = there ? from[c * plane + ow] : 0.0f;
                }
            }
        }
    }
    if (inside && blocks) {
        for (int next = 0; next < OW; next += 8) {
            const int ow = min(next, OW - 8);
#pragma unroll
            for (int c = 0; c < STAGE_IC; c += 8) {
                fold_block(from + c * plane, plane, to + c, ow, width);
            }
        }
    }
}
