// batches.cl: what the gradients by the weight with sums in local memory share (weight_gradient_clane.cl,
// weight_gradient_xlane.cl); the host prepends it to them, after gradient_lanes.cl.
//   weight_gradient[ic][oc][kd][kh][kw] = sum over n,id,ih,iw of
//       input[n][ic][id][ih][iw] * output_gradient[n][oc][od][oh][ow]
//   with od == id * SD - PD + kd * DD (likewise oh, ow); terms outside the output vanish.
// Layout: input (N, IC, ID, IH, IW), output_gradient (N, OC, OD, OH, OW); weight_gradient (BLOCKS, IC, OC / GROUPS, KD,
//   KH, KW): each block of the sum writes its own part, which gradient_sum.cl adds up if there are several.
// SEG positions of RY rows of IMGS images of the input are a batch, BATCHES batches a block. A work-item is a work-group of
//   its own and computes one block for some input channels, OT * OCT output channels and TAP_D * TAP_H rows of taps.
// ND-range: (BLOCKS, ceil(KD / TAP_D) * ceil(KH / TAP_H), GROUPS * chunks of input channels * OC_CHUNKS), work-group size 1.
// Constants: the layer's (common.cl), LANES (lanes.cl), and
//   OCT KWC            output channels and taps of a register tile
//   OT TAP_D TAP_H     the work-item's tiles of output channels and its rows of taps
//   SEG RY IMGS        positions, rows and images of a batch

#define ITEM_OC (OT * OCT)
#define OC_CHUNKS CEIL_DIV(OC_PER_GROUP, ITEM_OC)
#define KW_CHUNKS CEIL_DIV(KW, KWC)
#define PATCH_H ((RY - 1) * SH + (TAP_H - 1) * DH + 1)

// What a work-item computes: channels of a group, rows of taps, and the batches of its block.
typedef struct {
    int group;
    int first_icg, count_ic;
    int first_ocg, count_oc;
    int first_kd, count_kd;
    int first_kh, count_kh;
    int begin, end;
} share;

// Where a batch lies.
typedef struct {
    int first_n, images;
    int id;
    int first_ih, rows;
    int first_iw, count;
} positions;

// The share of this work-item, of at most item_ic input channels.
FLATTENED share share_of_item(
        const int item_ic, const int BATCHES, const int N, const int ID, const int IH, const int IW) {
    share own;
    const int tap_chunk = (int)get_global_id(1);
    const int depth_chunk = tap_chunk / CEIL_DIV(KH, TAP_H);
    own.first_kd = depth_chunk * TAP_D;
    own.first_kh = REMAINDER(tap_chunk, CEIL_DIV(KH, TAP_H), depth_chunk) * TAP_H;
    own.count_kd = min(TAP_D, KD - own.first_kd);
    own.count_kh = min(TAP_H, KH - own.first_kh);
    const int ic_chunks = CEIL_DIV(IC_PER_GROUP, item_ic);
    const int chunk = (int)get_global_id(2) / OC_CHUNKS;
    own.first_ocg = REMAINDER((int)get_global_id(2), OC_CHUNKS, chunk) * ITEM_OC;
    own.group = chunk / ic_chunks;
    own.first_icg = REMAINDER(chunk, ic_chunks, own.group) * item_ic;
    own.count_ic = min(item_ic, IC_PER_GROUP - own.first_icg);
    own.count_oc = min(ITEM_OC, OC_PER_GROUP - own.first_ocg);
    const int batches = CEIL_DIV(N, IMGS) * ID * CEIL_DIV(IH, RY) * CEIL_DIV(IW, SEG);
    own.begin = min((int)get_global_id(0) * BATCHES, batches);
    own.end = min(own.begin + BATCHES, batches);
    return own;
}

FLATTENED positions positions_of_batch(const int batch, const int N, const int ID, const int IH, const int IW) {
    positions at;
    const int row_segments = CEIL_DIV(IW, SEG);
    const int row_blocks = CEIL_DIV(IH, RY);
    const int row_block = batch / row_segments;
    const int slice = row_block / row_blocks;
    const int image_block = slice / ID;
    at.first_iw = REMAINDER(batch, row_segments, row_block) * SEG;
    at.first_ih = REMAINDER(row_block, row_blocks, slice) * RY;
    at.id = REMAINDER(slice, ID, image_block);
    at.first_n = image_block * IMGS;
    at.count = min(SEG, IW - at.first_iw);
    at.rows = min(RY, IH - at.first_ih);
    at.images = min(IMGS, N - at.first_n);
    return at;
}

// Whether any row of a batch and tap reads row h of the patch.
FLATTENED bool is_met(const int h) {
    bool met = false;
    for (int kh = 0; kh < TAP_H; kh++) {
        const int rest = h - kh * DH;
        met |= rest >= 0 && rest - rest / SH * SH == 0;
    }
    return met;
}

// Copies the rows of the output gradient that a batch meets to a zero-padded patch (ITEM_OC, IMGS, TAP_D, PATCH_H, row);
// rows outside are left as they are, for nothing reads them. With a line, which has room for a row, they are split by phase.
FLATTENED void stage_batch(
        __local float* patch, const int row, __local float* line, __global const float* output_gradient, const share own,
        const positions at, const int OD, const int OH, const int OW) {
    for (int c = 0; c < own.count_oc; c++) {
        for (int i = 0; i < at.images; i++) {
            for (int d = 0; d < own.count_kd; d++) {
                const int od = at.id * SD - PD + (own.first_kd + d) * DD;
                for (int h = 0; h < (at.rows - 1) * SH + (own.count_kh - 1) * DH + 1; h++) {
                    const int oh = at.first_ih * SH - PH + own.first_kh * DH + h;
                    if (od >= 0 && od < OD && oh >= 0 && oh < OH && is_met(h)) {
                        const int oc = own.group * OC_PER_GROUP + own.first_ocg + c;
                        __local float* const to = patch + (((c * IMGS + i) * TAP_D + d) * PATCH_H + h) * row;
                        stage_row(
                                line ? line : to, output_gradient + OUTPUT_AT(at.first_n + i, oc, od, oh, 0), row,
                                at.first_iw * SW - PW, OW);
                        if (line) {
                            split_row(to, line, row / SW);
                        }
                    }
                }
            }
        }
    }
}
