// forward_winograd.cl: transposed convolution with fewer multiplications (Winograd's minimal filtering), lanes are
// output channels. For phases of two or three taps on an axis: kernel 4 stride 2, kernel 3 stride 1 or 2, and so on.
//   output as in forward.cl. Within a phase (forward_clane.cl) an axis is a correlation of T neighbouring inputs,
//     y[q] = sum over t < T of d[q + t] * g[t],
//   of which M + T - 1 products give M neighbours (F(M, T)), by evaluation at the points 0, 1, infinity and -1:
//     F(3, 2), F(2, 3)  m = ((d0 - d2) g0, (d1 + d2) (g0 + g1 + g2) / 2, (d3 - d1) g', (d2 - d1) (g0 - g1 + g2) / 2)
//                       y = (m0 + (m1 + m3), m1 - m3, (m1 + m3) + m2)  or  (m0 + (m1 + m3), (m1 - m3) + m2)
//     F(2, 2)           m = ((d0 - d1) g0, 2 d1 (g0 + g1) / 2, (d2 - d1) g1),  y = (m0 + m1, m1 + m2)
//     F(M, 1)           m = y = (d0 g0, d1 g0, ...)
//   with g' the last tap, nested over h and w; taps in d are summed one by one. An axis whose phases have at most two
//   taps is cut into tiles of three outputs and, at its end, one or two of two outputs, which need the same weights less
//   the last: 16 outputs are four threes and two twos, 22 products for 32. Three taps take tiles of two outputs. An axis
//   without a phase of several taps has single outputs.
//
// One work-item computes TILE_OC = LANES * V output channels of up to TILES tiles of one kind (three or two outputs on
// either axis) of one phase in d and h, for all phases of w. For each phase of w it transforms the inputs of the tiles,
// IC_BLOCK channels at a time. Then, one point after the other, it adds the products: P * V vectors of sums in registers,
// an input a scalar for a vector of channels, PART channels on their own, all P tiles before the next PART of the
// weights, which so stay in the first-level cache. The products are transformed back into a private tile; channels are
// transposed into rows at the end. Tiles are numbered across rows and images, so that none is wasted at a row's end.
//
// Layout: weight (IC, OC / GROUPS, KD, KH, KW), bias and slope (OC), input, residual and output as (N, C, D, H, W).
//   staged: the input, channels innermost (channels.cl); LANES floats more are read (and dropped) after its end.
//   packed (GROUPS, TILES_OC, SLOTS_H, SLOTS_W, KD, IC / GROUPS, TILE_OC), zeros in the lanes that there are not; the
//     slots of an axis are the points of its phases, one phase after the other.
// ND-range, always in work-groups of one item (there is no barrier and no local memory):
//   winograd_pack  (IC / GROUPS, KD, GROUPS * TILES_OC)
//   winograd_stage (ceil(IC / STAGE_IC), N * ID * IH + 1)
//   winograd       (SD * SH, sum over kinds of ceil(tiles / TILES), GROUPS * ceil(TILES_OC / OC_CHUNK)): all phases of
//                  some tiles follow each other, which read the same inputs
// Only where KH and KW reach at most three taps a phase, more than one on some axis, without dilation in h and w.
// Writes every output element once, in a fixed order of additions: deterministic. The sums are shorter than the direct
// kernels', so that the error is not above theirs (native-notes/0010), but it goes with the largest inputs of a tile, not
// with each element's own: an infinite input makes its neighbours in the tile not-a-number. Integers small enough stay
// exact, as everything is halved twice at most.
// Constants: the layer's (common.cl), its epilogue (forward.cl) and
//   LANES     output channels in a vector: the float width of the CPU's registers (16: AVX-512)
//   V, P      vectors of channels and tiles in registers; P * V + V + 1 vector registers are needed (AVX-512 has 32)
//   TILES     tiles of a work-item, a multiple of P
//   OC_CHUNK  tiles of output channels of a work-item
//   IC_BLOCK  input channels that are transformed at once, a multiple of PART or all of a group's, rounded up to LANES

