// forward_winograd.cl: transposed convolution with fewer multiplications (Winograd's minimal filtering), lanes are
// output channels. For phases of two or three taps on an axis: kernel 4 stride 2, kernel 3 stride 1 or 2, and so on.
//   output as in forward.cl. Within a phase (forward_clane.cl) an axis is a correlation of T neighbouring inputs,
//     y[q] = sum over t < T of d[q + t] * g[t],
//   of which T + 1 products give two neighbours (F(2, T)):
//     T = 1   m = (d0 g0, d1 g0)                                     y = (m0, m1)
//     T = 2   m = ((d0 - d1) g0, d1 (g0 + g1), (d2 - d1) g1)         y = (m0 + m1, m1 + m2)
//     T = 3   m = ((d0 - d2) g0, (d1 + d2) (g0 + g1 + g2) / 2, (d2 - d1) (g0 - g1 + g2) / 2, (d1 - d3) g2)
//             y = (m0 + m1 + m2, m1 - m2 - m3)
//   nested over h and w; taps in d are summed one by one. An axis without a phase of several taps has single outputs.
//
// One work-item computes TILE_OC = LANES * V output channels of P tiles of MH by MW positions (qh, qw) of one phase in d
// and h, for all phases of w. For each phase it transforms the inputs of the tiles, IC_BLOCK channels at a time, adds
// the products' sums (P * V vectors in registers, an input a scalar for a vector of channels), transforms them back and
// puts them into a private tile; channels are transposed into rows at the end. Tiles are numbered across rows and
// images, so that none is wasted at the end of a row.
//
// Layout: weight (IC, OC / GROUPS, KD, KH, KW), bias and slope (OC), input, residual and output as (N, C, D, H, W).
//   staged: the input, channels innermost (channels.cl); LANES floats more are read (and dropped) after its end.
//   packed (GROUPS, TILES_OC, SH, SW, KD, POINTS, IC / GROUPS, TILE_OC), zeros in lanes and points that there are not.
// ND-range, always in work-groups of one item (there is no barrier and no local memory):
//   winograd_pack  (elements of packed)
//   winograd_stage (ceil(IC / STAGE_IC), N * ID * IH + 1)
//   winograd       (ceil(N * QD * TH * TW / P), SD * SH, GROUPS * TILES_OC), Q = ceil(O / S), T = ceil(Q / M)
// Only where KH and KW reach at most three taps a phase, more than one on some axis, without dilation in h and w.
// Writes every output element once, in a fixed order of additions: deterministic. Its error is not above the direct
// kernels' (measured: 0.6 to 1.03 times), as each sum has fewer terms; integers small enough stay exact.
// Constants: the layer's (common.cl), its epilogue (forward.cl) and
//   LANES  output channels in a vector: the float width of the CPU's registers (16: AVX-512)
//   V, P   vectors of channels and tiles of a work-item; P * V + V + 1 vector registers are needed (AVX-512 has 32)

// Outputs of a tile on an axis, the most taps of a phase and the most products of a tile.
#define MOST_TAPS(k, s) (((k) + (s)-1) / (s))
#define MH (KH > SH ? 2 : 1)
#define MW (KW > SW ? 2 : 1)
#define POINTS_H (MOST_TAPS(KH, SH) + MH - 1)
#define POINTS_W (MOST_TAPS(KW, SW) + MW - 1)
#define POINTS (POINTS_H * POINTS_W)
// Packed weights of one tap in d of a phase.
#define POINT_WEIGHTS ((size_t)POINTS * IC_PER_GROUP * TILE_OC)

// Input channels transformed at once, and the floats from one tile's channels to the next's, which should not share
// cache sets. Fewer channels a block were slower (64: 10 %), as all sums go through memory between blocks.
#define MOST_IC_BLOCK 256
#define IC_LANES ((IC_PER_GROUP + LANES - 1) / LANES * LANES)
#define IC_BLOCK (IC_LANES < MOST_IC_BLOCK ? IC_LANES : MOST_IC_BLOCK)
#define IC_STRIDE (IC_BLOCK + 16)

