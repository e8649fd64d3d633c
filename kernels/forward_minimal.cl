// forward_minimal.cl: transposed convolution by minimal filtering: two neighbours of a phase share three products, not four.
//   output[n][oc][od][oh][ow] = activation(bias[oc] + sum over ic,kd,kh,kw of input[n][ic][id][ih][iw] * weight[ic][oc][kd][kh][kw])
//   with id = qd - TAP_SHIFT(kd) for od = SD * qd + TAP_PHASE(kd) (likewise h, w; see common.cl); + residual, if any.
// Along an axis whose kernel is twice its stride, a phase r has two taps, a = w[k] and b = w[k + S] with k < S, and
//   y[j] = a x[j] + b x[j - 1] for the position j = q - TAP_SHIFT(k). For a pair of positions j = 2i, 2i + 1,
//   y[2i] = (a + b) x[2i] + b (x[2i - 1] - x[2i]),   y[2i + 1] = (a + b) x[2i] - a (x[2i] - x[2i + 1]):
//   Winograd's F(2, 2). Three components, each with all phases: EVEN, x[2i] (a + b); FORTH, (x[2i] - x[2i + 1]) (-a);
//   BACK, (x[2i + 1] - x[2i + 2]) b, which the pair i + 1 takes. The width has them; the height too if MINIMAL_H.
// Layout: input (N, IC, ID, IH, IW), output (N, OC, OD, OH, OW);
//   packed (GROUPS, OC_CHUNKS, KD, ROW_PARTS, 3, PRODUCT_TILES, IC / GROUPS, MP): products (oc, phase of the height if
//   MINIMAL_H, phase of the width) that fill up the last tile are zeros.
// A work-item is a work-group of its own. It copies a zero-padded patch of a block of input channels to local memory,
//   even and odd columns (rows) apart. Of NV vectors of it at a time, rows on end, it takes the differences, and multiplies
//   them into products of MP * NV vectors in registers, which add up in local memory. In the end it adds the components
//   and lays the phases side by side.
// ND-range: (tiles of XT pairs of grid columns, OD * tiles of RY grid rows, or pairs of them if MINIMAL_H,
//   N * GROUPS * OC_CHUNKS), work-group size 1.
// Writes every output element once, in a fixed order of additions: deterministic.
// Constants: the layer's (common.cl), where KW = 2 * SW and DW = 1, and
//   LANES              floats in a vector
//   MINIMAL_H          1: the height is filtered minimally too, where KH = 2 * SH and DH = 1; 0: tap by tap
//   OC_CHUNK           output channels of a work-item
//   MP, NV             products and vectors of a register tile; MP * NV accumulators, 16 to 24 are best
//   XT, RY             pairs of grid columns, grid rows (or pairs of them) of a work-item
//   IC_BLOCK           input channels of a patch, whose products are summed on their own
//   PREFETCH           1: fetch the next patch, and weights from afar, while computing (needs Clang and a CPU); 0: do not
//   SHUFFLE            1: take vectors apart within registers; 0: through memory (Oclgrind fails on vector elements)

#define OC_CHUNKS CEIL_DIV(OC_PER_GROUP, OC_CHUNK)
// Components of the height: EVEN, FORTH, BACK, or the taps.
#define ROW_PARTS (MINIMAL_H ? 3 : KH)
#define PHASES_H (MINIMAL_H ? SH : 1)
#define PRODUCTS (OC_CHUNK * PHASES_H * SW)
#define PRODUCT_TILES CEIL_DIV(PRODUCTS, MP)
#define EVEN 0
#define FORTH 1
#define BACK 2

