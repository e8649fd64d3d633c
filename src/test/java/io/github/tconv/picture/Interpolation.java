package io.github.tconv.picture;

/** The filters by their definition: one output pixel, in double, from the input pixels around its centre. */
final class Interpolation {
    /** An exact value, and the sum of the absolute values of its terms, to which rounding errors are proportional. */
    record Sum(double value, double magnitude) {}

    private final SamplePicture picture;
    private final Filter filter;
    private final int scale;

    Interpolation(SamplePicture picture, Filter filter, int scale) {
        this.picture = picture;
        this.filter = filter;
        this.scale = scale;
    }

    /** The colour times alpha, or alpha, or the colour where there is no alpha. */
    Sum at(int ox, int oy, int c) {
        double x = (ox + 0.5) / scale - 0.5;
        double y = (oy + 0.5) / scale - 0.5;
        int left = (int) Math.floor(x) - 3;
        int top = (int) Math.floor(y) - 3;
        double sum = 0;
        double magnitude = 0;
        double weights = 0;
        for (int iy = top; iy < top + 8; iy++) {
            for (int ix = left; ix < left + 8; ix++) {
                double weight = kernel(Math.abs(x - ix)) * kernel(Math.abs(y - iy));
                double term = weight * premultiplied(ix, iy, c);
                sum += term;
                magnitude += Math.abs(term);
                weights += weight;
            }
        }
        return new Sum(sum / weights, magnitude / weights);
    }

    private double premultiplied(int x, int y, int c) {
        int alphaChannel = picture.channels() - 1;
        return picture.hasAlpha() && c != alphaChannel
                ? (double) picture.at(x, y, c) * picture.at(x, y, alphaChannel) / picture.maximum()
                : picture.at(x, y, c);
    }

    private double kernel(double d) {
        return switch (filter) {
            case NEAREST -> d < 0.5 ? 1 : 0;
            case BILINEAR -> Math.max(0, 1 - d);
            case BICUBIC -> {
                if (d >= 2) {
                    yield 0;
                }
                yield d < 1
                        ? 1.5 * Math.pow(d, 3) - 2.5 * Math.pow(d, 2) + 1
                        : -0.5 * Math.pow(d, 3) + 2.5 * Math.pow(d, 2) - 4 * d + 2;
            }
            case LANCZOS -> {
                double a = Math.PI * d;
                yield d >= 3 ? 0 : d == 0 ? 1 : 3 * Math.sin(a) * Math.sin(a / 3) / (a * a);
            }
        };
    }
}
