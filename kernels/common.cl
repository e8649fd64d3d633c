// common.cl: prepended to every kernel file of this folder. Constants of the layer come from the host through -D:
//   IC OC GROUPS       channels read and written, independent groups
//   K. S. D. P.        kernel, stride, dilation, padding at the beginning (may be negative) of the axes D, H, W;
//                      lower ranks have leading axes of size, kernel and stride 1
// The sizes N, ID IH IW (input) and OD OH OW (output) are arguments of every kernel: a new size compiles nothing.

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