inline int staged_begin(void) {
    return -LEAST_OFFSET_W;
}

inline int staged_width(const int IW, const int OW) {
    return ceil_divide(ceil_divide(OW, SW), MW) * MW + GREATEST_OFFSET_W - LEAST_OFFSET_W;
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

// The weight of one product from the taps of one axis, read a stride apart and backwards (the last tap meets the first
// input). point counts the products.
inline float filter_point(const float g0, const float g1, const float g2, const int taps, const int point) {
    if (taps == 1) {
        return g0;
    }
    if (taps == 2) {
        return point == 0 ? g0 : point == 1 ? g0 + g1 : g1;
    }
    return point == 0 ? g0 : point == 1 ? (g0 + g1 + g2) * 0.5f : point == 2 ? (g0 - g1 + g2) * 0.5f : g2;
}

__kernel void winograd_pack(__global const float* restrict weight, __global float* restrict packed) {
    const size_t at = get_global_id(0);
    const size_t row = at / TILE_OC;
    const int lane = (int)REMAINDER(at, TILE_OC, row);
    const size_t pointed = row / IC_PER_GROUP;
    const int icg = (int)REMAINDER(row, IC_PER_GROUP, pointed);
    const size_t depth = pointed / POINTS;
    const int point = (int)REMAINDER(pointed, POINTS, depth);
    const size_t phased = depth / KD;
    const int kd = (int)REMAINDER(depth, KD, phased);
    const size_t tiled = phased / SW;
    const int phase_w = (int)REMAINDER(phased, SW, tiled);
    const size_t tile = tiled / SH;
    const int phase_h = (int)REMAINDER(tiled, SH, tile);
    const int group = (int)(tile / TILES_OC);
    const int ocg = (int)REMAINDER(tile, TILES_OC, group) * TILE_OC + lane;

    const int taps_h = count_taps(phase_h, KH, SH, PH);
    const int taps_w = count_taps(phase_w, KW, SW, PW);
    const int points_w = taps_w + MW - 1;
    const int point_h = point / points_w;
    const int point_w = REMAINDER(point, points_w, point_h);
    if (ocg >= OC_PER_GROUP || taps_h <= 0 || taps_w <= 0 || point_h >= taps_h + MH - 1) {
        packed[at] = 0.0f;
        return;
    }
    const int last_h = first_tap(phase_h, SH, PH) + (taps_h - 1) * SH;
    const int last_w = first_tap(phase_w, SW, PW) + (taps_w - 1) * SW;
    float rows[3] = {0.0f, 0.0f, 0.0f};
    for (int h = 0; h < taps_h; h++) {
        float g[3] = {0.0f, 0.0f, 0.0f};
        for (int w = 0; w < taps_w; w++) {
            g[w] = weight[WEIGHT_AT(group * IC_PER_GROUP + icg, ocg, kd, last_h - h * SH, last_w - w * SW)];
        }
        rows[h] = filter_point(g[0], g[1], g[2], taps_w, point_w);
    }
    packed[at] = filter_point(rows[0], rows[1], rows[2], taps_h, point_h);
}

__kernel void winograd_stage(
        __global const float* restrict input,
        __global float* restrict staged,
        const int N, const int ID, const int IH, const int IW, const int OD, const int OH, const int OW) {
    stage_row(
            input, staged, (int)get_global_id(0) * STAGE_IC, get_global_id(1), staged_begin(), staged_width(IW, OW), N, ID,
            IH, IW);
}

// The factors of the products from neighbouring inputs of one axis, in place.
inline void transform_input(floatV* d0, floatV* d1, floatV* d2, floatV* d3, const int taps) {
    if (taps == 2) {
        *d0 -= *d1;
        *d2 -= *d1;
    }
    if (taps == 3) {
        const floatV second = *d1 + *d2;
        const floatV third = *d2 - *d1;
        *d0 -= *d2;
        *d3 = *d1 - *d3;
        *d1 = second;
        *d2 = third;
    }
}

// Transforms IC_BLOCK channels of the patch of one tile; rows are its input rows at its first column. Point i goes to
// to + i * (P * IC_STRIDE).
inline void transform_tile(
        __global const float* const rows[4], float* to, const int channels, const int taps_h, const int taps_w) {
    const int points_h = taps_h + MH - 1;
    const int points_w = taps_w + MW - 1;
    for (int ic = 0; ic < channels; ic += LANES) {
        floatV d[4][4];
#pragma unroll
        for (int h = 0; h < POINTS_H; h++) {
            if (h < points_h) {
#pragma unroll
                for (int w = 0; w < POINTS_W; w++) {
                    if (w < points_w) {
                        d[h][w] = VECTOR_LOAD(LANES)(0, rows[h] + w * PIXEL + ic);
                    }
                }
                transform_input(&d[h][0], &d[h][1], &d[h][2], &d[h][3], taps_w);
            }
        }
#pragma unroll
        for (int w = 0; w < POINTS_W; w++) {
            if (w < points_w) {
                transform_input(&d[0][w], &d[1][w], &d[2][w], &d[3][w], taps_h);
#pragma unroll
                for (int h = 0; h < POINTS_H; h++) {
                    if (h < points_h) {
                        VECTOR_STORE(LANES)(d[h][w], 0, to + (h * points_w + w) * (P * IC_STRIDE) + ic);
                    }
                }
            }
        }
    }
}

// Adds the products of one point: channels inputs of P tiles times their TILE_OC weights.
inline void add_products(float* kept, const float* inputs, __global const float* weights, const int channels) {
    floatV sum[P * V];
#pragma unroll
    for (int i = 0; i < P * V; i++) {
        sum[i] = VECTOR_LOAD(LANES)(i, kept);
    }
    for (int ic = 0; ic < channels; ic++) {
        floatV w[V];
#pragma unroll
        for (int v = 0; v < V; v++) {
            w[v] = VECTOR_LOAD(LANES)(ic * V + v, weights);
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
#pragma unroll
    for (int i = 0; i < P * V; i++) {
        VECTOR_STORE(LANES)(sum[i], i, kept);
    }
}

// The two outputs of one axis from its products, in place.
inline void transform_output(floatV* m0, floatV* m1, const floatV m2, const floatV m3, const int taps) {
    if (taps == 2) {
        *m0 += *m1;
        *m1 += m2;
    }
    if (taps == 3) {
        *m0 += *m1 + m2;
        *m1 -= m2 + m3;
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
    const int TW = ceil_divide(ceil_divide(OW, SW), MW);
    const int TH = ceil_divide(ceil_divide(OH, SH), MH);
    const int QD = ceil_divide(OD, SD);
    const int tiles = N * QD * TH * TW;
    const int first_tile = (int)get_global_id(0) * P;
    const int phase_d = (int)(get_global_id(1) / SH);
    const int phase_h = (int)REMAINDER(get_global_id(1), SH, phase_d);
    const int group = (int)(get_global_id(2) / TILES_OC);
    const int first_ocg = (int)REMAINDER(get_global_id(2), TILES_OC, group) * TILE_OC;

    const int width = staged_width(IW, OW);
    const size_t line = (size_t)width * PIXEL;
    __global const float* const channels = staged + group * IC_PER_GROUP;
    __global const float* const zeros = channels + (size_t)N * ID * IH * line;
    const int taps_h = count_taps(phase_h, KH, SH, PH);
    const int base_h = floor_divide(phase_h + PH, SH) - (taps_h - 1);

    int n[P], qd[P], th[P], tw[P];
    for (int p = 0; p < P; p++) {
        const int at = min(first_tile + p, tiles - 1);
        const int row = at / TW;
        tw[p] = REMAINDER(at, TW, row);
        const int plane = row / TH;
        th[p] = REMAINDER(row, TH, plane);
        n[p] = plane / QD;
        qd[p] = REMAINDER(plane, QD, n[p]);
    }

    float result[MH * P * MW * SW * TILE_OC];
    float inputs[POINTS * P * IC_STRIDE];
    float products[POINTS * P * TILE_OC];
    for (int phase_w = 0; phase_w < SW; phase_w++) {
        const int taps_w = count_taps(phase_w, KW, SW, PW);
        const int base_w = floor_divide(phase_w + PW, SW) - (taps_w - 1);
        const int points_w = taps_w + MW - 1;
        const int points = (taps_h + MH - 1) * points_w;
        __global const float* weights =
                packed + ((get_global_id(2) * SH + phase_h) * SW + phase_w) * (KD * POINT_WEIGHTS);
        for (int i = 0; i < POINTS * P * V; i++) {
            VECTOR_STORE(LANES)((floatV)(0.0f), i, products);
        }
        for (int kd = 0; kd < KD && taps_h > 0 && taps_w > 0; kd++, weights += POINT_WEIGHTS) {
            const int spread = phase_d + PD - kd * DD;
            const int offset_d = floor_divide(spread, SD);
            if (offset_d * SD != spread) {
                continue;
            }
            for (int ic = 0; ic < IC_PER_GROUP; ic += IC_BLOCK) {
                const int count = min(IC_PER_GROUP - ic, IC_BLOCK);
                for (int p = 0; p < P; p++) {
                    __global const float* rows[4];
#pragma unroll
                    for (int h = 0; h < POINTS_H; h++) {
                        const int id = qd[p] + offset_d;
                        const int ih = th[p] * MH + base_h + h;
                        const bool inside = id >= 0 && id < ID && ih >= 0 && ih < IH;
                        rows[h] = (inside ? channels + (((size_t)n[p] * ID + id) * IH + ih) * line : zeros)
                                + (size_t)(tw[p] * MW + base_w + staged_begin()) * PIXEL + ic;
                    }
                    transform_tile(rows, inputs + p * IC_STRIDE, count, taps_h, taps_w);
                }
                for (int point = 0; point < points; point++) {
                    add_products(
                            products + point * (P * TILE_OC), inputs + point * (P * IC_STRIDE),
                            weights + ((size_t)point * IC_PER_GROUP + ic) * TILE_OC, count);
                }
            }
        }
        for (int i = 0; i < P * V; i++) {
            const int p = i / V;
            const int v = i - p * V;
            floatV m[4][4];
#pragma unroll
            for (int h = 0; h < POINTS_H; h++) {
#pragma unroll
                for (int w = 0; w < POINTS_W; w++) {
                    m[h][w] = VECTOR_LOAD(LANES)((h * points_w + w) * P * V + i, products);
                }
                transform_output(&m[h][0], &m[h][1], m[h][2], m[h][3], taps_w);
            }
#pragma unroll
            for (int w = 0; w < MW; w++) {
                transform_output(&m[0][w], &m[1][w], m[2][w], m[3][w], taps_h);
#pragma unroll
                for (int h = 0; h < MH; h++) {
                    VECTOR_STORE(LANES)(m[h][w], v, result + ((h * P + p) * (MW * SW) + w * SW + phase_w) * TILE_OC);
                }
            }
        }
    }

    const int count_oc = min(OC_PER_GROUP - first_ocg, TILE_OC);
    const int end = min(P, tiles - first_tile);
    for (int p = 0; p < end;) {
        const int run = min(end - p, TW - tw[p]);
        const int first_ow = tw[p] * MW * SW;
        const int count_ow = min(OW - first_ow, run * MW * SW);
        const int od = qd[p] * SD + phase_d;
        for (int h = 0; h < MH; h++) {
            const int oh = (th[p] * MH + h) * SH + phase_h;
            if (od < OD && oh < OH) {
                store_row(
                        result + (h * P + p) * (MW * SW * TILE_OC),
                        OUTPUT_AT(n[p], group * OC_PER_GROUP + first_ocg, od, oh, first_ow), 1, (size_t)OD * OH * OW,
                        group * OC_PER_GROUP + first_ocg, count_oc, count_ow, bias, slope, residual, output);
            }
        }
        p += run;
    }
}

