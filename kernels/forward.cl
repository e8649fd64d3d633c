// forward.cl: transposed convolution, one work-item gathers one output element. The statement of the algorithm and the
// last resort: the other forward_*.cl files compute the same, faster.
//   output[n][oc][od][oh][ow] = activate(bias[oc] + residual[n][oc][od][oh][ow] +
//       sum over ic,kd,kh,kw of input[n][ic][id][ih][iw] * weight[ic][oc][kd][kh][kw])
//   with id * SD == od + PD - kd * DD (likewise ih, iw); other terms vanish. ic runs over the group of oc.
// Layout: input (N, IC, ID, IH, IW), weight (IC, OC / GROUPS, KD, KH, KW), bias and slope (OC),
//   residual and output (N, OC, OD, OH, OW).
// ND-range: (OD * OH * OW rounded up, N * OC), any work-group size: lanes are neighbours in the image.
// Writes every output element once, in a fixed order of additions (a partial sum for each tap): deterministic.
// Constants: the layer's (common.cl) and its epilogue: HAS_BIAS and HAS_RESIDUAL 1 if that argument is to be read, 0 if
//   it is another buffer's dummy; ACTIVATION with ACT_A and ACT_B, of which PReLU alone reads slope.

DEFINE_ACTIVATE(activate, float)

__kernel void forward(
        __global const float* restrict input,
        __global const float* restrict weight,
        __global const float* restrict bias,
        __global const float* restrict slope,
        __global const float* restrict residual,
        __global float* restrict output,
        const int N, const int ID, const int IH, const int IW, const int OD, const int OH, const int OW) {
    const int pixel = (int)get_global_id(0);
    const int row = pixel / OW;
    const int ow = REMAINDER(pixel, OW, row);
    const int od = row / OH;
    const int oh = REMAINDER(row, OH, od);
    const int n = (int)get_global_id(1) / OC;
    const int oc = REMAINDER((int)get_global_id(1), OC, n);
    if (od >= OD) {
        return;
    }
    const int group = oc / OC_PER_GROUP;
    const int ocg = REMAINDER(oc, OC_PER_GROUP, group);
    const int first_ic = group * IC_PER_GROUP;

    float sum = HAS_BIAS ? bias[oc] : 0.0f;
    for (int kd = 0; kd < KD; kd++) {
        const int id = input_position(od, kd, SD, DD, PD, ID);
        if (id < 0) {
            continue;
        }
        for (int kh = 0; kh < KH; kh++) {
            const int ih = input_position(oh, kh, SH, DH, PH, IH);
            if (ih < 0) {
                continue;
            }
            for (int kw = 0; kw < KW; kw++) {
                const int iw = input_position(ow, kw, SW, DW, PW, IW);
                if (iw < 0) {
                    continue;
                }
                float partial = 0.0f;
                for (int ic = first_ic; ic < first_ic + IC_PER_GROUP; ic++) {
                    partial += input[INPUT_AT(n, ic, id, ih, iw)] * weight[WEIGHT_AT(ic, ocg, kd, kh, kw)];
                }
                sum += partial;
            }
        }
    }
    const size_t at = OUTPUT_AT(n, oc, od, oh, ow);
    output[at] = activate(HAS_RESIDUAL ? sum + residual[at] : sum, ACTIVATION == 3 ? slope[oc] : 0.0f);
}
