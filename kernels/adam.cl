// adam.cl: a step of Adam, one work-item an element.
//   mean   = BETA1 * mean + REST1 * gradient
//   square = BETA2 * square + REST2 * gradient^2
//   moved  = weight - MEAN_FACTOR * mean / (sqrt(SQUARE_FACTOR * square) + EPSILON)
// REST1 = 1 - BETA1 and REST2 = 1 - BETA2, computed in double; the factors make up for means that began at 0.
// Layout: all (ELEMENTS). next_mean may be mean, next_square square, moved weight: no restrict.
// ND-range: (ELEMENTS rounded up), any work-group size: lanes are neighbours. One program serves all weights.
// Writes every element once: deterministic.

__kernel void adam(
        __global const float* weight, __global const float* gradient, __global const float* mean,
        __global const float* square, __global float* next_mean, __global float* next_square, __global float* moved,
        const int ELEMENTS, const float BETA1, const float REST1, const float BETA2, const float REST2,
        const float MEAN_FACTOR, const float SQUARE_FACTOR, const float EPSILON) {
    const int at = (int)get_global_id(0);

    if (at >= ELEMENTS) {
        return;
    }
    const float g = gradient[at];
    const float m = BETA1 * mean[at] + REST1 * g;
    const float s = BETA2 * square[at] + REST2 * g * g;
    next_mean[at] = m;
    next_square[at] = s;
    moved[at] = weight[at] - MEAN_FACTOR * m / (sqrt(SQUARE_FACTOR * s) + EPSILON);
}
