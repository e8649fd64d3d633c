package io.github.tconv.picture;

import io.github.tconv.Engine;
import io.github.tconv.io.Picture;
import io.github.tconv.op.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Pieces of pictures to learn from: the brightness of a halved picture, and what its enlargement by a filter lacks of the
 * original. A batch follows from the pictures, their order and the number of the step alone.
 */
final class Patches {
    /** Sides beyond this are halved first: large photographs are soft at their own size, and artefacts of JPEG vanish. */
    private static final int LONGEST_SIDE = 1600;
    /** Spreads neighbouring numbers of steps over all seeds: 2^64 over the golden ratio. */
    private static final long SPREAD = 0x9E3779B97F4A7C15L;
    /** Of so many places the one with the most detail is taken; skies teach little. */
    private static final int PLACES = 2;

    private final List<Sample> samples = new ArrayList<>();
    private final int border;
    private final int size;
    private final long seed;
    private long pixels;

    /** A halved picture, and what is to be added to its enlargement. */
    private record Sample(Plane low, Plane detail) {}

    private static final class Plane {
        private final float[] values;
        private final int width;
        private final int height;

        Plane(float[] values, int width, int height) {
            this.values = values;
            this.width = width;
            this.height = height;
        }

        /** With the edge repeated outwards. */
        float at(int y, int x) {
            int row = Math.max(0, Math.min(y, height - 1));
            return values[row * width + Math.max(0, Math.min(x, width - 1))];
        }
    }

    /**
     * Starts without pictures.
     *
     * @param border pixels that the network needs around those it enlarges
     * @param size pixels it is to enlarge, along each axis
     * @param seed any number
     */
    Patches(int border, int size, long seed) {
        this.border = border;
        this.size = size;
        this.seed = seed;
    }

    /** Adds a picture. */
    void add(Engine engine, Filter filter, Picture picture) {
        Picture original = reduced(picture);
        Picture low = Reduction.half(original);
        if (low.width() < size || low.height() < size) {
            throw new IllegalArgumentException("pictures to learn from must be at least %d x %d: %d x %d"
                    .formatted(2 * size, 2 * size, original.width(), original.height()));
        }
        try (Upscaler upscaler = new Upscaler(engine, filter, DetailModel.SCALE)) {
            Picture enlarged = upscaler.upscale(low);
            float[] is = Luma.of(enlarged);
            float[] wanted = Luma.of(original);
            for (int y = 0; y < enlarged.height(); y++) {
                for (int x = 0; x < enlarged.width(); x++) {
                    int at = y * enlarged.width() + x;
                    // An odd row or column of the original has no part in it.
                    is[at] = wanted[y * original.width() + x] - is[at];
                }
            }
            samples.add(new Sample(
                    new Plane(Luma.of(low), low.width(), low.height()),
                    new Plane(is, enlarged.width(), enlarged.height())));
            pixels += (long) low.width() * low.height();
        }
    }

    /** Halves a picture until its longer side is short enough. */
    static Picture reduced(Picture picture) {
        Picture result = picture.withoutAlpha();
        while (Math.max(result.width(), result.height()) > LONGEST_SIDE) {
            result = Reduction.half(result);
        }
        return result;
    }

    int pictures() {
        return samples.size();
    }

    int[] inputShape(int batch) {
        return new int[] {batch, 1, size + 2 * border, size + 2 * border};
    }

    int[] targetShape(int batch) {
        return new int[] {batch, 1, size * DetailModel.SCALE, size * DetailModel.SCALE};
    }

    /** Fills a batch for a step. */
    void fill(long step, Tensor input, Tensor target) {
        SplittableRandom random = new SplittableRandom(seed + step * SPREAD);
        for (int n = 0; n < input.size(0); n++) {
            Sample sample = sample(random);
            int top = 0;
            int left = 0;
            double most = -1;
            for (int place = 0; place < PLACES; place++) {
                int y = random.nextInt(sample.low.height - size + 1);
                int x = random.nextInt(sample.low.width - size + 1);
                double energy = energy(sample.detail, y, x);
                if (energy > most) {
                    most = energy;
                    top = y;
                    left = x;
                }
            }
            int turn = random.nextInt(8);
            int side = size + 2 * border;
            put(sample.low, top - border, left - border, side, turn, input, n);
            put(
                    sample.detail,
                    top * DetailModel.SCALE,
                    left * DetailModel.SCALE,
                    size * DetailModel.SCALE,
                    turn,
                    target,
                    n);
        }
    }

    /** A picture, with a chance that goes with its size. */
    private Sample sample(SplittableRandom random) {
        long place = random.nextLong(pixels);
        for (Sample sample : samples) {
            place -= (long) sample.low.width * sample.low.height;
            if (place < 0) {
                return sample;
            }
        }
        throw new IllegalStateException("the pixels of all pictures are counted wrongly: " + pixels);
    }

    private double energy(Plane detail, int y, int x) {
        double sum = 0;
        for (int row = 0; row < size * DetailModel.SCALE; row++) {
            for (int column = 0; column < size * DetailModel.SCALE; column++) {
                double value = detail.at(y * DetailModel.SCALE + row, x * DetailModel.SCALE + column);
                sum += value * value;
            }
        }
        return sum;
    }

    /** Copies a square, turned and mirrored in one of the eight ways that leave the filters as they are. */
    private static void put(Plane plane, int top, int left, int side, int turn, Tensor batch, int n) {
        int first = n * side * side;
        for (int y = 0; y < side; y++) {
            for (int x = 0; x < side; x++) {
                int row = (turn & 1) == 0 ? y : side - 1 - y;
                int column = (turn & 2) == 0 ? x : side - 1 - x;
                boolean crossed = (turn & 4) != 0;
                float value = plane.at(top + (crossed ? column : row), left + (crossed ? row : column));
                batch.set(first + y * side + x, value);
            }
        }
    }
}
