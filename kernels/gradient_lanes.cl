// gradient_lanes.cl: what the fast gradient kernels share; the host prepends it, after common.cl and lanes.cl.
// Constants: SHUFFLE 1: split phases within registers; 0: through memory. PREFETCH 1: stage_panel asks for lines ahead.

// sum + a * b. A function with such vectors in its signature, once inlined, makes LLVM keep them whole in the kernel; without
// one it cuts them in halves, and has too few registers for these.
FLATTENED lanes plus_product(const lanes sum, const lanes a, const lanes b) {
    return sum + a * b;
}

// Turns four vectors of four channels into four vectors of four positions, and back.
FLATTENED void transpose4(float4* a, float4* b, float4* c, float4* d) {
    const float4 ab0 = (float4)((*a).s0, (*b).s0, (*a).s1, (*b).s1);
    const float4 ab2 = (float4)((*a).s2, (*b).s2, (*a).s3, (*b).s3);
    const float4 cd0 = (float4)((*c).s0, (*d).s0, (*c).s1, (*d).s1);
    const float4 cd2 = (float4)((*c).s2, (*d).s2, (*c).s3, (*d).s3);
    *a = (float4)(ab0.s01, cd0.s01);
    *b = (float4)(ab0.s23, cd0.s23);
    *c = (float4)(ab2.s01, cd2.s01);
    *d = (float4)(ab2.s23, cd2.s23);
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
                    __builtin_prefetch((const void*)(size_t)(row + next * plane + x), 0, 2);
                }
            }
#endif
            float4 a = vload4(0, row + x);
            float4 b = vload4(0, row + plane + x);
            float4 e = vload4(0, row + 2 * plane + x);
            float4 f = vload4(0, row + 3 * plane + x);
            transpose4(&a, &b, &e, &f);
            vstore4(a, 0, panel + x * width + c);
            vstore4(b, 0, panel + (x + 1) * width + c);
            vstore4(e, 0, panel + (x + 2) * width + c);
            vstore4(f, 0, panel + (x + 3) * width + c);
        }
        for (; x < count; x++) {
            vstore4((float4)(row[x], row[plane + x], row[2 * plane + x], row[3 * plane + x]), 0, panel + x * width + c);
        }
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