// The first S taps have the extreme shifts. Column 0 of the patch stands so far before the first pair that every index
// is positive; then one column of pairs more than there are suffices.
#define LEAST_SHIFT(stride, pad) TAP_SHIFT(0, stride, 1, pad)
#define MOST_SHIFT(stride, pad) TAP_SHIFT((stride) - 1, stride, 1, pad)
#define LEAD_W (MOST_SHIFT(SW, PW) + 1)
#define LEAD_H (MINIMAL_H ? MOST_SHIFT(SH, PH) + 1 : TAP_SHIFT(KH - 1, SH, DH, PH))
#define PITCH (XT + 1)
#define PATCH_ROWS (MINIMAL_H ? RY + 1 : RY + LEAD_H - TAP_SHIFT(0, SH, DH, PH))
#define ROWS_APART (MINIMAL_H ? 2 : 1)
#define PLANE (CEIL_DIV(PATCH_ROWS * PITCH, LANES) * LANES)
// An odd number of vectors, lest the channels share sets of the first-level cache.
#define PATCH_CHANNEL ((ROWS_APART * 2 * PLANE / LANES | 1) * LANES)
// A patch is read up to a row, a column and a register tile past its end.
#define PATCH_FLOATS (IC_BLOCK * PATCH_CHANNEL + PITCH + (NV + 1) * LANES)

// Cache lines of 16 floats of the input behind a patch.
#define ROW_LINES CEIL_DIV(2 * PITCH + 15, 16)
#define CHANNEL_LINES (ROWS_APART * PATCH_ROWS * ROW_LINES)

// Positions that are multiplied: all, or the rows that a tap reads.
#define POSITIONS ((MINIMAL_H ? RY + 1 : RY) * PITCH)
#define VECTORS CEIL_DIV(POSITIONS, LANES)
#define PRODUCT_FLOATS (VECTORS * LANES)
#define COMPONENT_FLOATS (PRODUCT_TILES * MP * PRODUCT_FLOATS)

#define PACKED_TILE (IC_PER_GROUP * MP)
#define PACKED_COMPONENT (PRODUCT_TILES * PACKED_TILE)
#define PACKED_KD (ROW_PARTS * 3 * PACKED_COMPONENT)
// Weights that no second-level cache holds are worth asking for ahead of their use.
#define FAR_WEIGHTS ((size_t)GROUPS * OC_CHUNKS * KD * PACKED_KD * sizeof(float) > 1024 * 1024)

// The tap below S of a phase.
#define FIRST_TAP(phase, stride, pad) ((phase) + (pad) - FLOOR_DIV((phase) + (pad), stride) * (stride))

#if LANES == 16
typedef float8 half_lanes;
#else
typedef float4 half_lanes;
#endif
typedef half_lanes half_lanes_unaligned __attribute__((aligned(4)));
#define HALF_AT(pointer) (*(__local half_lanes_unaligned*)(pointer))

// Stores the components of the width of a phase's two taps: EVEN has both, FORTH the first, BACK the second.
FLATTENED void pack_components(__global float* to, const float2 taps) {
    to[EVEN * PACKED_COMPONENT] = taps.s0 + taps.s1;
    to[FORTH * PACKED_COMPONENT] = -taps.s0;
    to[BACK * PACKED_COMPONENT] = taps.s1;
}

