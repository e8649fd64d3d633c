// input_gradient.cl: gradient of a transposed convolution by its input = the adjoint convolution; one work-item
// gathers one input element. The statement of the algorithm and the last resort: the other input_gradient_*.cl files
// compute the same, faster.
//   input_gradient[n][ic][id][ih][iw] = activate(bias[ic] + residual[n][ic][id][ih][iw] +
//       sum over oc,kd,kh,kw of output_gradient[n][oc][od][oh][ow] * weight[ic][oc][kd][kh][kw])
//   with od == id * SD - PD + kd * DD (likewise oh, ow); terms outside the output vanish. oc runs over the group of ic.
// Layout: output_gradient (N, OC, OD, OH, OW), weight (IC, OC / GROUPS, KD, KH, KW), bias and slope (IC),
//   residual and input_gradient (N, IC, ID, IH, IW).
// ND-range: (ID * IH * IW rounded up, N * IC), any work-group size: lanes are neighbours in the image.
// Writes every element once, in a fixed order of additions (a partial sum for each tap): deterministic.
// Constants: the layer's (common.cl) and the epilogue of forward.cl.

DEFINE_ACTIVATE(activate, float)

__kernel void input_gradient(
        __global const float* restrict output_gradient,
        __global const float* restrict weight,
        __global const float* restrict bias,
        __global const float* restrict slope,
        __global const float* restrict residual,
        __global float* restrict input_gradient,
        const int N, const int ID, const int IH, const int IW, const int OD, const int OH, const int OW) {
    const int pixel = (int)get_global_id(0);
    const int row = pixel / IW;
    const int iw = REMAINDER(pixel, IW, row);
    const int id = row / IH;
    const int ih = REMAINDER(row, IH, id);
    const int n = (int)get_global_id(1) / IC;
    const int ic = REMAINDER((int)get_global_id(1), IC, n);
    if (id >= ID) {
        return;
    }
    const int first_oc = ic / IC_PER_GROUP * OC_PER_GROUP;

    float sum = HAS_BIAS ? bias[ic] : 0.0f;
    for (int kd = 0; kd < KD; kd++) {
        const int od = output_position(id, kd, SD, DD, PD, OD);
        if (od < 0) {
            continue;
        }
        for (int kh = 0; kh < KH; kh++) {
            const int oh = output_position(ih, kh, SH, DH, PH, OH);
            if (oh < 0) {
                continue;
            }
            for (int kw = 0; kw < KW; kw++) {
                const int ow = output_position(iw, kw, SW, DW, PW, OW);
                if (ow < 0) {
                    continue;
                }
                float partial = 0.0f;
                for (int ocg = 0; ocg < OC_PER_GROUP; ocg++) {
                    partial += output_gradient[OUTPUT_AT(n, first_oc + ocg, od, oh, ow)] * weight[WEIGHT_AT(ic, ocg, kd, kh, kw)];
                }
                sum += partial;
            }
        }
    }
    const size_t at = INPUT_AT(n, ic, id, ih, iw);
    input_gradient[at] = activate(HAS_RESIDUAL ? sum + residual[at] : sum, ACTIVATION == 3 ? slope[ic] : 0.0f);
}
