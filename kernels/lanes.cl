// lanes.cl: what the kernels forward_xlane.cl, forward_minimal.cl and forward_phaselane.cl share; the host prepends it, after common.cl.

// LANES floats that are computed together. Tensors are only aligned to a float, hence the second type.
#define PASTE_EXPANDED(a, b) a##b
#define PASTE(a, b) PASTE_EXPANDED(a, b)
typedef PASTE(float, LANES) lanes;
typedef lanes lanes_unaligned __attribute__((aligned(4)));
DEFINE_ACTIVATE(activate, float)
DEFINE_ACTIVATE(activate_lanes, lanes)

#define LANES_AT(address_space, pointer) (*(address_space lanes_unaligned*)(pointer))
#define LANES_FROM(address_space, pointer) (*(const address_space lanes_unaligned*)(pointer))

// Copies pitch floats (a multiple of LANES) of an input row, from position first on; outside [0, size) they are zeros.
// Reads nothing outside the row.
FLATTENED void stage_row(
        __local float* staged, __global const float* row, const int pitch, const int first, const int size) {
    if (first >= 0 && first + pitch <= size) {
        for (int x = 0; x < pitch; x += LANES) {
            LANES_AT(__local, staged + x) = LANES_FROM(__global, row + first + x);
        }
        return;
    }
    const int begin = max(first, 0);
    const int end = max(min(first + pitch, size), begin);
    for (int x = 0; x < min(begin - first, pitch); x += LANES) {
        LANES_AT(__local, staged + x) = (lanes)(0.0f);
    }
    for (int x = pitch - LANES; x >= 0 && x > end - first - LANES; x -= LANES) {
        LANES_AT(__local, staged + x) = (lanes)(0.0f);
    }
    if (end - begin >= LANES) {
        for (int x = begin; x < end; x += LANES) {
            const int start = min(x, end - LANES); // the last vector overlaps the one before it
            LANES_AT(__local, staged + start - first) = LANES_FROM(__global, row + start);
        }
    } else {
        for (int x = begin; x < end; x++) {
            staged[x - first] = row[x];
        }
    }
}

// Copies the input channels [first_ic, first_ic + count) from position (first_id, first_ih, first_iw) on to a dense
// patch (count, depth, height, pitch), zeros where the input has ended.
FLATTENED void stage_patch(
        __local float* patch, const int depth, const int height, const int pitch, __global const float* input,
        const int n, const int first_ic, const int count, const int first_id, const int first_ih, const int first_iw,
        const int ID, const int IH, const int IW) {
    for (int ic = 0; ic < count; ic++) {
        for (int d = 0; d < depth; d++) {
            const int id = first_id + d;
            for (int h = 0; h < height; h++) {
                const int ih = first_ih + h;
                const bool inside = id >= 0 && id < ID && ih >= 0 && ih < IH;
                stage_row(
                        patch + ((ic * depth + d) * height + h) * pitch,
                        input + (inside ? INPUT_AT(n, first_ic + ic, id, ih, 0) : 0),
                        pitch, first_iw, inside ? IW : 0);
            }
        }
    }
}

// The first tap from k on that meets phase r, or past the end.
FLATTENED int tap_d(int k, const int r) {
    while (k < KD && TAP_PHASE(k, SD, DD, PD) != r) {
        k++;
    }
    return k;
}

FLATTENED int tap_h(int k, const int r) {
    while (k < KH && TAP_PHASE(k, SH, DH, PH) != r) {
        k++;
    }
    return k;
}

// Stores lanes [begin, end) of finished sums of one output channel: output = activate(sum + bias + residual). at is the
// place of lane 0, which may lie before the tensor where begin > 0.
FLATTENED void store_lanes(
        const lanes sum, const long at, const int begin, const int end, const float bias, const float slope,
        __global const float* residual, __global float* output) {
    const lanes biased = sum + (lanes)(bias);
    if (begin <= 0 && end >= LANES) {
        const lanes full = HAS_RESIDUAL ? biased + LANES_FROM(__global, residual + at) : biased;
        LANES_AT(__global, output + at) = activate_lanes(full, (lanes)(slope));
        return;
    }
    float values[LANES];
    LANES_AT(__private, values) = biased;
    for (int lane = max(begin, 0); lane < min(end, LANES); lane++) {
        output[at + lane] = activate(HAS_RESIDUAL ? values[lane] + residual[at + lane] : values[lane], slope);
    }
}
