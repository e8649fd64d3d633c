package io.github.tconv.opencl;

import io.github.tconv.op.Problem;

/**
 * A variant that computes at least the first channels of the result and leaves out most of the others, whose part of the
 * weight it does not pack: for the trial of a layer of one group. The program is the variant's own.
 */
final class FirstChannels extends RetiledVariant {
    private final int channels;

    /**
     * Leaves out channels.
     *
     * @param variant what computes
     * @param tile the variant's tile for every problem
     * @param channels how many of the result are computed, whole blocks of the tile
     * @param all how many the result has
     */
    FirstChannels(ForwardVariant variant, Tile tile, int channels, int all) {
        super(variant, problem -> new FirstBlocks(tile, channels, all), /* tuned= */ false);
        this.channels = channels;
    }

    @Override
    public NdRange packRange() {
        return packRange(channels);
    }

    private record FirstBlocks(Tile tile, int channels, int all) implements Tile {
        @Override
        public String constants() {
            return tile.constants();
        }

        @Override
        public long stagedFloats(Problem problem) {
            return tile.stagedFloats(problem);
        }

        @Override
        public NdRange stageRange(Problem problem) {
            return tile.stageRange(problem);
        }

        @Override
        public NdRange range(Problem problem) {
            int block = tile.blockChannels(problem);
            return tile.range(problem).first(channels / block, Grid.tiles(all, block));
        }
    }
}
