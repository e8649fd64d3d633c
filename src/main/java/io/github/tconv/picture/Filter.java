package io.github.tconv.picture;

import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;

/**
 * The classic interpolation filters, each as a depthwise transposed convolution whose stride is the scale.
 *
 * <p>The centre of output pixel {@code o} lies at {@code (o + 0.5) / scale - 0.5} in input pixels. A filter weighs input
 * pixel {@code i} by {@code f(d)}, where {@code d} is their distance. With {@code t = o - i * scale} that is
 * {@code d = (2t - (scale - 1)) / (2 scale)}: the weight depends on {@code t} only, so it is a tap of a transposed
 * convolution. The taps that reach one output pixel have the same {@code t mod scale}, its phase; they are divided by
 * their sum, so that a constant picture stays constant. The second dimension is the same, and the kernel is the product.
 */
public enum Filter {
    /** The nearest input pixel: the box, {@code f(d) = 1} for {@code |d| < 1/2}. */
    NEAREST("nearest", 1) {
        @Override
        double at(double d) {
            return 1;
        }
    },

    /** Between two input pixels an axis, linearly: the triangle, {@code f(d) = 1 - |d|} for {@code |d| < 1}. */
    BILINEAR("bilinear", 2) {
        @Override
        double at(double d) {
            return 1 - Math.abs(d);
        }
    },

    /**
     * The cubic of four input pixels an axis that goes through the pixels and has their central differences as slopes
     * (Catmull-Rom): R. Keys, "Cubic convolution interpolation for digital image processing", 1981, with a = -1/2.
     */
    BICUBIC("bicubic (Catmull-Rom, a = -0.5)", 4) {
        @Override
        double at(double d) {
            double x = Math.abs(d);
            return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : ((-0.5 * x + 2.5) * x - 4) * x + 2;
        }
    },

    /**
     * The ideal low-pass {@code sinc} under a window of six input pixels, itself the middle lobe of a {@code sinc}:
     * {@code f(d) = sinc(d) sinc(d/3)} for {@code |d| < 3}, {@code sinc(x) = sin(pi x) / (pi x)}. C. E. Duchon, "Lanczos
     * filtering in one and two dimensions", 1979.
     */
    LANCZOS("lanczos (a = 3)", 6) {
        @Override
        double at(double d) {
            return sinc(d) * sinc(d / 3);
        }
    };

    private final String description;
    /** The input pixels that an output pixel sees along an axis: twice the radius. */
    private final int width;

    Filter(String description, int width) {
        this.description = description;
        this.width = width;
    }

    /** The filter at a distance less than half the width. */
    abstract double at(double d);

    private static double sinc(double x) {
        return x == 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
    }

    /**
     * Returns the taps along one axis; tap {@code k} is that of {@code t = k - reach(scale)}. The taps of one phase sum
     * to 1.
     *
     * @param scale output pixels an input pixel, at least 1
     * @return {@code scale + 2 * reach(scale)} taps, symmetric
     */
    public double[] taps(int scale) {
        Upscaler.checkScale(scale);
        int reach = reach(scale);
        double[] taps = new double[scale + 2 * reach];
        for (int k = 0; k < taps.length; k++) {
            taps[k] = at((2.0 * (k - reach) - (scale - 1)) / (2.0 * scale));
        }
        for (int phase = 0; phase < scale; phase++) {
            double sum = 0;
            for (int k = phase; k < taps.length; k += scale) {
                sum += taps[k];
            }
            for (int k = phase; k < taps.length; k += scale) {
                taps[k] /= sum;
            }
        }
        return taps;
    }

    /**
     * Returns how far the taps of an input pixel reach beyond its own {@code scale} output pixels, on either side: the
     * largest {@code t - (scale - 1)} with {@code d < width / 2}.
     *
     * @param scale output pixels an input pixel, at least 1
     * @return output pixels
     */
    int reach(int scale) {
        return (width - 1) * scale / 2;
    }

    /**
     * Returns how many input pixels beyond its edge a picture needs.
     *
     * @param scale output pixels an input pixel, at least 1
     * @return input pixels on each side
     */
    public int border(int scale) {
        Upscaler.checkScale(scale);
        return (reach(scale) + scale - 1) / scale;
    }

    /**
     * Returns the layer. Its input has {@link #border} pixels more than the picture on each side, repeated from the edge;
     * its output is the picture {@code scale} times as wide and high, without them.
     *
     * @param channels the channels, each filtered by itself
     * @param scale output pixels an input pixel
     * @return a depthwise layer: as many groups as channels
     */
    public TransposedConvolution layer(int channels, int scale) {
        int reach = reach(scale);
        return TransposedConvolution.of2d()
                .channels(channels, channels)
                .groups(channels)
                .kernel(scale + 2 * reach)
                .stride(scale)
                // Output pixel o of the picture is input pixel o / scale + border, whose first tap is reach before it.
                .padding(border(scale) * scale + reach)
                .build();
    }

    /**
     * Returns the weight of {@link #layer}.
     *
     * @param channels the channels
     * @param scale output pixels an input pixel
     * @return {@code (channels, 1, kernel, kernel)}
     */
    public Tensor weight(int channels, int scale) {
        double[] taps = taps(scale);
        Tensor weight = Tensor.zeros(channels, 1, taps.length, taps.length);
        int place = 0;
        for (int c = 0; c < channels; c++) {
            for (double vertical : taps) {
                for (double horizontal : taps) {
                    weight.set(place++, (float) (vertical * horizontal));
                }
            }
        }
        return weight;
    }

    /**
     * Finds a filter by its name.
     *
     * @param name nearest, bilinear, bicubic or lanczos, in letters of any case
     * @return the filter
     * @throws IllegalArgumentException if there is none of that name
     */
    public static Filter of(String name) {
        for (Filter filter : values()) {
            if (filter.name().equalsIgnoreCase(name)) {
                return filter;
            }
        }
        throw new IllegalArgumentException("filter must be nearest, bilinear, bicubic or lanczos: '" + name + "'");
    }

    /**
     * Returns the name, and the parameter where there are several filters of that name.
     *
     * @return for instance {@code lanczos (a = 3)}
     */
    public String description() {
        return description;
    }
}
