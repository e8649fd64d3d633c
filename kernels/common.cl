// common.cl: prepended to every kernel file of this folder. Constants of the layer come from the host through -D:
//   IC OC GROUPS       channels read and written, independent groups
//   K. S. D. P.        kernel, stride, dilation, padding at the beginning (may be negative) of the axes D, H, W;
//                      lower ranks have leading axes of size, kernel and stride 1
// The sizes N, ID IH IW (input) and OD OH OW (output) are arguments of every kernel: a new size compiles nothing.

// A product and the sum to which it is added may be rounded once, where the device has an instruction for both. Devices of
// different kinds compute together only if each rounds both: that is SEPARATE_ROUNDINGS.
#ifdef SEPARATE_ROUNDINGS
#pragma OPENCL FP_CONTRACT OFF
#endif

#define IC_PER_GROUP (IC / GROUPS)
#define OC_PER_GROUP (OC / GROUPS)

// Tensors are dense in C order; size_t keeps the products in 64 bits.
#define INPUT_AT(n, ic, id, ih, iw) (((((size_t)(n) * IC + (ic)) * ID + (id)) * IH + (ih)) * IW + (iw))
#define OUTPUT_AT(n, oc, od, oh, ow) (((((size_t)(n) * OC + (oc)) * OD + (od)) * OH + (oh)) * OW + (ow))
// ocg counts the output channels inside their group.
#define WEIGHT_AT(ic, ocg, kd, kh, kw) \
    (((((size_t)(ic) * OC_PER_GROUP + (ocg)) * KD + (kd)) * KH + (kh)) * KW + (kw))

// A remainder whose quotient is known. Written out because a / and a % of the same values make the compiler emit an
// instruction that Oclgrind does not know.
#define REMAINDER(value, divisor, quotient) ((value) - (quotient) * (divisor))

// Phases. Output position o = S * q + r belongs to phase r of grid point q. Tap k meets exactly one phase,
//   r = (k * D - P) mod S,   and reads there input position   i = q - (k * D - P) div S   (mod, div: floored).
// So each phase is a dense correlation of stride 1, and nothing is ever divided while the kernel runs.
#define FLOOR_DIV(value, divisor) \
    ((value) >= 0 ? (value) / (divisor) : -((-(value) + (divisor) - 1) / (divisor)))
#define CEIL_DIV(value, divisor) (((value) + (divisor) - 1) / (divisor))
#define TAP_SHIFT(k, stride, dilation, pad) FLOOR_DIV((k) * (dilation) - (pad), stride)
#define TAP_PHASE(k, stride, dilation, pad) \
    ((k) * (dilation) - (pad) - TAP_SHIFT(k, stride, dilation, pad) * (stride))

// Everything must end up in one function: accumulators passed on to a function that stays one live in memory, and its
// vectors are cut in halves (LLVM keeps 512 bits for functions that have them in their signature). No restrict on their
// parameters: it would come out as an intrinsic that Oclgrind does not know, and the kernel's own restrict is enough.
#define FLATTENED inline __attribute__((always_inline))

// Asks for a cache line ahead of its use, if the constant PREFETCH is 1: to the second-level cache, and to the first.
// SPIR-V has no such instruction: a compiler that goes by it (Mesa's, which hides __SPIR__) would end the process, where
// the constant comes from another device.
#if PREFETCH && !defined(__SPIR64__)
#define FETCH_AHEAD(pointer) __builtin_prefetch((const void*)(size_t)(pointer), 0, 2)
#define FETCH_NEAR(pointer) __builtin_prefetch((const void*)(size_t)(pointer), 0, 3)
#else
#define FETCH_AHEAD(pointer)
#define FETCH_NEAR(pointer)
#endif
// So many floats lie between weights that are read one after the other and those asked for: half a page, at whose end the
// processor's own prefetching stops (1 KB and 4 KB: up to 10 % slower; into the second-level cache only: up to 20 %).
#define WEIGHTS_AHEAD 512

// The input position that a tap takes to output position o on one axis, or -1 if there is none: only where
// o + pad - k * dilation is a multiple of the stride does the tap meet an input element and not a gap.
inline int input_position(const int o, const int k, const int stride, const int dilation, const int pad, const int size) {
    const long spread = (long)o + pad - (long)k * dilation;
    const long i = spread / stride;
    return spread >= 0 && i < size && i * stride == spread ? (int)i : -1;
}

// The output position to which a tap takes input position i on one axis, or -1 if padding cuts it off.
inline int output_position(const int i, const int k, const int stride, const int dilation, const int pad, const int size) {
    const long o = (long)i * stride - pad + (long)k * dilation;
    return o >= 0 && o < size ? (int)o : -1;
}

// The function applied to every output element while it is stored, the constant ACTIVATION being one of
//   0 none, 1 ReLU, 2 leaky ReLU (slope ACT_A), 3 PReLU (slope of the channel), 4 sigmoid, 5 tanh,
//   6 clamp to [ACT_A, ACT_B], 7 SiLU
// Comparisons are such that a NaN stays one. T is float or a vector of them.
#define DEFINE_ACTIVATE(NAME, T)                                 \
    inline T NAME(const T x, const T slope) {                    \
        if (ACTIVATION == 1) {                                   \
            return x < (T)(0.0f) ? (T)(0.0f) : x;                \
        }                                                        \
        if (ACTIVATION == 2) {                                   \
            return x > (T)(0.0f) ? x : x * (T)(ACT_A);           \
        }                                                        \
        if (ACTIVATION == 3) {                                   \
            return x > (T)(0.0f) ? x : x * slope;                \
        }                                                        \
        if (ACTIVATION == 4) {                                   \
            return (T)(1.0f) / ((T)(1.0f) + exp(-x));            \
        }                                                        \
        if (ACTIVATION == 5) {                                   \
            return tanh(x);                                      \
        }                                                        \
        if (ACTIVATION == 6) {                                   \
            const T raised = x < (T)(ACT_A) ? (T)(ACT_A) : x;    \
            return raised > (T)(ACT_B) ? (T)(ACT_B) : raised;    \
        }                                                        \
        if (ACTIVATION == 7) {                                   \
            return x / ((T)(1.0f) + exp(-x));                    \
        }                                                        \
        return x;                                                \
    }
