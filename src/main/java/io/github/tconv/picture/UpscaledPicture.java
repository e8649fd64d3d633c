package io.github.tconv.picture;

import io.github.tconv.Prepared;
import io.github.tconv.io.Picture;
import io.github.tconv.op.Tensor;
import java.nio.FloatBuffer;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * A picture that is computed strip by strip, as its rows are read. Who reads from the top down gets the rows of one strip
 * while a thread computes the next; the source is read by the reader's own thread.
 */
final class UpscaledPicture implements Picture {
    /** Samples of a strip up to which there are two, 32 MiB each at most: wider ones are computed when they are wanted. */
    private static final int LARGEST_STRIP_AHEAD = 1 << 24;

    private final Picture source;
    private final Prepared layer;
    private final Strips strips;
    private final Stopwatch layerTime;
    private final int channels;
    private final int maximum;

    private final RowWindow sourceRows;
    private final Tensor input;
    private final Tensor output;

    /** The samples of the strip in memory, as unsigned numbers. */
    private short[] strip;

    private int stripInMemory = -1;

    /** Where the strip after that is computed; the same memory where only one strip is kept. */
    private short[] nextStrip;

    /** The computation of {@link #stripAhead}, if one was begun. */
    private @Nullable CompletableFuture<Void> computation;

    private int stripAhead = -1;

    UpscaledPicture(Picture source, Prepared layer, Strips strips, Stopwatch layerTime) {
        this.source = source;
        this.layer = layer;
        this.strips = strips;
        this.layerTime = layerTime;
        this.channels = source.channels();
        this.maximum = source.maximum();
        this.sourceRows = new RowWindow(source, strips.rows() + 2 * strips.border());
        this.input = Tensor.zeros(strips.inputShape(channels));
        this.output = Tensor.zeros(strips.outputShape(channels));
        this.strip = new short[Math.multiplyExact(strips.rows() * strips.scale(), width() * channels)];
        boolean ahead = strips.rows() < source.height() && strip.length <= LARGEST_STRIP_AHEAD;
        this.nextStrip = ahead ? new short[strip.length] : strip;
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
        return maximum;
    }

    @Override
    public void row(int y, int[] samples) {
        int stripHeight = strips.rows() * strips.scale();
        turnTo(y / stripHeight);
        int rowLength = width() * channels;
        int first = y % stripHeight * rowLength;
        for (int i = 0; i < rowLength; i++) {
            samples[i] = strip[first + i] & 0xFFFF;
        }
    }

    private void turnTo(int wanted) {
        if (wanted == stripInMemory) {
            return;
        }
        boolean onwards = wanted == stripInMemory + 1;
        // Were the computation to fail, nothing would be in memory.
        stripInMemory = -1;
        if (!takeStripAhead(wanted)) {
            readSource(wanted);
            compute(wanted, strip);
        }
        stripInMemory = wanted;
        if (onwards && nextStrip != strip && (wanted + 1) * (long) strips.rows() < source.height()) {
            begin(wanted + 1);
        }
    }

    /** Waits for the computation that was begun, if any, and tells whether it was of the strip that is wanted. */
    private boolean takeStripAhead(int wanted) {
        if (computation == null) {
            return false;
        }
        CompletableFuture<Void> begun = computation;
        computation = null;
        try {
            begun.join();
        } catch (CompletionException e) {
            if (stripAhead == wanted) {
                throw failure(e);
            }
            // Nobody wants that strip, and the one that is wanted says by itself what is wrong.
            return false;
        }
        if (stripAhead != wanted) {
            return false;
        }
        short[] done = nextStrip;
        nextStrip = strip;
        strip = done;
        return true;
    }

    /** What the other thread threw, as this one would have thrown it. */
    private static RuntimeException failure(CompletionException e) {
        if (e.getCause() instanceof Error error) {
            throw error;
        }
        return e.getCause() instanceof RuntimeException cause ? cause : e;
    }

    private void begin(int ahead) {
        readSource(ahead);
        stripAhead = ahead;
        short[] target = nextStrip;
        // A thread of its own, because a worker of the common pool would leave the pool one short for what is parallel.
        computation = CompletableFuture.runAsync(() -> compute(ahead, target), work -> {
            Thread thread = new Thread(work, "tconv-upscale");
            thread.setDaemon(true);
            thread.start();
        });
    }

    private void readSource(int wanted) {
        sourceRows.moveTo(wanted * strips.rows() - strips.border());
    }

    private void compute(int wanted, short[] target) {
        int firstRow = wanted * strips.rows();
        for (int firstColumn = 0; firstColumn < source.width(); firstColumn += strips.columns()) {
            load(firstRow, firstColumn);
            layerTime.time(() -> layer.forward(input, output));
            store(firstColumn, target);
        }
    }

    /** Fills the layer's input: the tile and its border, repeated from the picture's edge where it lies beyond. */
    private void load(int firstRow, int firstColumn) {
        int height = input.size(2);
        int width = input.size(3);
        FloatBuffer x = input.floats();
        IntStream.range(0, height).parallel().forEach(ih -> {
            int[] row = sourceRows.row(firstRow + ih - strips.border());
            float[] values = new float[width];
            for (int c = 0; c < channels; c++) {
                boolean colour = source.hasAlpha() && c < channels - 1;
                for (int iw = 0; iw < width; iw++) {
                    int pixel = channels * RowWindow.clamp(firstColumn + iw - strips.border(), source.width() - 1);
                    values[iw] = colour ? premultiplied(row, pixel, c) : row[pixel + c];
                }
                x.put((c * height + ih) * width, values);
            }
        });
    }

    /** A colour multiplied by its pixel's alpha, in samples. */
    private float premultiplied(int[] row, int pixel, int c) {
        return (float) ((double) row[pixel + c] * row[pixel + channels - 1] / maximum);
    }

    /** Takes over what of the layer's output is within the picture. */
    private void store(int firstColumn, short[] target) {
        int plane = output.size(2) * output.size(3);
        int tileWidth = output.size(3);
        int firstX = firstColumn * strips.scale();
        int columns = Math.min(tileWidth, width() - firstX);
        FloatBuffer y = output.floats();
        IntStream.range(0, output.size(2)).parallel().forEach(oh -> {
            int to = (oh * width() + firstX) * channels;
            float[] values = new float[columns];
            if (!hasAlpha()) {
                for (int c = 0; c < channels; c++) {
                    y.get(c * plane + oh * tileWidth, values);
                    for (int ow = 0; ow < columns; ow++) {
                        target[to + ow * channels + c] = (short) round(values[ow]);
                    }
                }
                return;
            }
            float[] alphas = new float[columns];
            y.get((channels - 1) * plane + oh * tileWidth, alphas);
            for (int c = 0; c < channels - 1; c++) {
                y.get(c * plane + oh * tileWidth, values);
                for (int ow = 0; ow < columns; ow++) {
                    double alpha = alphas[ow];
                    double colour = round(alpha) == 0 ? 0 : values[ow] / (alpha / maximum);
                    target[to + ow * channels + c] = (short) round(colour);
                }
            }
            for (int ow = 0; ow < columns; ow++) {
                target[to + ow * channels + channels - 1] = (short) round(alphas[ow]);
            }
        });
    }

    /** To the nearest sample, halves upwards. Whole numbers are compared, which is several times as fast as of doubles. */
    private int round(double value) {
        return Math.max(0, Math.min((int) (value + 0.5), maximum));
    }
}