// The most taps of a phase, the outputs of a full tile and the most products of a tile on an axis.
#define MOST_TAPS(k, s) (((k) + (s)-1) / (s))
#define FULL_TILE(taps) ((taps) == 1 ? 1 : (taps) == 2 ? 3 : 2)
#define MH FULL_TILE(MOST_TAPS(KH, SH))
#define MW FULL_TILE(MOST_TAPS(KW, SW))
#define POINTS_H (MOST_TAPS(KH, SH) + MH - 1)
#define POINTS_W (MOST_TAPS(KW, SW) + MW - 1)
// Outputs of a short tile.
#define SHORT_TILE 2

// Work-items for the output channels of a group.
#define CHUNKS_OC ((TILES_OC + OC_CHUNK - 1) / OC_CHUNK)
// Outputs of a row of tiles, and of all their rows.
#define RESULT_ROW (TILES * MW * SW * TILE_OC)
#define RESULT (MH * RESULT_ROW)

// Input channels whose products are summed on their own.
#define PART 32
// Floats from one tile's channels to the next's, which should not share cache sets.
#define IC_STRIDE (IC_BLOCK + 16)

// How an axis of some outputs of a phase is cut: full tiles, then short ones.
inline int full_tiles(const int outputs, const int full) {
    return full != 3 ? ceil_divide(outputs, full) : outputs % 3 == 1 ? max(outputs - 4, 0) / 3 : outputs / 3;
}

inline int short_tiles(const int outputs, const int full) {
    return ceil_divide(max(outputs - full_tiles(outputs, full) * full, 0), SHORT_TILE);
}

inline int staged_begin(void) {
    return -LEAST_OFFSET_W;
}

inline int staged_width(const int IW, const int OW) {
    const int outputs = ceil_divide(OW, SW);
    return full_tiles(outputs, MW) * MW + short_tiles(outputs, MW) * SHORT_TILE + GREATEST_OFFSET_W - LEAST_OFFSET_W;
}

// The first tap of a phase, the number of its taps, and the input offset i - q of the last, which is the least.
inline int first_tap(const int phase, const int stride, const int pad) {
    return phase + pad - floor_divide(phase + pad, stride) * stride;
}

inline int count_taps(const int phase, const int kernel_size, const int stride, const int pad) {
    return kernel_size % stride == 0
            ? kernel_size / stride // a constant
            : ceil_divide(kernel_size - first_tap(phase, stride, pad), stride);
}

inline int least_offset(const int phase, const int taps, const int stride, const int pad) {
    return floor_divide(phase + pad, stride) - (taps - 1);
}

// The weights of a phase's taps: as many as the products of a full tile, but one for a single tap, which all share.
inline int count_slots(const int taps, const int full) {
    return taps <= 1 ? taps : taps + full - 1;
}

inline int first_slot(const int phase, const int kernel_size, const int stride, const int pad, const int full) {
    int slots = 0;
    for (int before = 0; before < phase; before++) {
        slots += count_slots(count_taps(before, kernel_size, stride, pad), full);
    }
    return slots;
}

#define SLOTS_H first_slot(SH, KH, SH, PH, MH)
#define SLOTS_W first_slot(SW, KW, SW, PW, MW)

// The weights of one product from the taps of one axis, g2 being zero for two of them.
FLATTENED floatV filter_point(const floatV g0, const floatV g1, const floatV g2, const int taps, const int point) {
    if (point == 0) {
        return g0;
    }
    if (point == 2) {
        return taps == 2 ? g1 : g2;
    }
    return point == 1 ? (g0 + g2 + g1) * 0.5f : (g0 + g2 - g1) * 0.5f;
}

