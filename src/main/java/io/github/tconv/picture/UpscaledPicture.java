package io.github.tconv.picture;

import io.github.tconv.Prepared;
import io.github.tconv.io.Picture;
import io.github.tconv.op.Tensor;
import java.nio.FloatBuffer;
import java.util.stream.IntStream;

/** A picture that is computed strip by strip, as its rows are read. */
final class UpscaledPicture implements Picture {
    private final Picture source;
    private final Prepared layer;
    private final Strips strips;
    private final int channels;

    private final int[] sourceRow;
    private final Tensor input;
    private final Tensor output;

    /** The samples of one strip, as unsigned numbers. */
    private final short[] strip;

    private int stripInMemory = -1;

    UpscaledPicture(Picture source, Prepared layer, Strips strips) {
        this.source = source;
        this.layer = layer;
        this.strips = strips;
        this.channels = source.channels();
        this.sourceRow = new int[Math.multiplyExact(source.width(), channels)];
        this.input = Tensor.zeros(strips.inputShape(channels));
        this.output = Tensor.zeros(strips.outputShape(channels));
        this.strip = new short[Math.multiplyExact(strips.rows() * strips.scale(), width() * channels)];
    }

    @Override
    public int width() {
        return source.width() * strips.scale();
    }

    @Override
    public int height() {
        return source.height() * strips.scale();
    }

    @Override
    public int channels() {
        return channels;
    }

    @Override
    public int maximum() {
        return source.maximum();
    }

    @Override
    public void row(int y, int[] samples) {
        int stripHeight = strips.rows() * strips.scale();
        int wanted = y / stripHeight;
        if (wanted != stripInMemory) {
            // Were the computation to fail, nothing would be in memory.
            stripInMemory = -1;
            compute(wanted * strips.rows());
            stripInMemory = wanted;
        }
        int rowLength = width() * channels;
        int first = y % stripHeight * rowLength;
        for (int i = 0; i < rowLength; i++) {
            samples[i] = Short.toUnsignedInt(strip[first + i]);
        }
    }

    private void compute(int firstRow) {
        for (int firstColumn = 0; firstColumn < source.width(); firstColumn += strips.columns()) {
            load(firstRow, firstColumn);
            layer.forward(input, output);
            store(firstColumn);
        }
    }

    /** Fills the layer's input: the tile and its border, repeated from the picture's edge where it lies beyond. */
    private void load(int firstRow, int firstColumn) {
        int height = input.size(2);
        int width = input.size(3);
        FloatBuffer x = input.floats();
        for (int ih = 0; ih < height; ih++) {
            source.row(clamp(firstRow + ih - strips.border(), source.height() - 1), sourceRow);
            for (int iw = 0; iw < width; iw++) {
                int pixel = clamp(firstColumn + iw - strips.border(), source.width() - 1) * channels;
                for (int c = 0; c < channels; c++) {
                    x.put((c * height + ih) * width + iw, premultiplied(pixel, c));
                }
            }
        }
    }

    /** A colour multiplied by its pixel's alpha, in samples; alpha itself and colours without one as they are. */
    private float premultiplied(int pixel, int c) {
        int sample = sourceRow[pixel + c];
        if (!hasAlpha() || c == channels - 1) {
            return sample;
        }
        return (float) ((double) sample * sourceRow[pixel + channels - 1] / maximum());
    }

    /** Takes over what of the layer's output is within the picture. */
    private void store(int firstColumn) {
        int plane = output.size(2) * output.size(3);
        int tileWidth = output.size(3);
        int firstX = firstColumn * strips.scale();
        int columns = Math.min(tileWidth, width() - firstX);
        FloatBuffer y = output.floats();
        IntStream.range(0, output.size(2)).parallel().forEach(oh -> {
            int to = (oh * width() + firstX) * channels;
            for (int ow = 0; ow < columns; ow++) {
                int from = oh * tileWidth + ow;
                double divisor = 1;
                if (hasAlpha()) {
                    double alpha = y.get((channels - 1) * plane + from);
                    divisor = round(alpha) == 0 ? Double.POSITIVE_INFINITY : alpha / maximum();
                    strip[to + channels - 1] = (short) round(alpha);
                }
                for (int c = 0; c < (hasAlpha() ? channels - 1 : channels); c++) {
                    strip[to + c] = (short) round(y.get(c * plane + from) / divisor);
                }
                to += channels;
            }
        });
    }

    /** To the nearest sample, halves upwards. */
    private int round(double value) {
        return (int) Math.max(0, Math.min(value + 0.5, maximum()));
    }

    private static int clamp(int index, int last) {
        return Math.max(0, Math.min(index, last));
    }
}