// One work-item packs the weights of an input channel in a slice for a chunk of output channels, reading each but once.
// ND-range: (IC / GROUPS, KD, GROUPS * OC_CHUNKS).
__kernel void minimal_pack(__global const float* restrict weight, __global float* restrict packed) {
    const int ic = (int)get_global_id(0);
    const int kd = (int)get_global_id(1);
    const int group = (int)get_global_id(2) / OC_CHUNKS;
    const int first_ocg = REMAINDER((int)get_global_id(2), OC_CHUNKS, group) * OC_CHUNK;
    __global float* const channel = packed + (get_global_id(2) * KD + kd) * (size_t)PACKED_KD + ic * MP;
    for (int tap_h = 0; tap_h < (MINIMAL_H ? 1 : KH); tap_h++) {
        for (int product = 0; product < PRODUCT_TILES * MP; product++) {
            const int tile = product / MP;
            const int row = product / SW;
            const int rw = REMAINDER(product, SW, row);
            const int oc = row / PHASES_H;
            const int rh = REMAINDER(row, PHASES_H, oc);
            const int ocg = first_ocg + oc;
            float2 first = (float2)(0.0f);
            float2 second = (float2)(0.0f);
            if (product < PRODUCTS && ocg < OC_PER_GROUP) {
                const int kw = FIRST_TAP(rw, SW, PW);
                const int kh = MINIMAL_H ? FIRST_TAP(rh, SH, PH) : tap_h;
                __global const float* const from = weight + WEIGHT_AT(group * IC_PER_GROUP + ic, ocg, kd, kh, kw);
                first = (float2)(from[0], from[SW]);
                if (MINIMAL_H) {
                    second = (float2)(from[SH * KW], from[SH * KW + SW]);
                }
            }
            __global float* const to = channel + tile * PACKED_TILE + REMAINDER(product, MP, tile);
            if (MINIMAL_H) {
                pack_components(to + EVEN * 3 * PACKED_COMPONENT, first + second);
                pack_components(to + FORTH * 3 * PACKED_COMPONENT, -first);
                pack_components(to + BACK * 3 * PACKED_COMPONENT, second);
            } else {
                pack_components(to + tap_h * 3 * PACKED_COMPONENT, first);
            }
        }
    }
}

// Copies a row of the input, even and odd columns of the patch apart; the patch is zero where the row has ended.
FLATTENED void stage_halves(
        __local float* even, __local float* odd, __global const float* row, const int first_iw, const int IW) {
    const int begin = max(first_iw, 0);
    const int end = min(first_iw + 2 * PITCH, IW);
    int iw = begin;
    // The column of the patch decides; begin may be an odd one.
    __local float* const first = (begin - first_iw) & 1 ? odd : even;
    __local float* const second = (begin - first_iw) & 1 ? even : odd;
    const int second_ahead = (begin - first_iw) & 1;
    int index = (begin - first_iw) / 2;
    for (; iw + LANES <= end; iw += LANES, index += LANES / 2) {
        if (SHUFFLE) {
            const lanes both = LANES_FROM(__global, row + iw);
            HALF_AT(first + index) = both.even;
            HALF_AT(second + index + second_ahead) = both.odd;
        } else {
            for (int at = 0; at < LANES / 2; at++) {
                first[index + at] = row[iw + 2 * at];
                second[index + second_ahead + at] = row[iw + 2 * at + 1];
            }
        }
    }
    for (; iw < end; iw += 2, index++) {
        first[index] = row[iw];
        if (iw + 1 < end) {
            second[index + second_ahead] = row[iw + 1];
        }
    }
}

// Copies count input channels from (first_ih, first_iw) of a plane on to the patch.
FLATTENED void stage_block(
        __local float* patch, __global const float* plane, const size_t channel, const int count,
        const int first_ih, const int first_iw, const int IH, const int IW) {
    const int begin = max(-first_ih, 0);
    const int end = min(ROWS_APART * PATCH_ROWS, IH - first_ih);
    for (int ic = 0; ic < count; ic++) {
        for (int h = begin; h < end; h++) {
            const int side = h / ROWS_APART;
            __local float* const even =
                    patch + ic * PATCH_CHANNEL + (h - side * ROWS_APART) * 2 * PLANE + side * PITCH;
            stage_halves(even, even + PLANE, plane + ic * channel + (size_t)(first_ih + h) * IW, first_iw, IW);
        }
    }
}

// Where the lines of the patch that comes next begin in its first channel, as far as call number call (of CALLS, each of
// which walks over all channels) is to ask for them. Addresses outside the tensor do no harm here.
#define CALLS (CEIL_DIV(VECTORS, NV) * ROW_PARTS * 3 * PRODUCT_TILES)
#define CALL_LINES CEIL_DIV(CHANNEL_LINES, CALLS)

FLATTENED __global const float* next_line(__global const float* next, const int call, const int i, const int IW) {
    const int line = min(call * CALL_LINES + i, CHANNEL_LINES - 1);
    const int row = line / ROW_LINES;
    return next + (size_t)row * IW + (line - row * ROW_LINES) * 16;
}

