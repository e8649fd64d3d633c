// sgd.cl: a step of stochastic gradient descent with momentum, one work-item an element.
//   velocity = MOMENTUM * velocity + gradient
//   moved    = weight - RATE * velocity
// Layout: all (ELEMENTS). next_velocity may be velocity, moved weight: no restrict.
// ND-range: (ELEMENTS rounded up), any work-group size: lanes are neighbours. One program serves all weights.
// Writes every element once: deterministic.

__kernel void sgd(
        __global const float* weight, __global const float* gradient, __global const float* velocity,
        __global float* next_velocity, __global float* moved,
        const int ELEMENTS, const float MOMENTUM, const float RATE) {
    const int at = (int)get_global_id(0);

    if (at >= ELEMENTS) {
        return;
    }
    const float v = MOMENTUM * velocity[at] + gradient[at];
    next_velocity[at] = v;
    moved[at] = weight[at] - RATE * v;
}
