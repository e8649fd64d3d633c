// weight_gradient_panels.cl: gradient by the weight as a product of packed matrices ("panels"), lanes are input channels; with
// fewer multiplications (Winograd's minimal filtering) where an axis has two or three taps a phase.
//   weight_gradient[ic][oc][kd][kh][kw] = sum over n,id,ih,iw of
//       input[n][ic][id][ih][iw] * output_gradient[n][oc][od][oh][ow]
//   with od == id * SD - PD + kd * DD (likewise oh, ow); terms outside the output vanish.
// On an axis that is not MINIMAL each tap is a phase of its own and a tile is one position: x[i] * d[i], d being the output
// gradient that the tap meets. On one that is, phase r < SW has the taps r, r + SW, ..., T of them, and with d[j] =
// output_gradient[j * SW + r - PW]
//     gradient[t] = sum over i of x[i] * d[i + t].
// Of a tile of M neighbours x this takes M + T - 1 products instead of M * T, by evaluation at the points 0, 1, -1, infinity:
//     M = 3, T = 2   m = (x0 (d0 - d2), (x0 + x1 + x2) (d1 + d2), (x0 - x1 + x2) (d2 - d1), x2 (d3 - d1))
//                    gradient = (m0 + (m1 + m2) / 2, (m1 - m2) / 2 + m3)
//     M = 2, T = 3   the same with x2 = 0 and x1 for x2 in the last product
//                    gradient = (m0 + (m1 + m2) / 2, (m1 - m2) / 2, (m1 + m2) / 2 + m3)
//     M = 2, T = 2   m = (x0 (d0 - d1), (x0 + x1) d1, x1 (d2 - d1)),  gradient = (m0 + m1, m1 + m2)
//     T = 1          m = (x0 d0, x1 d1, ...), all of one sum
// nested over h and w. The products are summed over all tiles, and transformed back once. A tile that is short of its last
// position, at the end of an axis, has the same products less the last. An axis with phases of T taps has tiles for T; its
// phases of fewer taps use the same tiles (M = 2, T = 2 beside three taps).
//
// Layout: input (N, IC, ID, IH, IW), output_gradient (N, OC, OD, OH, OW), weight_gradient (IC, OC / GROUPS, KD, KH, KW). TILES
// tiles of one kind (short or not on either axis) are a batch; COUNT batches from FIRST on are in the panels at once, for OCS
// output channels of each group from FIRST_OC on:
//   inputs (COUNT, GROUPS, IC_TILES, SLOTS_H, SLOTS_W, TILES, TILE_IC)  x at the points, TILE_IC = LANES * V; 16 floats
//                                                                    lie between the slots
//   gradients (COUNT, GROUPS, KD, PRODUCTS_H, PRODUCTS_W, PITCH_OC / OCT, TILES, OCT)  the other factor of each product;
//                                                                    likewise. What a work-item reads is contiguous
// ND-ranges, always in work-groups of one item:
//   weight_gradient_panels_input (COUNT, GROUPS * IC_TILES)
//   weight_gradient_panels_output (COUNT, GROUPS * ceil(OCS / LANES))
//   weight_gradient_panels (GROUPS * IC_TILES, ceil(KD * PHASES_H / PHASES), ceil(channels of the panel / OCT))
// The last adds the products of a batch in registers, V vectors of input channels for each of OCT output channels, then to
// those of the item, in local memory, and at the end writes its weights, or adds to them if FIRST is not 0: every weight in
// an order of additions that the sizes alone decide.
// Constants: the layer's (common.cl), LANES (lanes.cl), and
//   MINIMAL_H MINIMAL_W  whether the axis has fewer products: two or three taps a phase and no dilation
//   V OCT PHASES         vectors, output channels, and rows of phases of a work-item; V * OCT sums in registers
//   TILES RUN            tiles of a batch; tiles of a row that are transformed at once
//   OCS PITCH_OC         output channels of a panel, a multiple of OCT, and the same rounded up to LANES
// OCT is LANES, a half or a quarter of it.

#define TILE_IC (LANES * V)
#define IC_TILES CEIL_DIV(IC_PER_GROUP, TILE_IC)