// Takes some vectors of positions of count channels to the factors of the products: of each component of the width, then
// each channel. at is the component of the height that the even row has, below the distance to the row that is subtracted.
// They are taken once for all product tiles, and are near and in order where the patch is neither.
#define DEFINE_TRANSFORM(NAME, VECTORS_OF_TILE)                                                                         \
    FLATTENED void NAME(                                                                                                \
            lanes* factors, __local const float* at, const int count, const bool subtracts, const int below) {          \
        for (int ic = 0; ic < count; ic++) {                                                                            \
            _Pragma("unroll") for (int v = 0; v < VECTORS_OF_TILE; v++) {                                               \
                __local const float* const p = at + ic * PATCH_CHANNEL + v * LANES;                                     \
                lanes even = LANES_FROM(__local, p);                                                                    \
                lanes odd = LANES_FROM(__local, p + PLANE);                                                             \
                lanes next = LANES_FROM(__local, p + 1);                                                                \
                if (subtracts) {                                                                                        \
                    even -= LANES_FROM(__local, p + below);                                                             \
                    odd -= LANES_FROM(__local, p + PLANE + below);                                                      \
                    next -= LANES_FROM(__local, p + 1 + below);                                                         \
                }                                                                                                       \
                lanes* const to = factors + ic * VECTORS_OF_TILE + v;                                                   \
                to[EVEN * IC_BLOCK * VECTORS_OF_TILE] = even;                                                           \
                to[FORTH * IC_BLOCK * VECTORS_OF_TILE] = even - odd;                                                    \
                to[BACK * IC_BLOCK * VECTORS_OF_TILE] = odd - next;                                                     \
            }                                                                                                           \
        }                                                                                                               \
    }

// Multiplies the factors of count channels with MP weights each, and keeps the products, or adds them to those kept.
#define DEFINE_MULTIPLY(NAME, VECTORS_OF_TILE)                                                                          \
    FLATTENED void NAME(                                                                                                \
            __local float* kept, const lanes* factors, __global const float* weights, const int count,                  \
            const bool again, __global const float** lines, const size_t next_channel) {                                \
        lanes sums[MP * VECTORS_OF_TILE];                                                                               \
        _Pragma("unroll") for (int a = 0; a < MP * VECTORS_OF_TILE; a++) {                                              \
            sums[a] = (lanes)(0.0f);                                                                                    \
        }                                                                                                               \
        for (int ic = 0; ic < count; ic++) {                                                                            \
            _Pragma("unroll") for (int i = 0; i < CALL_LINES; i++) {                                                    \
                FETCH_AHEAD(lines[i] + ic * next_channel);                                                              \
            }                                                                                                           \
            if (FAR_WEIGHTS) {                                                                                          \
                FETCH_NEAR(weights + ic * MP + WEIGHTS_AHEAD);                                                          \
            }                                                                                                           \
            lanes x[VECTORS_OF_TILE];                                                                                   \
            _Pragma("unroll") for (int v = 0; v < VECTORS_OF_TILE; v++) {                                               \
                x[v] = factors[ic * VECTORS_OF_TILE + v];                                                               \
            }                                                                                                           \
            _Pragma("unroll") for (int m = 0; m < MP; m++) {                                                            \
                const lanes weight = (lanes)(weights[ic * MP + m]);                                                     \
                _Pragma("unroll") for (int v = 0; v < VECTORS_OF_TILE; v++) {                                           \
                    sums[m * VECTORS_OF_TILE + v] += weight * x[v];                                                     \
                }                                                                                                       \
            }                                                                                                           \
        }                                                                                                               \
        if (again) {                                                                                                    \
            _Pragma("unroll") for (int m = 0; m < MP; m++) {                                                            \
                _Pragma("unroll") for (int v = 0; v < VECTORS_OF_TILE; v++) {                                           \
                    sums[m * VECTORS_OF_TILE + v] += LANES_FROM(__local, kept + m * PRODUCT_FLOATS + v * LANES);        \
                }                                                                                                       \
            }                                                                                                           \
        }                                                                                                               \
        _Pragma("unroll") for (int m = 0; m < MP; m++) {                                                                \
            _Pragma("unroll") for (int v = 0; v < VECTORS_OF_TILE; v++) {                                               \
                LANES_AT(__local, kept + m * PRODUCT_FLOATS + v * LANES) = sums[m * VECTORS_OF_TILE + v];               \
            }                                                                                                           \
        }                                                                                                               \
    }