// A vector of channels, whose taps are neighbours, is read once; all its products' weights come of it.
__kernel void winograd_pack(__global const float* restrict weight, __global float* restrict packed) {
    const int icg = (int)get_global_id(0);
    const int kd = (int)get_global_id(1);
    const int tile = (int)get_global_id(2);
    const int group = tile / TILES_OC;
    const int slots_w = SLOTS_W;
    const int slots_h = SLOTS_H;

    for (int first = 0; first < TILE_OC; first += LANES) {
        const int first_ocg = REMAINDER(tile, TILES_OC, group) * TILE_OC + first;
        const int count = min(LANES, OC_PER_GROUP - first_ocg);
        __global const float* const from = weight + WEIGHT_AT(group * IC_PER_GROUP + icg, first_ocg, kd, 0, 0);
        float taps[KH * KW * LANES];
        for (int tap = 0; tap < KH * KW; tap++) {
            for (int lane = 0; lane < LANES; lane++) {
                taps[tap * LANES + lane] = lane < count ? from[(size_t)lane * (KD * KH * KW) + tap] : 0.0f;
            }
        }
        int slot_w = 0;
        for (int phase_w = 0; phase_w < SW; phase_w++) {
            const int taps_w = count_taps(phase_w, KW, SW, PW);
            // Taps lie a stride apart and go backwards: the last one meets the first input.
            const int last_w = first_tap(phase_w, SW, PW) + (taps_w - 1) * SW;
            for (int point_w = 0; point_w < count_slots(taps_w, MW); point_w++) {
                int slot_h = 0;
                for (int phase_h = 0; phase_h < SH; phase_h++) {
                    const int taps_h = count_taps(phase_h, KH, SH, PH);
                    const int last_h = first_tap(phase_h, SH, PH) + (taps_h - 1) * SH;
                    floatV rows[3] = {(floatV)(0.0f), (floatV)(0.0f), (floatV)(0.0f)};
                    for (int h = 0; h < taps_h; h++) {
                        floatV g[3] = {(floatV)(0.0f), (floatV)(0.0f), (floatV)(0.0f)};
                        for (int w = 0; w < taps_w; w++) {
                            const int tap = (last_h - h * SH) * KW + last_w - w * SW;
                            g[w] = VECTOR_FROM(__private, taps + tap * LANES);
                        }
                        rows[h] = filter_point(g[0], g[1], g[2], taps_w, point_w);
                    }
                    for (int point_h = 0; point_h < count_slots(taps_h, MH); point_h++) {
                        const size_t slot = ((size_t)tile * slots_h + slot_h) * slots_w + slot_w;
                        const size_t row = (slot * KD + kd) * IC_PER_GROUP + icg;
                        VECTOR_AT(__global, packed + row * TILE_OC + first) =
                                filter_point(rows[0], rows[1], rows[2], taps_h, point_h);
                        slot_h++;
                    }
                }
                slot_w++;
            }
        }
    }
}

__kernel void winograd_stage(
        __global const float* restrict input,
        __global float* restrict staged,
        const int N, const int ID, const int IH, const int IW, const int OD, const int OH, const int OW) {
    stage_row(
            input, staged, (int)get_global_id(0) * STAGE_IC, get_global_id(1), staged_begin(), staged_width(IW, OW), N, ID,
            IH, IW);
}

// The inputs' factors of the products of one axis, in place.
FLATTENED void transform_input(floatV* d0, floatV* d1, floatV* d2, const floatV d3, floatV* fourth, const int products) {
    if (products == 4) {
        const floatV first = *d0 - *d2;
        const floatV second = *d1 + *d2;
        const floatV third = d3 - *d1;
        *fourth = *d2 - *d1;
        *d0 = first;
        *d1 = second;
        *d2 = third;
    }
    if (products == 3) {
        *d0 -= *d1;
        *d2 -= *d1;
        *d1 += *d1;
    }
}

