package io.github.tconv.picture;

import io.github.tconv.io.Picture;
import io.github.tconv.network.Network;
import io.github.tconv.op.Tensor;
import java.nio.FloatBuffer;
import java.util.stream.IntStream;

/**
 * An enlarged picture to which a network adds detail, strip by strip, as its rows are read. Detail is brightness: it is
 * added to all colours alike, which leaves the colour difference as the filter made it.
 */
final class DetailedPicture implements Picture {
    private final Picture source;
    private final Picture enlarged;
    private final Network network;
    private final Strips strips;
    private final Stopwatch networkTime;

    private final RowWindow sourceRows;
    private final Tensor input;
    private final Tensor output;
    /** What is to be added in one strip, as a share of white. */
    private final float[] detail;

    private int stripInMemory = -1;

    DetailedPicture(Picture source, Picture enlarged, Network network, Strips strips, Stopwatch networkTime) {
        this.source = source;
        this.enlarged = enlarged;
        this.network = network;
        this.strips = strips;
        this.networkTime = networkTime;
        this.sourceRows = new RowWindow(source, strips.rows() + 2 * strips.border());
        this.input = Tensor.zeros(strips.inputShape(1));
        this.output = Tensor.zeros(strips.outputShape(1));
        this.detail = new float[Math.multiplyExact(strips.rows() * strips.scale(), enlarged.width())];
    }

    @Override
    public int width() {
        return enlarged.width();
    }

    @Override
    public int height() {
        return enlarged.height();
    }

    @Override
    public int channels() {
        return enlarged.channels();
    }

    @Override
    public int maximum() {
        return enlarged.maximum();
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
        enlarged.row(y, samples);
        // In variables, as the compiler leaves the calls of an interface in the loop.
        int width = width();
        int channels = channels();
        int maximum = maximum();
        boolean alpha = hasAlpha();
        int colours = alpha ? channels - 1 : channels;
        int first = y % stripHeight * width;
        for (int x = 0; x < width; x++) {
            int pixel = x * channels;
            // Where nothing is seen, nothing is added: transparent pixels stay black.
            if (alpha && samples[pixel + colours] == 0) {
                continue;
            }
            float added = detail[first + x] * maximum;
            for (int c = 0; c < colours; c++) {
                // As whole numbers, of which the smaller is found many times as fast as of floats.
                samples[pixel + c] = Math.max(0, Math.min((int) (samples[pixel + c] + added + 0.5f), maximum));
            }
        }
    }

    private void compute(int firstRow) {
        sourceRows.moveTo(firstRow - strips.border());
        for (int firstColumn = 0; firstColumn < source.width(); firstColumn += strips.columns()) {
            load(firstRow, firstColumn);
            networkTime.time(() -> network.forward(input, output));
            store(firstColumn);
        }
    }

    /** Fills the network's input: the tile and its border, repeated from the picture's edge where it lies beyond. */
    private void load(int firstRow, int firstColumn) {
        int height = input.size(2);
        int width = input.size(3);
        int channels = source.channels();
        int maximum = source.maximum();
        FloatBuffer x = input.floats();
        IntStream.range(0, height).parallel().forEach(ih -> {
            int[] row = sourceRows.row(firstRow + ih - strips.border());
            float[] values = new float[width];
            for (int iw = 0; iw < width; iw++) {
                int pixel = channels * RowWindow.clamp(firstColumn + iw - strips.border(), source.width() - 1);
                values[iw] = Luma.of(row, pixel, channels, maximum);
            }
            x.put(ih * width, values);
        });
    }

    /** Takes over what of the network's output is within the picture. */
    private void store(int firstColumn) {
        int tileWidth = output.size(3);
        int firstX = firstColumn * strips.scale();
        int columns = Math.min(tileWidth, width() - firstX);
        for (int oh = 0; oh < output.size(2); oh++) {
            output.floats().get(oh * tileWidth, detail, oh * width() + firstX, columns);
        }
    }
}