// The most taps of a phase, the phases, the positions of a tile and the slots of an axis' panels.
#define MOST_TAPS(minimal, k, s) ((minimal) ? CEIL_DIV(k, s) : 1)
#define COUNT_PHASES(minimal, k, s) ((minimal) ? (s) : (k))
#define TILE_OF(taps) ((taps) == 1 ? 1 : (taps) == 2 ? 3 : 2)
#define COUNT_SLOTS(taps, k, s) ((taps) == 1 ? 1 : (taps) == 2 && (k) % (s) != 0 ? 5 : 4)
#define TAPS_H MOST_TAPS(MINIMAL_H, KH, SH)
#define TAPS_W MOST_TAPS(MINIMAL_W, KW, SW)
#define PHASES_H COUNT_PHASES(MINIMAL_H, KH, SH)
#define PHASES_W COUNT_PHASES(MINIMAL_W, KW, SW)
#define TILE_H TILE_OF(TAPS_H)
#define TILE_W TILE_OF(TAPS_W)
#define SLOTS_H COUNT_SLOTS(TAPS_H, KH, SH)
#define SLOTS_W COUNT_SLOTS(TAPS_W, KW, SW)
#define PRODUCTS_H (PHASES_H * (TILE_H - 1) + KH)
#define PRODUCTS_W (PHASES_W * (TILE_W - 1) + KW)

// The most rows and columns of a tile's output gradient.
#define REACH_H (TILE_H + TAPS_H - 1)
#define REACH_W (TILE_W + TAPS_W - 1)

#define GAP 16
#define INPUT_PANEL (TILES * TILE_IC + GAP)
#define OUTPUT_PANEL (TILES * PITCH_OC + GAP)

// The taps of a phase.
FLATTENED int phase_taps(const int phase, const int k, const int s, const int taps) {
    return taps == 1 ? 1 : k % s == 0 ? k / s : CEIL_DIV(k - phase, s);
}

// The sums of a phase, of which phases of one tap have one for all products.
FLATTENED int phase_sums(const int phase_taps, const int tile) {
    return phase_taps == 1 ? 1 : tile + phase_taps - 1;
}

// The phases' sums before a certain one.
FLATTENED int sums_before(const int phase, const int k, const int s, const int taps, const int tile) {
    int sums = 0;
    for (int before = 0; before < phase; before++) {
        sums += phase_sums(phase_taps(before, k, s, taps), tile);
    }
    return sums;
}

// The phases' products before a certain one.
FLATTENED int products_before(const int phase, const int k, const int s, const int taps, const int tile) {
    int products = 0;
    for (int before = 0; before < phase; before++) {
        products += tile + phase_taps(before, k, s, taps) - 1;
    }
    return products;
}

// The slot of the input's factor of a product.
FLATTENED int slot_of(const int product, const int phase_taps, const int taps) {
    if (phase_taps == taps) {
        return product;
    }
    return taps == 2 ? (product == 0 ? 0 : product == 1 ? 4 : 3) : product == phase_taps ? 3 : product;
}

// How an axis is cut: full tiles, then tiles that are short of a position.
FLATTENED int full_tiles(const int size, const int tile) {
    const int rest = size - size / tile * tile;
    return max(size - (rest == 0 ? 0 : tile - rest) * (tile - 1), 0) / tile;
}

FLATTENED int short_tiles(const int size, const int tile) {
    return tile == 1 ? 0 : CEIL_DIV(size - full_tiles(size, tile) * tile, tile - 1);
}

// Tiles of one kind: whether they are short, how many there are down and across, the first, and how many.
typedef struct {
    int short_h, short_w, down, across, first, count;
} Batch;

FLATTENED Batch batch_at(const int number, const int N, const int ID, const int IH, const int IW) {
    Batch batch;
    int left = number;
    for (int kind = 0; kind < 4; kind++) {
        batch.short_h = kind / 2;
        batch.short_w = kind - kind / 2 * 2;
        batch.down = batch.short_h ? short_tiles(IH, TILE_H) : full_tiles(IH, TILE_H);
        batch.across = batch.short_w ? short_tiles(IW, TILE_W) : full_tiles(IW, TILE_W);
        const int tiles = N * ID * batch.down * batch.across;
        batch.first = left * TILES;
        batch.count = min(TILES, tiles - batch.first);
        if (batch.count > 0) {
            break;
        }
        left -= CEIL_DIV(tiles, TILES);
    }
    return batch;
}