// Transforms the patch of one tile, channels of its input channels; rows are its input rows at its first column. taps
// are 1, and points the positions, where nothing is to be transformed. Point i goes to to + i * pitch.
FLATTENED void transform_tile(
        __global const float* const rows[POINTS_H], float* to, const size_t pitch, const int channels,
        const int points_h, const int points_w, const int taps_h, const int taps_w) {
    for (int ic = 0; ic < channels; ic += LANES) {
        floatV d[4][4];
#pragma unroll
        for (int h = 0; h < POINTS_H; h++) {
            if (h < points_h) {
#pragma unroll
                for (int w = 0; w < POINTS_W; w++) {
                    if (w < points_w) {
                        d[h][w] = VECTOR_FROM(__global, rows[h] + w * PIXEL + ic);
                    }
                }
                transform_input(&d[h][0], &d[h][1], &d[h][2], d[h][3], &d[h][3], taps_w == 1 ? 1 : points_w);
            }
        }
#pragma unroll
        for (int w = 0; w < POINTS_W; w++) {
            if (w < points_w) {
                transform_input(&d[0][w], &d[1][w], &d[2][w], d[3][w], &d[3][w], taps_h == 1 ? 1 : points_h);
#pragma unroll
                for (int h = 0; h < POINTS_H; h++) {
                    if (h < points_h) {
                        VECTOR_AT(__private, to + (h * points_w + w) * pitch + ic) = d[h][w];
                    }
                }
            }
        }
    }
}

// Adds the products of P tiles with the same weights: channels inputs of each times their TILE_OC weights.
FLATTENED void add_products(
        float* kept, const bool first, const float* inputs, __global const float* weights, const int channels) {
    floatV sum[P * V];
#pragma unroll
    for (int i = 0; i < P * V; i++) {
        sum[i] = (floatV)(0.0f);
    }
    for (int ic = 0; ic < channels; ic++) {
        floatV w[V];
#pragma unroll
        for (int v = 0; v < V; v++) {
            w[v] = VECTOR_FROM(__global, weights + (ic * V + v) * LANES);
        }
#pragma unroll
        for (int p = 0; p < P; p++) {
            const floatV x = (floatV)(inputs[p * IC_STRIDE + ic]);
#pragma unroll
            for (int v = 0; v < V; v++) {
                sum[p * V + v] += x * w[v];
            }
        }
    }
    if (!first) {
#pragma unroll
        for (int i = 0; i < P * V; i++) {
            sum[i] += VECTOR_FROM(__private, kept + i * LANES);
        }
    }
#pragma unroll
    for (int i = 0; i < P * V; i++) {
        VECTOR_AT(__private, kept + i * LANES) = sum[i];
    }
}

// The outputs of one axis from its products, in place.
FLATTENED void transform_output(
        floatV* m0, floatV* m1, floatV* m2, const floatV m3, const int taps, const int outputs) {
    if (taps + outputs == 5) {
        const floatV even = *m1 + m3;
        const floatV odd = *m1 - m3;
        *m0 += even;
        *m1 = outputs == 3 ? odd : odd + *m2;
        *m2 += even;
    }
    if (taps == 2 && outputs == 2) {
        *m0 += *m1;
        *m1 += *m2;
    }
}

