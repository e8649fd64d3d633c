// gradient_sum.cl: adds up the parts of a gradient, which the blocks of a long sum wrote one after the other.
//   gradient[at] = sum over block of parts[block][at]
// Layout: parts (BLOCKS, ELEMENTS), gradient (ELEMENTS).
// ND-range: (ceil(ELEMENTS / WIDTH) rounded up), any work-group size. One program serves all layers.
// Writes every element once, in the order of the blocks: deterministic. Each RUN of blocks has its own partial sum.

#define RUN 32
// Elements of a work-item, a cache line of each part: the parts are often a power of two apart, and their lines then push
// each other out of a small cache.
#define WIDTH 16

__kernel void gradient_sum(
        __global const float* restrict parts, __global float* restrict gradient, const int BLOCKS, const int ELEMENTS) {
    const int first = (int)get_global_id(0) * WIDTH;
    const int count = min(WIDTH, ELEMENTS - first);

    if (count == WIDTH) {
        float16 sum = (float16)(0.0f);
        for (int begin = 0; begin < BLOCKS; begin += RUN) {
            float16 run = (float16)(0.0f);
            for (int block = begin; block < min(begin + RUN, BLOCKS); block++) {
                run += vload16(0, parts + (size_t)block * ELEMENTS + first);
            }
            sum += run;
        }
        vstore16(sum, 0, gradient + first);
        return;
    }
    for (int at = first; at < first + count; at++) {
        float sum = 0.0f;
        for (int begin = 0; begin < BLOCKS; begin += RUN) {
            float run = 0.0f;
            for (int block = begin; block < min(begin + RUN, BLOCKS); block++) {
                run += parts[(size_t)block * ELEMENTS + at];
            }
            sum += run;
        }
        gradient[at] = sum;
    }
}
