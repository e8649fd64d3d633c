// phases.cl: the phases of a strided axis, found while the kernel runs; stands before forward_tile.cl, forward_thin.cl.
// Output position o of one axis meets the taps k with k * dilation == o + pad (mod stride). Where there is one, these
// are k = first, first + period, ... with period = stride / gcd(stride, dilation), and from one to the next the input
// position falls by dilation / gcd. Positions with the same o mod stride, a phase, share their taps.

static inline int greatest_common_divisor(const int stride, const int dilation) {
    int a = stride;
    int b = dilation;
    while (b != 0) {
        const int quotient = a / b;
        const int rest = REMAINDER(a, b, quotient);
        a = b;
        b = rest;
    }
    return a;
}

static inline int tap_period(const int stride, const int dilation) {
    return stride / greatest_common_divisor(stride, dilation);
}

// The first tap of the phase of output position o; kernel, that is no tap, if the phase has none.
static inline int first_tap(const int o, const int kernel_size, const int stride, const int dilation, const int pad) {
    const long spread = (long)o + pad;
    const long quotient = spread / stride;
    const int residue = (int)REMAINDER(spread, stride, quotient);
    const int wanted = residue < 0 ? residue + stride : residue;
    if (dilation % stride == 1 || stride == 1) {
        return min(wanted, kernel_size);
    }
    int reached = 0; // k * dilation mod stride
    for (int k = 0; k < min(kernel_size, tap_period(stride, dilation)); k++) {
        if (reached == wanted) {
            return k;
        }
        reached += dilation % stride;
        reached -= reached >= stride ? stride : 0;
    }
    return kernel_size;
}

// What to add to a grid point q to get the input position that tap k of the phase of output position o = stride * q + r
// reads, given r. Far outside it saturates where q + shift, compared as unsigned, still is outside of every input.
static inline int input_shift(const int r, const int k, const int stride, const int dilation, const int pad) {
    const long spread = (long)r + pad - (long)k * dilation;
    const long shift = spread / stride;
    return shift < -(long)INT_MAX ? -INT_MAX : shift > (long)INT_MAX ? INT_MAX : (int)shift;
}

// The input position of grid point q under a shift, or -1 if there is none.
static inline int input_place(const int q, const int shift, const int size) {
    const long i = (long)q + shift;
    return i >= 0 && i < size ? (int)i : -1;
}

// The number of grid points of phase r: output positions stride * q + r inside the size.
static inline int phase_size(const int r, const int stride, const int size) {
    return r < size ? (size - r - 1) / stride + 1 : 0;
}

// A float at an offset in bytes. Where the base is the same for all work-items and the offset has 32 bits, the load itself
// adds them on most devices. 32 bits are enough inside an image and inside a tile's weights: no tensor has 2 GiB. But they
// have no sign: an offset is made of positions that exist, never of one before the first that is selected away later.
static inline float read_at(__global const float* base, const uint offset) {
    return *(__global const float*)((__global const char*)base + offset);
}

static inline float4 read_quad_at(__global const float* base, const uint offset) {
    return *(__global const float4*)((__global const char*)base + offset);
}
