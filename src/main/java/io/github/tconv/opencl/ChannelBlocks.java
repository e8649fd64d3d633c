package io.github.tconv.opencl;

import io.github.tconv.op.Operand;

/**
 * How a sum over the images and positions of each channel is cut into blocks.
 *
 * @param images images of a block
 * @param batch all images
 * @param channels the channels
 * @param plane the positions of an image
 */
record ChannelBlocks(int images, int batch, int channels, int plane) {
    /** Elements of a block: few enough that there are blocks for many threads, many enough that their sums are few. */
    static final int LENGTH = 4096;

    /** Cuts a tensor {@code (n, channels, spatial...)}. */
    static ChannelBlocks of(Operand tensor) {
        int batch = tensor.size(0);
        int channels = tensor.size(1);
        int plane = tensor.elements() / (batch * channels);
        return new ChannelBlocks(Math.max(1, LENGTH / plane), batch, channels, plane);
    }

    int count() {
        return (int) (Grid.tiles(batch, images) * Grid.tiles(plane, LENGTH));
    }

    /** IMAGES, LENGTH, N, C and PLANE of {@code bias_gradient.cl}. */
    int[] arguments() {
        return new int[] {images, LENGTH, batch, channels, plane};
    }

    NdRange range() {
        return NdRange.of(channels, count());
    }
}