// Some tiles of a batch that are neighbours along the row, and their first position.
typedef struct {
    int count, n, id, ih, iw;
} Run;

FLATTENED Run run_at(const Batch batch, const int tile, const int ID, const int IH, const int IW) {
    const int at = batch.first + tile;
    const int row = at / batch.across;
    const int across = at - row * batch.across;
    const int slice = row / batch.down;
    const int down = row - slice * batch.down;
    Run run;
    run.count = min(min(RUN, batch.count - tile), batch.across - across);
    run.n = slice / ID;
    run.id = slice - run.n * ID;
    run.ih = batch.short_h ? full_tiles(IH, TILE_H) * TILE_H + down * (TILE_H - 1) : down * TILE_H;
    run.iw = batch.short_w ? full_tiles(IW, TILE_W) * TILE_W + across * (TILE_W - 1) : across * TILE_W;
    return run;
}

// Stages count positions of a row from position first on, zeros where the row has ended.
FLATTENED void stage_positions(
        __local float* to, const int width, __global const float* row, const size_t plane, const int channels,
        const int first, const int count, const int size) {
    const int begin = min(max(-first, 0), count);
    const int end = max(min(size - first, count), begin);
    for (int x = 0; x < begin * width; x += LANES) {
        LANES_AT(__local, to + x) = (lanes)(0.0f);
    }
    stage_panel(to + begin * width, width, row + first + begin, plane, channels, end - begin);
    for (int x = end * width; x < count * width; x += LANES) {
        LANES_AT(__local, to + x) = (lanes)(0.0f);
    }
}