__kernel void winograd(
        __global const float* restrict staged,
        __global const float* restrict packed,
        __global const float* restrict bias,
        __global const float* restrict slope,
        __global const float* restrict residual,
        __global float* restrict output,
        const int N, const int ID, const int IH, const int IW, const int OD, const int OH, const int OW) {
    const int QW = ceil_divide(OW, SW);
    const int QH = ceil_divide(OH, SH);
    const int QD = ceil_divide(OD, SD);
    const int phase_d = (int)(get_global_id(0) / SH);
    const int phase_h = (int)REMAINDER(get_global_id(0), SH, phase_d);
    const int group = (int)(get_global_id(2) / CHUNKS_OC);
    const int first_tile_oc = (int)REMAINDER(get_global_id(2), CHUNKS_OC, group) * OC_CHUNK;
    const int tiles_oc = min(TILES_OC - first_tile_oc, OC_CHUNK);

    // The kind of this item's tiles, and which of them they are. Items of the other kinds, which have less to do, are spread
    // evenly among those of full tiles: a driver may give each thread a run of neighbours (PoCL begins with half of all).
    bool short_h = false;
    bool short_w = false;
    int TH = full_tiles(QH, MH);
    int TW = full_tiles(QW, MW);
    const int items = (int)get_global_size(1);
    const int full_items = ceil_divide(N * QD * TH * TW, TILES);
    const long place = (long)get_global_id(1);
    const int others_before = (int)(place * (items - full_items) / items);
    const bool other = (place + 1) * (items - full_items) / items > others_before;
    int first_tile = (other ? full_items + others_before : (int)place - others_before) * TILES;
    while (first_tile >= N * QD * TH * TW) {
        first_tile -= ceil_divide(N * QD * TH * TW, TILES) * TILES;
        short_h = short_w ? !short_h : short_h;
        short_w = !short_w;
        TH = short_h ? short_tiles(QH, MH) : full_tiles(QH, MH);
        TW = short_w ? short_tiles(QW, MW) : full_tiles(QW, MW);
    }
    const int first_qh = short_h ? full_tiles(QH, MH) * MH : 0;
    const int first_qw = short_w ? full_tiles(QW, MW) * MW : 0;
    const int mh = short_h ? SHORT_TILE : MH;
    const int mw = short_w ? SHORT_TILE : MW;
    const int tiles = min(N * QD * TH * TW - first_tile, TILES);
    // The tiles that are computed, the last one several times.
    const int computed = ceil_divide(tiles, P) * P;

    const int width = staged_width(IW, OW);
    const size_t line = (size_t)width * PIXEL;
    __global const float* const channels = staged + group * IC_PER_GROUP;
    __global const float* const zeros = channels + (size_t)N * ID * IH * line;
    const int taps_h = count_taps(phase_h, KH, SH, PH);
    const int base_h = least_offset(phase_h, taps_h, SH, PH);
    const int points_h = max(taps_h, 1) + mh - 1;
    const int slots_h = SLOTS_H;
    const int slots_w = SLOTS_W;
    const size_t slot_weights = (size_t)KD * IC_PER_GROUP * TILE_OC;
    __global const float* const weights = packed
            + ((size_t)(group * TILES_OC + first_tile_oc) * slots_h + first_slot(phase_h, KH, SH, PH, MH)) * slots_w
                    * slot_weights;

    int n[TILES], qd[TILES], qh[TILES], qw[TILES];
    for (int t = 0; t < computed; t++) {
        const int at = first_tile + min(t, tiles - 1);
        const int row = at / TW;
        qw[t] = first_qw + REMAINDER(at, TW, row) * mw;
        const int plane = row / TH;
        qh[t] = first_qh + REMAINDER(row, TH, plane) * mh;
        n[t] = plane / QD;
        qd[t] = REMAINDER(plane, QD, n[t]);
    }

    float result[OC_CHUNK * RESULT];
    float inputs[POINTS_H * POINTS_W * TILES * IC_STRIDE];
    float products[OC_CHUNK * POINTS_H * POINTS_W * TILES * TILE_OC];
    int slot_w = 0;
    for (int phase_w = 0; phase_w < SW; phase_w++) {
        const int taps_w = count_taps(phase_w, KW, SW, PW);
        const int base_w = least_offset(phase_w, taps_w, SW, PW);
        const int points_w = max(taps_w, 1) + mw - 1;
        const int points = points_h * points_w;
        bool first = true;
        for (int kd = 0; kd < KD && taps_h > 0 && taps_w > 0; kd++) {
            const int spread = phase_d + PD - kd * DD;
            const int offset_d = floor_divide(spread, SD);
            if (offset_d * SD != spread) {
                continue;
            }
            for (int first_ic = 0; first_ic < IC_PER_GROUP; first_ic += IC_BLOCK) {
                const int count = min(IC_PER_GROUP - first_ic, IC_BLOCK);
                for (int t = 0; t < computed; t++) {
                    __global const float* rows[POINTS_H];
#pragma unroll
                    for (int h = 0; h < POINTS_H; h++) {
                        const int id = qd[t] + offset_d;
                        const int ih = qh[t] + base_h + h;
                        const bool inside = id >= 0 && id < ID && ih >= 0 && ih < IH;
                        rows[h] = (inside ? channels + (((size_t)n[t] * ID + id) * IH + ih) * line : zeros)
                                + (size_t)(qw[t] + base_w + staged_begin()) * PIXEL + first_ic;
                    }
                    transform_tile(
                            rows, inputs + t * IC_STRIDE, (size_t)computed * IC_STRIDE, count, points_h, points_w, taps_h,
                            taps_w);
                }
                // The positions of a single tap share its weight, and are more tiles of it.
                const int weights_h = taps_h == 1 ? 1 : points_h;
                const int weights_w = taps_w == 1 ? 1 : points_w;
                const int shared_h = points_h / weights_h;
                const int shared_w = points_w / weights_w * computed;
                for (int point = 0; point < tiles_oc * weights_h * weights_w; point++) {
                    const int row = point / weights_w;
                    const int w = REMAINDER(point, weights_w, row);
                    const int tile_oc = row / weights_h;
                    const int h = REMAINDER(row, weights_h, tile_oc);
                    __global const float* const w_point = weights
                            + (((size_t)tile_oc * slots_h + h) * slots_w + slot_w + w) * slot_weights
                            + ((size_t)kd * IC_PER_GROUP + first_ic) * TILE_OC;
                    for (int ic = 0; ic < count; ic += PART) {
                        for (int again = 0; again < shared_h; again++) {
                            const int begin = ((h + again) * points_w + w) * computed;
                            for (int t = begin; t < begin + shared_w; t += P) {
                                add_products(
                                        products + (tile_oc * points * computed + t) * TILE_OC, first && ic == 0,
                                        inputs + t * IC_STRIDE + ic, w_point + ic * TILE_OC, min(count - ic, PART));
                            }
                        }
                    }
                }
                first = false;
            }
        }
        slot_w += count_slots(taps_w, MW);
        for (int i = 0; first && i < tiles_oc * points * computed * V; i++) {
            VECTOR_AT(__private, products + i * LANES) = (floatV)(0.0f);
        }
        for (int i = 0; i < tiles_oc * tiles * V; i++) {
            const int tv = i / V;
            const int v = i - tv * V;
            const int tile_oc = tv / tiles;
            const int t = REMAINDER(tv, tiles, tile_oc);
            const float* const from = products + (tile_oc * points * computed + t) * TILE_OC + v * LANES;
            floatV m[4][4];
#pragma unroll
            for (int h = 0; h < POINTS_H; h++) {
#pragma unroll
                for (int w = 0; w < POINTS_W; w++) {
                    // Points that there are not are read and dropped.
                    m[h][w] = VECTOR_FROM(__private, from + min(h * points_w + w, points - 1) * computed * TILE_OC);
                }
                transform_output(&m[h][0], &m[h][1], &m[h][2], m[h][3], taps_w, mw);
            }
            float* const to = result + tile_oc * RESULT + t * (mw * SW * TILE_OC) + phase_w * TILE_OC + v * LANES;
#pragma unroll
            for (int w = 0; w < MW; w++) {
                transform_output(&m[0][w], &m[1][w], &m[2][w], m[3][w], taps_h, mh);
#pragma unroll
                for (int h = 0; h < MH; h++) {
                    if (h < mh && w < mw) {
                        VECTOR_AT(__private, to + h * RESULT_ROW + w * (SW * TILE_OC)) = m[h][w];
                    }
                }
            }
        }
    }

    for (int t = 0; t < tiles;) {
        // Neighbours along the row.
        const int run = min(tiles - t, TW - (qw[t] - first_qw) / mw);
        const int first_ow = qw[t] * SW;
        const int count_ow = min(OW - first_ow, run * mw * SW);
        const int od = qd[t] * SD + phase_d;
        for (int h = 0; h < mh; h++) {
            const int oh = (qh[t] + h) * SH + phase_h;
            for (int tile_oc = 0; tile_oc < tiles_oc && od < OD && oh < OH; tile_oc++) {
                const int first_ocg = (first_tile_oc + tile_oc) * TILE_OC;
                store_row(
                        result + tile_oc * RESULT + h * RESULT_ROW + t * (mw * SW * TILE_OC),
                        OUTPUT_AT(n[t], group * OC_PER_GROUP + first_ocg, od, oh, first_ow), 1, (size_t)OD * OH * OW,
                        group * OC_PER_GROUP + first_ocg, min(OC_PER_GROUP - first_ocg, TILE_OC), count_ow, bias, slope,
                        residual, output);
            }
        }
        t += run;
    }
}
