// peak_fma.cl: the fastest stream of multiply-adds that the compiler makes on this device, as the roof for percentages.
//   Each work-item holds ACCUMULATORS independent chains of LANES floats; one iteration is one multiply-add on each:
//   2 * ACCUMULATORS * LANES flops. Nothing is read or written in the loop.
// Layout: values has LANES floats for each work-item. ND-range: (work-items), any work-group size.
// Replaces values: every lane of every chain begins with one of them and goes into the sum, so that the compiler can
// leave none out and merge no two.
// Constants: LANES 4, 8 or 16, the width of the device's vectors (GPUs: any, they take it apart).

// One multiply-add takes about 4 cycles and two can start in each: at least 8 chains. 16 leave room for the operands
// in 32 vector registers.
#define ACCUMULATORS 16

#define JOIN_(type, lanes) type##lanes
#define JOIN(type, lanes) JOIN_(type, lanes)
#define VECTOR JOIN(float, LANES)
#define LOAD JOIN(vload, LANES)
#define STORE JOIN(vstore, LANES)

// A chain x -> FACTOR * x + ADDEND stays near its fixed point, 1: neither infinities nor denormals slow it down.
#define FACTOR 0.999f
#define ADDEND 0.001f

__kernel void peak_fma(__global float* restrict values, const int iterations) {
    const size_t item = get_global_id(0);
    const VECTOR start = LOAD(item, values);
    VECTOR chain[ACCUMULATORS];
#pragma unroll
    for (int a = 0; a < ACCUMULATORS; a++) {
        chain[a] = start + (float)a;
    }
    const VECTOR factor = (VECTOR)(FACTOR);
    const VECTOR addend = (VECTOR)(ADDEND);
    for (int i = 0; i < iterations; i++) {
        // Without unrolling, the chains would live in memory.
#pragma unroll
        for (int a = 0; a < ACCUMULATORS; a++) {
            chain[a] = fma(chain[a], factor, addend);
        }
    }
    VECTOR sum = chain[0];
#pragma unroll
    for (int a = 1; a < ACCUMULATORS; a++) {
        sum += chain[a];
    }
    STORE(sum * (1.0f / ACCUMULATORS), item, values);
}