// The input's factors of an axis, in the order of the slots.
FLATTENED void transform_input(
        lanes* s0, lanes* s1, lanes* s2, lanes* s3, lanes* s4, const lanes x0, const lanes x1, const lanes x2,
        const int taps) {
    *s0 = x0;
    if (taps == 2) {
        const lanes even = x0 + x2;
        *s1 = even + x1;
        *s2 = even - x1;
        *s3 = x2;
        *s4 = x1;
    }
    if (taps == 3) {
        *s1 = x0 + x1;
        *s2 = x0 - x1;
        *s3 = x1;
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void weight_gradient_panels_input(
        __global const float* restrict input,
        __global float* restrict inputs,
        const int FIRST,
        const int N, const int ID, const int IH, const int IW, const int OD, const int OH, const int OW) {
    __local lanes staged_lanes[TILE_H * RUN * TILE_W * V];
    __local float* const staged = (__local float*)staged_lanes;
    const Batch batch = batch_at(FIRST + (int)get_global_id(0), N, ID, IH, IW);
    const int group = (int)get_global_id(1) / IC_TILES;
    const int first_icg = ((int)get_global_id(1) - group * IC_TILES) * TILE_IC;
    const int channels = min(TILE_IC, IC_PER_GROUP - first_icg);
    const int tile_h = TILE_H - batch.short_h;
    const int tile_w = TILE_W - batch.short_w;
    const size_t plane = (size_t)ID * IH * IW;
    __global float* const panels =
            inputs + (get_global_id(0) * (GROUPS * IC_TILES) + get_global_id(1)) * (SLOTS_H * SLOTS_W * INPUT_PANEL);

    for (int tile = 0; tile < batch.count;) {
        const Run run = run_at(batch, tile, ID, IH, IW);
        for (int h = 0; h < tile_h; h++) {
            stage_positions(
                    staged + h * (RUN * TILE_W * TILE_IC), TILE_IC,
                    input + INPUT_AT(run.n, group * IC_PER_GROUP + first_icg, run.id, min(run.ih + h, IH - 1), 0), plane,
                    channels, run.ih + h < IH ? run.iw : IW, run.count * tile_w, IW);
        }
        for (int t = 0; t < run.count; t++) {
            for (int v = 0; v < V; v++) {
                __local const float* const from = staged + t * tile_w * TILE_IC + v * LANES;
                __global float* const to = panels + (tile + t) * TILE_IC + v * LANES;
                lanes rows[TILE_H][5];
                #pragma unroll
                for (int h = 0; h < TILE_H; h++) {
                    lanes x[3];
                    #pragma unroll
                    for (int w = 0; w < TILE_W; w++) {
                        x[w] = h < tile_h && w < tile_w
                                ? LANES_FROM(__local, from + (h * RUN * TILE_W + w) * TILE_IC)
                                : (lanes)(0.0f);
                    }
                    transform_input(
                            &rows[h][0], &rows[h][1], &rows[h][2], &rows[h][3], &rows[h][4], x[0], x[1], x[2], TAPS_W);
                }
                #pragma unroll
                for (int w = 0; w < SLOTS_W; w++) {
                    lanes column[5];
                    transform_input(
                            &column[0], &column[1], &column[2], &column[3], &column[4], rows[0][w],
                            rows[TILE_H > 1 ? 1 : 0][w], rows[TILE_H > 2 ? 2 : 0][w], TAPS_H);
                    #pragma unroll
                    for (int h = 0; h < SLOTS_H; h++) {
                        LANES_AT(__global, to + (h * SLOTS_W + w) * INPUT_PANEL) = column[h];
                    }
                }
            }
        }
        tile += run.count;
    }
}

// The output gradient's factors of an axis, in place.
FLATTENED void transform_output(
        lanes* d0, lanes* d1, lanes* d2, lanes* d3, const int phase_taps, const int taps) {
    if (phase_taps > 1 && phase_taps == taps) {
        const lanes first = *d0 - *d2;
        const lanes second = *d1 + *d2;
        const lanes third = *d2 - *d1;
        *d3 -= *d1;
        *d0 = first;
        *d1 = second;
        *d2 = third;
    } else if (phase_taps == 2) {
        *d0 -= *d1;
        *d2 -= *d1;
    }
}

#define STORE_TILE PASTE(vstore, OCT)

// Hands each of the tiles of output channels its own of a vector of them.
FLATTENED void store_channels(__global float* to, const lanes channels) {
#if OCT == LANES
    LANES_AT(__global, to) = channels;
#elif 2 * OCT == LANES
    STORE_TILE(channels.lo, 0, to);
    STORE_TILE(channels.hi, 0, to + TILES * OCT);
#else
    STORE_TILE(channels.lo.lo, 0, to);
    STORE_TILE(channels.lo.hi, 0, to + TILES * OCT);
    STORE_TILE(channels.hi.lo, 0, to + 2 * TILES * OCT);
    STORE_TILE(channels.hi.hi, 0, to + 3 * TILES * OCT);
#endif
}

#define SPAN ((RUN * TILE_W - 1) * SW + (KW - 1) * DW + 1)

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void weight_gradient_panels_output(
        __global const float* restrict output_gradient,
        __global float* restrict gradients,
        const int FIRST, const int FIRST_OC,
        const int N, const int ID, const int IH, const int IW, const int OD, const int OH, const int OW) {
    __local lanes staged[REACH_H * SPAN];
    const Batch batch = batch_at(FIRST + (int)get_global_id(0), N, ID, IH, IW);
    const int group = (int)get_global_id(1) / CEIL_DIV(OCS, LANES);
    const int first_of_panel = ((int)get_global_id(1) - group * CEIL_DIV(OCS, LANES)) * LANES;
    const int first_ocg = FIRST_OC + first_of_panel;
    const int channels = min(LANES, OC_PER_GROUP - first_ocg);
    if (channels <= 0) {
        return;
    }
    const int tile_h = TILE_H - batch.short_h;
    const int tile_w = TILE_W - batch.short_w;
    const size_t plane = (size_t)OD * OH * OW;
    __global float* const panels = gradients
            + (get_global_id(0) * GROUPS + group) * ((size_t)KD * PRODUCTS_H * PRODUCTS_W * OUTPUT_PANEL)
            + first_of_panel * TILES;

    for (int tile = 0; tile < batch.count;) {
        const Run run = run_at(batch, tile, ID, IH, IW);
        const int span = (run.count * tile_w - 1) * SW + (KW - 1) * DW + 1;
        for (int kd = 0; kd < KD; kd++) {
            const int od = run.id * SD - PD + kd * DD;
            int product_h = kd * PRODUCTS_H;
            for (int phase_h = 0; phase_h < PHASES_H; phase_h++) {
                const int taps_h = phase_taps(phase_h, KH, SH, TAPS_H);
                const int reach_h = tile_h + taps_h - 1;
                for (int j = 0; j < reach_h; j++) {
                    const int oh = (run.ih + j) * SH - PH + (MINIMAL_H ? phase_h : phase_h * DH);
                    const bool inside = od >= 0 && od < OD && oh >= 0 && oh < OH;
                    stage_positions(
                            (__local float*)(staged + j * SPAN), LANES,
                            output_gradient
                                    + OUTPUT_AT(run.n, group * OC_PER_GROUP + first_ocg, inside ? od : 0, inside ? oh : 0, 0),
                            plane, channels, inside ? run.iw * SW - PW : OW, span, OW);
                }
                int product_w = 0;
                for (int phase_w = 0; phase_w < PHASES_W; phase_w++) {
                    const int taps_w = phase_taps(phase_w, KW, SW, TAPS_W);
                    const int reach_w = tile_w + taps_w - 1;
                    for (int t = 0; t < run.count; t++) {
                        __local const lanes* const from =
                                staged + t * tile_w * SW + (MINIMAL_W ? phase_w : phase_w * DW);
                        __global float* const to = panels
                                + ((size_t)product_h * PRODUCTS_W + product_w) * OUTPUT_PANEL + (tile + t) * OCT;
                        lanes d[4][4];
                        #pragma unroll
                        for (int h = 0; h < REACH_H; h++) {
                            if (h < reach_h) {
                                #pragma unroll
                                for (int w = 0; w < REACH_W; w++) {
                                    d[h][w] = w < reach_w ? from[h * SPAN + w * SW] : (lanes)(0.0f);
                                }
                                transform_output(&d[h][0], &d[h][1], &d[h][2], &d[h][3], taps_w, TAPS_W);
                            }
                        }
                        #pragma unroll
                        for (int w = 0; w < REACH_W; w++) {
                            if (w < reach_w) {
                                transform_output(&d[0][w], &d[1][w], &d[2][w], &d[3][w], taps_h, TAPS_H);
                                #pragma unroll
                                for (int h = 0; h < REACH_H; h++) {
                                    if (h < reach_h) {
                                        store_channels(to + (h * PRODUCTS_W + w) * (size_t)OUTPUT_PANEL, d[h][w]);
                                    }
                                }
                            }
                        }
                    }
                    product_w += TILE_W + taps_w - 1;
                }
                product_h += TILE_H + taps_h - 1;
            }
        }
        tile += run.count;
    }
}

#define SUMS (OCT * V)

// Adds the products of count tiles to kept sums.
FLATTENED void add_products(
        __local lanes* kept, __global const float* x, __global const float* d, const int count) {
    lanes sums[SUMS];
    #pragma unroll
    for (int a = 0; a < SUMS; a++) {
        sums[a] = (lanes)(0.0f);
    }
    for (int t = 0; t < count; t++) {
        lanes factor[V];
        #pragma unroll
        for (int v = 0; v < V; v++) {
            factor[v] = LANES_FROM(__global, x + t * TILE_IC + v * LANES);
        }
        #pragma unroll
        for (int o = 0; o < OCT; o++) {
            const lanes g = (lanes)(d[t * OCT + o]);
            #pragma unroll
            for (int v = 0; v < V; v++) {
                sums[o * V + v] = plus_product(sums[o * V + v], g, factor[v]);
            }
        }
    }
    #pragma unroll
    for (int a = 0; a < SUMS; a++) {
        kept[a] += sums[a];
    }
}

// The gradients of an axis from its sums, in place.
FLATTENED void transform_back(lanes* m0, lanes* m1, lanes* m2, const lanes m3, const int phase_taps, const int taps) {
    if (phase_taps > 1 && phase_taps == taps) {
        const lanes even = (*m1 + *m2) * 0.5f;
        const lanes odd = (*m1 - *m2) * 0.5f;
        *m0 += even;
        *m1 = taps == 2 ? odd + m3 : odd;
        *m2 = even + m3;
    } else if (phase_taps == 2) {
        *m0 += *m1;
        *m1 += *m2;
    }
}

// Writes the taps of a row of up to four input channels, or adds to what is there.
FLATTENED void store_taps(
        __global float* to, const size_t channel, __local const float* from, const int* columns, const int channels,
        const bool add) {
    int kw = 0;
    for (; kw + 4 <= KW && channels == 4; kw += 4) {
        float4 a = vload4(0, from + columns[kw] * LANES);
        float4 b = vload4(0, from + columns[kw + 1] * LANES);
        float4 c = vload4(0, from + columns[kw + 2] * LANES);
        float4 d = vload4(0, from + columns[kw + 3] * LANES);
        transpose4(&a, &b, &c, &d);
        if (add) {
            a += vload4(0, to + kw);
            b += vload4(0, to + channel + kw);
            c += vload4(0, to + 2 * channel + kw);
            d += vload4(0, to + 3 * channel + kw);
        }
        vstore4(a, 0, to + kw);
        vstore4(b, 0, to + channel + kw);
        vstore4(c, 0, to + 2 * channel + kw);
        vstore4(d, 0, to + 3 * channel + kw);
    }
    for (; kw < KW; kw++) {
        for (int c = 0; c < channels; c++) {
            const float sum = from[columns[kw] * LANES + c];
            to[c * channel + kw] = add ? to[c * channel + kw] + sum : sum;
        }
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void weight_gradient_panels(
        __global const float* restrict inputs,
        __global const float* restrict gradients,
        __global float* restrict weight_gradient,
        const int FIRST, const int COUNT, const int FIRST_OC,
        const int N, const int ID, const int IH, const int IW, const int OD, const int OH, const int OW) {
    // The most sums of a row of phases, and of all the work-item's.
    const int sums_w = sums_before(PHASES_W, KW, SW, TAPS_W, TILE_W);
    __local lanes kept[PHASES * (TAPS_H == 1 ? 1 : REACH_H) * (TAPS_W == 1 ? PHASES_W : PHASES_W * REACH_W) * SUMS];
    const int group = (int)get_global_id(0) / IC_TILES;
    const int first_icg = ((int)get_global_id(0) - group * IC_TILES) * TILE_IC;
    const int channels = min(TILE_IC, IC_PER_GROUP - first_icg);
    const int first_row = (int)get_global_id(1) * PHASES;
    const int count_rows = min(PHASES, KD * PHASES_H - first_row);
    const int first_of_panel = (int)get_global_id(2) * OCT;
    const int first_ocg = FIRST_OC + first_of_panel;
    const int count_oc = min(OCT, OC_PER_GROUP - first_ocg);
    const int row_sums = (TAPS_H == 1 ? 1 : REACH_H) * sums_w;

    for (int a = 0; a < PHASES * row_sums * SUMS; a++) {
        kept[a] = (lanes)(0.0f);
    }
    for (int b = 0; b < COUNT; b++) {
        const Batch batch = batch_at(FIRST + b, N, ID, IH, IW);
        __global const float* const x =
                inputs + ((size_t)b * (GROUPS * IC_TILES) + get_global_id(0)) * (SLOTS_H * SLOTS_W * INPUT_PANEL);
        __global const float* const d = gradients
                + ((size_t)b * GROUPS + group) * ((size_t)KD * PRODUCTS_H * PRODUCTS_W * OUTPUT_PANEL)
                + first_of_panel * TILES;
        for (int row = 0; row < count_rows; row++) {
            const int kd = (first_row + row) / PHASES_H;
            const int phase_h = first_row + row - kd * PHASES_H;
            const int taps_h = phase_taps(phase_h, KH, SH, TAPS_H);
            const int first_product = kd * PRODUCTS_H + products_before(phase_h, KH, SH, TAPS_H, TILE_H);
            for (int h = 0; h < TILE_H + taps_h - 1 - batch.short_h; h++) {
                const int slot_row = slot_of(h, taps_h, TAPS_H) * SLOTS_W;
                __local lanes* sum = kept + (row * row_sums + (taps_h == 1 ? 0 : h * sums_w)) * SUMS;
                __global const float* product = d + (size_t)(first_product + h) * PRODUCTS_W * OUTPUT_PANEL;
                for (int phase_w = 0; phase_w < PHASES_W; phase_w++) {
                    const int taps_w = phase_taps(phase_w, KW, SW, TAPS_W);
                    for (int w = 0; w < TILE_W + taps_w - 1 - batch.short_w; w++) {
                        add_products(
                                sum + (taps_w == 1 ? 0 : w * SUMS), x + (slot_row + slot_of(w, taps_w, TAPS_W)) * INPUT_PANEL,
                                product + (size_t)w * OUTPUT_PANEL, batch.count);
                    }
                    sum += phase_sums(taps_w, TILE_W) * SUMS;
                    product += (size_t)(TILE_W + taps_w - 1) * OUTPUT_PANEL;
                }
            }
        }
    }

    for (int row = 0; TAPS_H * TAPS_W > 1 && row < count_rows; row++) {
        const int taps_h = phase_taps(REMAINDER(first_row + row, PHASES_H, (first_row + row) / PHASES_H), KH, SH, TAPS_H);
        __local lanes* sum = kept + row * row_sums * SUMS;
        for (int phase_w = 0; phase_w < PHASES_W; phase_w++) {
            const int taps_w = phase_taps(phase_w, KW, SW, TAPS_W);
            for (int a = 0; a < count_oc * V; a++) {
                lanes m[4][4];
                #pragma unroll
                for (int h = 0; h < REACH_H; h++) {
                    if (h < phase_sums(taps_h, TILE_H)) {
                        #pragma unroll
                        for (int w = 0; w < REACH_W; w++) {
                            m[h][w] = w < phase_sums(taps_w, TILE_W) ? sum[(h * sums_w + w) * SUMS + a] : (lanes)(0.0f);
                        }
                        transform_back(&m[h][0], &m[h][1], &m[h][2], m[h][3], taps_w, TAPS_W);
                    }
                }
                #pragma unroll
                for (int w = 0; w < TAPS_W; w++) {
                    if (w < taps_w) {
                        transform_back(&m[0][w], &m[1][w], &m[2][w], m[3][w], taps_h, TAPS_H);
                        #pragma unroll
                        for (int h = 0; h < TAPS_H; h++) {
                            if (h < taps_h) {
                                sum[(h * sums_w + w) * SUMS + a] = m[h][w];
                            }
                        }
                    }
                }
            }
            sum += phase_sums(taps_w, TILE_W) * SUMS;
        }
    }

    // Where the taps of a row are among the sums. Phase by phase: of a remainder of kw LLVM makes a counter of so few bits that
    // it wraps, which Oclgrind gets wrong.
    int columns[KW];
    for (int phase_w = 0, before = 0; phase_w < PHASES_W; phase_w++) {
        const int taps_w = phase_taps(phase_w, KW, SW, TAPS_W);
        for (int tap = 0; tap < taps_w; tap++) {
            columns[tap * SW + phase_w] = (before + tap) * SUMS;
        }
        before += phase_sums(taps_w, TILE_W);
    }
    const size_t channel = (size_t)OC_PER_GROUP * KD * KH * KW;
    // Channels outermost: their weights may lie a power of two apart and then share cache sets.
    for (int c = 0; c < channels; c += 4) {
        for (int o = 0; o < count_oc; o++) {
            for (int row = 0; row < count_rows; row++) {
                const int kd = (first_row + row) / PHASES_H;
                const int phase_h = first_row + row - kd * PHASES_H;
                for (int tap = 0; tap < phase_taps(phase_h, KH, SH, TAPS_H); tap++) {
                    __global float* const to = weight_gradient
                            + WEIGHT_AT(
                                    group * IC_PER_GROUP + first_icg + c, first_ocg + o, kd,
                                    MINIMAL_H ? phase_h + tap * SH : phase_h, 0);
                    __local const float* const from =
                            (__local const float*)(kept + (row * row_sums + tap * sums_w) * SUMS + o * V) + c;
                    store_taps(to, channel, from, columns, min(4, channels - c), FIRST > 0);
                }
            }
        }
    }
}
