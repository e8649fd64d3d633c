package io.github.tconv.opencl;

import io.github.tconv.op.Problem;

/**
 * How the long sum of a weight's gradient is cut: into batches of positions that are summed on their own in registers, and
 * those into blocks that are summed on their own in memory. All from the sizes alone.
 *
 * @param segment positions along the row of a batch, the last of a row having what is left
 * @param rows rows of a batch
 * @param images images of a batch
 * @param batches batches of a block
 * @param count blocks
 */
record SumBlocks(int segment, int rows, int images, int batches, int count) {
    /** Positions of a batch: few enough for the error, enough that adding its sums to the block's costs little. */
    private static final int BATCH = 128;

    private static final int MOST_SEGMENT = 64;
    /** Work-items enough to keep threads busy, few enough that writing their sums costs little. */
    private static final int ITEMS = 96;
    /** Batches from which on it is worth to write sums of one's own. */
    private static final int LEAST_BATCHES = 4;
    /** Floats of workspace that the blocks' sums may take, where there is more than one block. */
    private static final long WORKSPACE = 2 << 20;

    /**
     * Shapes a batch; the blocks are cut later. Powers of two, so that few sizes need a program of their own.
     *
     * @param problem the problem, of rank 3
     * @param leastSegment the least positions along the row
     */
    static SumBlocks batch(Problem problem, int leastSegment) {
        int segment = powerOfTwo(leastSegment, Math.min(problem.inputSize(2), MOST_SEGMENT));
        int rows = powerOfTwo(1, Math.min(problem.inputSize(1), Math.max(1, BATCH / segment)));
        int images = powerOfTwo(1, Math.min(problem.batch(), Math.max(1, BATCH / segment / rows)));
        return new SumBlocks(segment, rows, images, 1, 1);
    }

    private static int powerOfTwo(int least, int wanted) {
        int power = least;
        while (power < wanted) {
            power *= 2;
        }
        return power;
    }

    /** Whether a batch has more than one row or image. */
    boolean canShrink() {
        return rows > 1 || images > 1;
    }

    /** Half the images, or where there is one only, half the rows. */
    SumBlocks shrunk() {
        return images > 1
                ? new SumBlocks(segment, rows, images / 2, 1, 1)
                : new SumBlocks(segment, Math.max(1, rows / 2), 1, 1, 1);
    }

    /**
     * Cuts a problem's sum into blocks.
     *
     * @param problem the problem, of rank 3
     * @param items work-items that compute one block
     */
    SumBlocks cut(Problem problem, long items) {
        long all = allBatches(problem);
        long weights = 1;
        for (int size : problem.layer().weightShape()) {
            weights *= size;
        }
        long wanted = Math.min(Grid.tiles(ITEMS, items), WORKSPACE / weights);
        long blocks = Math.max(1, Math.min(wanted, all / LEAST_BATCHES));
        long ofBlock = Grid.tiles(all, blocks);
        long best = ofBlock;
        for (long fewer = ofBlock - 1; fewer > 0 && Grid.tiles(all, fewer) <= Math.min(wanted, 2 * blocks); fewer--) {
            if (turns(all, fewer, items) < turns(all, best, items)) {
                best = fewer;
            }
        }
        return new SumBlocks(segment, rows, images, (int) best, (int) Grid.tiles(all, best));
    }

    /** Cuts a problem's sum into two blocks, or one where it is a single batch. */
    SumBlocks halved(Problem problem) {
        long all = allBatches(problem);
        long half = Grid.tiles(all, 2);
        return new SumBlocks(segment, rows, images, (int) half, (int) Grid.tiles(all, half));
    }

    private long allBatches(Problem problem) {
        return Grid.tiles(problem.batch(), images)
                * problem.inputSize(0)
                * Grid.tiles(problem.inputSize(1), rows)
                * Grid.tiles(problem.inputSize(2), segment);
    }

    /** How long two and four threads take, together: a few items that do not divide among them leave some idle. */
    private static long turns(long all, long ofBlock, long items) {
        long blocks = Grid.tiles(all, ofBlock) * items;
        return (2 * Grid.tiles(blocks, 2) + 4 * Grid.tiles(blocks, 4)) * ofBlock;
    }
}