// Multiplies some vectors of count channels of the patch, whose weights these are, in every component.
#define DEFINE_COMPONENTS(NAME, TRANSFORM, MULTIPLY, VECTORS_OF_TILE)                                                   \
    FLATTENED void NAME(                                                                                                \
            __local float* products, lanes* factors, __local const float* patch, __global const float* block,           \
            const int count, const bool again, __global const float* next,                                              \
            const size_t next_channel, const int first_call, const int IW) {                                            \
        for (int part_h = 0; part_h < ROW_PARTS; part_h++) {                                                            \
            __local const float* const at = patch + (MINIMAL_H ? (part_h == BACK ? 2 * PLANE : 0)                       \
                                                               : (LEAD_H - TAP_SHIFT(part_h, SH, DH, PH)) * PITCH);     \
            TRANSFORM(                                                                                                  \
                    factors, at, count, MINIMAL_H && part_h != EVEN, part_h == BACK ? PITCH - 2 * PLANE : 2 * PLANE);   \
            for (int component = part_h * 3; component < part_h * 3 + 3; component++) {                                 \
                for (int tile = 0; tile < PRODUCT_TILES; tile++) {                                                      \
                    const int call = first_call + component * PRODUCT_TILES + tile;                                     \
                    __global const float* lines[CALL_LINES];                                                            \
                    _Pragma("unroll") for (int i = 0; i < CALL_LINES; i++) {                                            \
                        lines[i] = next_line(next, call, i, IW);                                                        \
                    }                                                                                                   \
                    MULTIPLY(                                                                                           \
                            products + component * COMPONENT_FLOATS + tile * MP * PRODUCT_FLOATS,                       \
                            factors + (component - part_h * 3) * IC_BLOCK * VECTORS_OF_TILE,                            \
                            block + component * PACKED_COMPONENT + tile * PACKED_TILE, count, again, lines,             \
                            next_channel);                                                                              \
                }                                                                                                       \
            }                                                                                                           \
        }                                                                                                               \
    }

DEFINE_TRANSFORM(transform_tile, NV)
DEFINE_TRANSFORM(transform_rest, 1)
DEFINE_MULTIPLY(multiply_tile, NV)
DEFINE_MULTIPLY(multiply_rest, 1)
DEFINE_COMPONENTS(components_of_tile, transform_tile, multiply_tile, NV)
DEFINE_COMPONENTS(components_of_rest, transform_rest, multiply_rest, 1)

// Multiplies the patch in every component, and meanwhile fetches the next one.
FLATTENED void multiply(
        __local float* products, __local const float* patch, __global const float* block, const int count, const bool again,
        __global const float* next, const size_t next_channel, const int IW) {
    lanes factors[3 * IC_BLOCK * NV];
    int vector = 0;
    int call = 0;
    for (; vector + NV <= VECTORS; vector += NV, call += ROW_PARTS * 3 * PRODUCT_TILES) {
        components_of_tile(
                products + vector * LANES, factors, patch + vector * LANES, block, count, again, next, next_channel,
                call, IW);
    }
    for (; NV > 1 && vector < VECTORS; vector++) {
        components_of_rest(
                products + vector * LANES, factors, patch + vector * LANES, block, count, again, next, next_channel, call,
                IW);
    }
}

