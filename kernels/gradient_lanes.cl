// gradient_lanes.cl: what the fast gradient kernels share; the host prepends it, after transpose.cl and lanes.cl.
// Constants: SHUFFLE 1: split phases within registers; 0: through memory. PREFETCH 1: stage_panel asks for lines ahead.

// sum + a * b. A function with such vectors in its signature, once inlined, makes LLVM keep them whole in the kernel; without
// one it cuts them in halves, and has too few registers for these.
FLATTENED lanes plus_product(const lanes sum, const lanes a, const lanes b) {
    return sum + a * b;
}

// Floats of a cache line; channels between the one that is copied and the one whose line is asked for.
#define LINE 16
#define AHEAD 12

// Copies count positions of channels that lie a plane apart to a panel with the channels innermost; zeros stand for those
// beyond the last, up to the width. Where planes are pages apart no processor looks ahead of its own accord.
FLATTENED void stage_panel(
        __local float* panel, const int width, __global const float* from, const size_t plane, const int channels,
        const int count) {
    int c = 0;
    for (; c + 4 <= channels; c += 4) {
        __global const float* const row = from + c * plane;
        int x = 0;
        for (; x + 4 <= count; x += 4) {
#if PREFETCH
            if (REMAINDER(x, LINE, x / LINE) == 0 && c + AHEAD + 4 <= channels) {
                for (int next = AHEAD; next < AHEAD + 4; next++) {
                    FETCH_AHEAD(row + next * plane + x);
                }
            }
#endif
            transpose_block_to_local(row + x, plane, panel + x * width + c, width);
        }
        transpose_rest_to_local(row, plane, x, count, panel + c, width);
    }
    for (; c < width; c++) {
        for (int x = 0; x < count; x++) {
            panel[x * width + c] = c < channels ? from[c * plane + x] : 0.0f;
        }
    }
}

// Strides whose phases are split in registers.
#define MOST_SHUFFLED 4

// Splits SW * pitch floats by phase, position mod SW: pitch floats of each phase, one phase after the other.
FLATTENED void split_row(__local float* split, __local const float* row, const int pitch) {
    if (SW <= MOST_SHUFFLED && SHUFFLE) {
        for (int x = 0; x < pitch; x += LANES) {
            lanes whole[SW];
            #pragma unroll
            for (int v = 0; v < SW; v++) {
                whole[v] = LANES_FROM(__local, row + x * SW + v * LANES);
            }
            #pragma unroll
            for (int phase = 0; phase < SW; phase++) {
                lanes one = (lanes)(0.0f);
                #pragma unroll
                for (int lane = 0; lane < LANES; lane++) {
                    const int place = lane * SW + phase;
                    one[lane] = whole[place / LANES][place - place / LANES * LANES];
                }
                LANES_AT(__local, split + phase * pitch + x) = one;
            }
        }
        return;
    }
    for (int phase = 0; phase < SW; phase++) {
        for (int x = 0; x < pitch; x++) {
            split[phase * pitch + x] = row[x * SW + phase];
        }
    }
}
