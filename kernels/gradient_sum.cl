// gradient_sum.cl: adds up the parts of a gradient, which the blocks of a long sum wrote one after the other.
//   gradient[at] = sum over block of parts[block][at]
// Layout: parts (BLOCKS, ELEMENTS), gradient (ELEMENTS).
// ND-range: (ELEMENTS rounded up), any work-group size: lanes are neighbours. One program serves all layers.
// Writes every element once, in the order of the blocks: deterministic. Each RUN of blocks has its own partial sum.

#define RUN 32

__kernel void gradient_sum(
        __global const float* restrict parts, __global float* restrict gradient, const int BLOCKS, const int ELEMENTS) {
    const int at = (int)get_global_id(0);

    if (at >= ELEMENTS) {
        return;
    }
    float sum = 0.0f;
    for (int first = 0; first < BLOCKS; first += RUN) {
        float run = 0.0f;
        for (int block = first; block < min(first + RUN, BLOCKS); block++) {
            run += parts[(size_t)block * ELEMENTS + at];
        }
        sum += run;
    }
    gradient[at] = sum;
}