// The sums of phase (of the width) rw of grid columns 2 g + side for LANES pairs g from a row of products of one output
// channel (and phase of the height) on.
FLATTENED lanes add_columns(__local const float* row, const int rw, const int side) {
    const int column = side - TAP_SHIFT(FIRST_TAP(rw, SW, PW), SW, 1, PW) + LEAD_W;
    const int pair = column / 2;
    __local const float* const phase = row + rw * PRODUCT_FLOATS + pair;
    const lanes even = LANES_FROM(__local, phase);
    return column & 1 ? even + LANES_FROM(__local, phase + FORTH * COMPONENT_FLOATS)
                      : even + LANES_FROM(__local, phase + BACK * COMPONENT_FLOATS - 1);
}

// Lays the phases of LANES pairs of grid columns side by side, as they stand in the output.
FLATTENED void interleave(__local lanes* row, const lanes* sums) {
    if (!SHUFFLE) {
        for (int at = 0; at < 2 * SW * LANES; at++) {
            const int pair = at / (2 * SW);
            ((__local float*)row)[at] = ((const float*)sums)[(at - pair * 2 * SW) * LANES + pair];
        }
        return;
    }
    #pragma unroll
    for (int e = 0; e < 2 * SW; e++) {
        lanes side_by_side = (lanes)(0.0f);
        #pragma unroll
        for (int lane = 0; lane < LANES; lane++) {
            const int pair = (e * LANES + lane) / (2 * SW);
            side_by_side[lane] = sums[e * LANES + lane - pair * 2 * SW][pair];
        }
        row[e] = side_by_side;
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void minimal(
        __global const float* restrict input,
        __global const float* restrict packed,
        __global const float* restrict bias,
        __global const float* restrict slope,
        __global const float* restrict residual,
        __global float* restrict output,
        const int N, const int ID, const int IH, const int IW, const int OD, const int OH, const int OW) {
    __local lanes patch_lanes[CEIL_DIV(PATCH_FLOATS, LANES)];
    // The last row is read a vector past its end.
    __local lanes product_lanes[ROW_PARTS * 3 * COMPONENT_FLOATS / LANES + 1];
    __local lanes finished[2 * SW];
    __local float* const patch = (__local float*)patch_lanes;
    __local float* const products = (__local float*)product_lanes;

    const int row_tiles = CEIL_DIV(CEIL_DIV(OH, SH * ROWS_APART), RY);
    const int od = (int)get_group_id(1) / row_tiles;
    const int first_y = ((int)get_group_id(1) - od * row_tiles) * RY;
    const int first_pair = (int)get_group_id(0) * XT;
    const int image_group = (int)get_group_id(2) / OC_CHUNKS;
    const int chunk = (int)get_group_id(2) - image_group * OC_CHUNKS;
    const int n = image_group / GROUPS;
    const int group = image_group - n * GROUPS;
    const int qd = od / SD;
    const int rd = REMAINDER(od, SD, qd);

    // Borders stay zero: every block of channels fills the same part.
    for (int at = 0; at < CEIL_DIV(PATCH_FLOATS, LANES); at++) {
        patch_lanes[at] = (lanes)(0.0f);
    }
    bool again = false;
    for (int kd = tap_d(0, rd); kd < KD; kd = tap_d(kd + 1, rd)) {
        const int id = qd - TAP_SHIFT(kd, SD, DD, PD);
        if (id >= 0 && id < ID) {
            for (int first_ic = 0; first_ic < IC_PER_GROUP; first_ic += IC_BLOCK) {
                const int count = min(IC_BLOCK, IC_PER_GROUP - first_ic);
                stage_block(
                        patch, input + INPUT_AT(n, group * IC_PER_GROUP + first_ic, id, 0, 0), (size_t)ID * IH * IW, count,
                        first_y * ROWS_APART - LEAD_H, first_pair * 2 - LEAD_W, IH, IW);
                // Next come other channels, or what the next work-item begins with: further along the row, rows below, or
                // the next group's or image's channels.
                const bool finishing = first_ic + IC_BLOCK >= IC_PER_GROUP;
                const bool row_ends = finishing && get_group_id(0) + 1 == get_num_groups(0);
                const bool image_ends = row_ends && first_y + RY >= CEIL_DIV(OH, SH * ROWS_APART);
                __global const float* const next = input + INPUT_AT(
                        n, (group + (image_ends ? 1 : 0)) * IC_PER_GROUP + (finishing ? 0 : first_ic + IC_BLOCK),
                        image_ends ? 0 : id,
                        (image_ends ? 0 : first_y + (row_ends ? RY : 0)) * ROWS_APART - LEAD_H,
                        (row_ends ? 0 : first_pair + (finishing ? XT : 0)) * 2 - LEAD_W);
                multiply(
                        products, patch,
                        packed + (size_t)((group * OC_CHUNKS + chunk) * KD + kd) * PACKED_KD + first_ic * MP, count, again,
                        next, (size_t)ID * IH * IW, IW);
                again = true;
            }
        }
    }
    if (!again) {
        for (int at = 0; at < ROW_PARTS * 3 * COMPONENT_FLOATS / LANES; at++) {
            product_lanes[at] = (lanes)(0.0f);
        }
    }

    const int pairs = min(XT, CEIL_DIV(OW, 2 * SW) - first_pair);
    for (int oc = 0; oc < min(OC_CHUNK, OC_PER_GROUP - chunk * OC_CHUNK); oc++) {
        const int channel = group * OC_PER_GROUP + chunk * OC_CHUNK + oc;
        const float channel_bias = HAS_BIAS ? bias[channel] : 0.0f;
        const float channel_slope = ACTIVATION == 3 ? slope[channel] : 0.0f;
        for (int y = 0; y < RY * ROWS_APART * SH; y++) {
            const int oh = first_y * ROWS_APART * SH + y;
            if (oh >= OH) {
                break;
            }
            const int q = y / SH; // in the work-item
            const int rh = REMAINDER(y, SH, q);
            for (int pair = 0; pair < pairs; pair += LANES) {
                lanes sums[2 * SW];
                if (MINIMAL_H) {
                    const int row = q - TAP_SHIFT(FIRST_TAP(rh, SH, PH), SH, 1, PH) + LEAD_H;
                    const int row_pair = row / 2;
                    __local const float* const even =
                            products + (oc * PHASES_H + rh) * SW * PRODUCT_FLOATS + row_pair * PITCH + pair;
                    __local const float* const other = row & 1 ? even + FORTH * 3 * COMPONENT_FLOATS
                                                               : even + BACK * 3 * COMPONENT_FLOATS - PITCH;
                    #pragma unroll
                    for (int side = 0; side < 2; side++) {
                        #pragma unroll
                        for (int rw = 0; rw < SW; rw++) {
                            sums[side * SW + rw] = add_columns(even, rw, side) + add_columns(other, rw, side);
                        }
                    }
                } else {
                    #pragma unroll
                    for (int e = 0; e < 2 * SW; e++) {
                        sums[e] = (lanes)(0.0f);
                    }
                    for (int kh = tap_h(0, rh); kh < KH; kh = tap_h(kh + 1, rh)) {
                        __local const float* const row = products + kh * 3 * COMPONENT_FLOATS
                                + oc * SW * PRODUCT_FLOATS + q * PITCH + pair;
                        #pragma unroll
                        for (int side = 0; side < 2; side++) {
                            #pragma unroll
                            for (int rw = 0; rw < SW; rw++) {
                                sums[side * SW + rw] += add_columns(row, rw, side);
                            }
                        }
                    }
                }
                interleave(finished, sums);
                const int first_ow = (first_pair + pair) * 2 * SW;
                const int end = min(OW, (first_pair + pairs) * 2 * SW);
                const long start = OUTPUT_AT(n, channel, od, oh, first_ow);
                for (int e = 0; e < 2 * SW && first_ow + e * LANES < end; e++) {
                    store_lanes(
                            finished[e], start + e * LANES, 0, end - first_ow - e * LANES, channel_bias, channel_slope, residual,
                            output);
                }
            }
        }
    }
}
