// weight_gradient.cl: gradient of a transposed convolution by its weight, one work-item sums one weight element.
//   weight_gradient[ic][oc][kd][kh][kw] = sum over n,id,ih,iw of
//       input[n][ic][id][ih][iw] * output_gradient[n][oc][od][oh][ow]
//   with od == id * SD - PD + kd * DD (likewise oh, ow); terms outside the output vanish.
// Layout: input (N, IC, ID, IH, IW), output_gradient (N, OC, OD, OH, OW),
//   weight_gradient (IC, OC / GROUPS, KD, KH, KW).
// ND-range: (IC * OC / GROUPS * KD * KH * KW rounded up), any work-group size: lanes are neighbouring taps.
// Writes every element once, in a fixed order of additions: deterministic. ADDS 1: goes on with the sum that the element
// holds, so that a batch may be given in parts. The sums are long (batch times image), so each row has its own partial sum,
// and each image one of its rows: the error grows with the row's length, the rows and the images added, not multiplied.
// Constants: the layer's (common.cl).

__kernel void weight_gradient(
        __global const float* restrict input,
        __global const float* restrict output_gradient,
        __global float* restrict weight_gradient,
        const int ADDS,
        const int N, const int ID, const int IH, const int IW, const int OD, const int OH, const int OW) {
    const int at = (int)get_global_id(0);
    const int line = at / KW;
    const int kw = REMAINDER(at, KW, line);
    const int plane = line / KH;
    const int kh = REMAINDER(line, KH, plane);
    const int pair = plane / KD;
    const int kd = REMAINDER(plane, KD, pair);
    const int ic = pair / OC_PER_GROUP;
    const int ocg = REMAINDER(pair, OC_PER_GROUP, ic);
    const int oc = ic / IC_PER_GROUP * OC_PER_GROUP + ocg;

    if (ic >= IC) {
        return;
    }
    __global float* const element = weight_gradient + WEIGHT_AT(ic, ocg, kd, kh, kw);
    float sum = ADDS ? *element : 0.0f;
    for (int n = 0; n < N; n++) {
        float image = 0.0f;
        for (int id = 0; id < ID; id++) {
            const int od = output_position(id, kd, SD, DD, PD, OD);
            if (od < 0) {
                continue;
            }
            for (int ih = 0; ih < IH; ih++) {
                const int oh = output_position(ih, kh, SH, DH, PH, OH);
                if (oh < 0) {
                    continue;
                }
                float row = 0.0f;
                for (int iw = 0; iw < IW; iw++) {
                    const int ow = output_position(iw, kw, SW, DW, PW, OW);
                    if (ow >= 0) {
                        row += input[INPUT_AT(n, ic, id, ih, iw)] * output_gradient[OUTPUT_AT(n, oc, od, oh, ow)];
                    }
                }
                image += row;
            }
        }
        sum += image;
    }
    *element = sum;
}
