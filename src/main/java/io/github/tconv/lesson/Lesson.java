package io.github.tconv.lesson;

import io.github.tconv.Engine;
import io.github.tconv.op.Convolution;
import io.github.tconv.op.ConvolutionMatrix;
import io.github.tconv.op.LayerBuilder;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.util.Arrays;
import java.util.Random;

/**
 * The steps of the lesson. Each computes on the engine and returns what the lesson shows; images are {@code (1, channels,
 * height, width)}, matrices {@code (rows, columns)}. All values are small whole numbers, so every device gives the same.
 */
public final class Lesson {
    /** The channels of the small side of the round trip, and of the large. */
    private static final int FEW = 10;

    private static final int MANY = 20;
    private static final int ROUND_TRIP_SIZE = 16;
    /** Fixed, so that the lesson prints the same numbers on every run. */
    private static final long SEED = 2016;

    private static final Convolution CORNER = Convolution.of2d().kernel(2).build();

    private final Engine engine;

    /**
     * Readies the lesson.
     *
     * @param engine computes the steps; stays open
     */
    public Lesson(Engine engine) {
        this.engine = engine;
    }

    String device() {
        return engine.describe();
    }

    /**
     * Returns the first part's input and kernel, which are equal.
     *
     * @return {@code [[0, 1], [2, 3]]} as {@code (1, 1, 2, 2)}
     */
    public Tensor small() {
        return Tensor.of(new float[] {0, 1, 2, 3}, 1, 1, 2, 2);
    }

    /**
     * Computes the transposed convolution of {@link #small} with itself by loops in plain Java.
     *
     * @return (3, 3)
     */
    public Tensor byLoops() {
        float[][] x = {{0, 1}, {2, 3}};
        return matrix(BasicTransposedConvolution.transposedConvolution(x, x));
    }

    /**
     * Computes what one element of the input adds to the output: the layer's answer where the others are zero.
     *
     * @param index the element's place in C order, 0 to 3
     * @return (1, 1, 3, 3)
     */
    public Tensor contribution(int index) {
        Tensor one = Tensor.zeros(1, 1, 2, 2);
        one.set(index, small().get(index));
        return transposed(one, TransposedConvolution.of2d().kernel(2).build());
    }

    /**
     * Computes the transposed convolution of {@link #small} with itself as a layer of one channel.
     *
     * @return (1, 1, 3, 3)
     */
    public Tensor asLayer() {
        return transposed(small(), TransposedConvolution.of2d().kernel(2).build());
    }

    /**
     * Computes the same with padding 1.
     *
     * @return (1, 1, 1, 1)
     */
    public Tensor withPadding() {
        return transposed(
                small(), TransposedConvolution.of2d().kernel(2).padding(1).build());
    }

    /**
     * Computes the same with stride 2.
     *
     * @return (1, 1, 4, 4)
     */
    public Tensor withStride() {
        return transposed(
                small(), TransposedConvolution.of2d().kernel(2).stride(2).build());
    }

    /**
     * Puts a zero between neighbours of {@link #small}: the transposed convolution with stride 2 and a kernel of one 1.
     *
     * @return (1, 1, 3, 3)
     */
    public Tensor zerosInserted() {
        TransposedConvolution spread =
                TransposedConvolution.of2d().kernel(1).stride(2).build();
        return engine.forward(spread, small(), Tensor.of(new float[] {1}, 1, 1, 1, 1), null);
    }

    /**
     * Computes the transposed convolution of {@link #zerosInserted} with stride 1.
     *
     * @return (1, 1, 4, 4), the same as {@link #withStride}
     */
    public Tensor withZerosInserted() {
        return transposed(
                zerosInserted(), TransposedConvolution.of2d().kernel(2).build());
    }

    private Tensor transposed(Tensor input, TransposedConvolution layer) {
        return engine.forward(layer, input, small(), null);
    }

    /**
     * An image, what a convolution makes of it, and what the transposed convolution makes of that.
     *
     * @param before the image (1, 10, 16, 16)
     * @param between the convolution's output (1, 20, 6, 6)
     * @param after the transposed convolution's output, of the image's shape
     */
    public record RoundTrip(Tensor before, Tensor between, Tensor after) {
        /**
         * Counts the values that did not come back.
         *
         * @return the number of elements that differ
         */
        public int changed() {
            int changed = 0;
            for (int i = 0; i < before.elements(); i++) {
                changed += before.get(i) == after.get(i) ? 0 : 1;
            }
            return changed;
        }
    }

    /**
     * Sends an image through a convolution from 10 to 20 channels with kernel 5, padding 2 and stride 3, and back through
     * the transposed convolution from 20 to 10 channels with the same settings and weight.
     *
     * @return the three images
     */
    public RoundTrip roundTrip() {
        Random random = new Random(SEED);
        Convolution convolution = roundTripLayer();
        Tensor before = whole(random, 0, 10, 1, FEW, ROUND_TRIP_SIZE, ROUND_TRIP_SIZE);
        Tensor weight = whole(random, -1, 2, convolution.weightShape());
        Tensor between = engine.forward(convolution, before, weight, null);
        return new RoundTrip(before, between, engine.forward(convolution.adjoint(), between, weight, null));
    }

    /**
     * Returns what the round trip's convolution makes of a size, and the transposed convolution of that.
     *
     * @param size the height and width
     * @param outputPadding the output padding of the transposed convolution
     * @return the size, the convolution's, and the transposed convolution's
     */
    public int[] sizes(int size, int outputPadding) {
        int between = roundTripLayer().problem(1, size, size).inputSize(0);
        TransposedConvolution back = roundTrip(TransposedConvolution.of2d().channels(MANY, FEW))
                .outputPadding(outputPadding)
                .build();
        return new int[] {size, between, back.problem(1, between, between).outputSize(0)};
    }

    static Convolution roundTripLayer() {
        return roundTrip(Convolution.of2d().channels(FEW, MANY)).build();
    }

    private static <L> LayerBuilder<L> roundTrip(LayerBuilder<L> builder) {
        return builder.kernel(5).padding(2).stride(3);
    }

    /**
     * Returns the last part's image.
     *
     * @return 0 to 8 as (1, 1, 3, 3)
     */
    public Tensor image() {
        return Tensor.of(new float[] {0, 1, 2, 3, 4, 5, 6, 7, 8}, 1, 1, 3, 3);
    }

    /**
     * Returns the last part's kernel.
     *
     * @return {@code [[1, 2], [3, 4]]} as (1, 1, 2, 2)
     */
    public Tensor kernel() {
        return Tensor.of(new float[] {1, 2, 3, 4}, 1, 1, 2, 2);
    }

    /**
     * Computes the convolution, that is the cross-correlation, of {@link #image} with {@link #kernel}.
     *
     * @return (1, 1, 2, 2)
     */
    public Tensor convolution() {
        return engine.forward(CORNER, image(), kernel(), null);
    }

    /**
     * Writes out the matrix W of that convolution.
     *
     * @return (4, 9)
     */
    public Tensor convolutionMatrix() {
        return ConvolutionMatrix.of(CORNER, kernel(), 3, 3);
    }

    /**
     * Computes W·x, x being {@link #image} as a vector. A convolution with a kernel of one tap is a product with its
     * weight, so the engine computes this too.
     *
     * @return (4, 1)
     */
    public Tensor matrixTimesImage() {
        return engine.forward(product(), image().reshape(1, 9, 1), productWeight(), null)
                .reshape(4, 1);
    }

    /**
     * Transposes W.
     *
     * @return (9, 4)
     */
    public Tensor transposedMatrix() {
        Tensor matrix = convolutionMatrix();
        Tensor transposed = Tensor.zeros(9, 4);
        for (int row = 0; row < 4; row++) {
            for (int column = 0; column < 9; column++) {
                transposed.set(column * 4 + row, matrix.get(row * 9 + column));
            }
        }
        return transposed;
    }

    /**
     * Computes Wᵀ·y, y being {@link #convolution} as a vector, by the transposed convolution with a kernel of one tap.
     *
     * @return (9, 1)
     */
    public Tensor transposedMatrixTimesOutput() {
        return engine.forward(product().adjoint(), convolution().reshape(1, 4, 1), productWeight(), null)
                .reshape(9, 1);
    }

    private static Convolution product() {
        return Convolution.of1d().channels(9, 4).build();
    }

    private Tensor productWeight() {
        return convolutionMatrix().reshape(4, 9, 1);
    }

    /**
     * Computes the transposed convolution of {@link #convolution} with {@link #kernel}.
     *
     * @return (1, 1, 3, 3)
     */
    public Tensor transposedOfOutput() {
        return engine.forward(CORNER.adjoint(), convolution(), kernel(), null);
    }

    /**
     * Computes ⟨W·x, y⟩.
     *
     * @return the sum of products of {@link #convolution} with itself
     */
    public double productOfOutputs() {
        return product(matrixTimesImage(), convolution());
    }

    /**
     * Computes ⟨x, Wᵀ·y⟩.
     *
     * @return the sum of products of {@link #image} with {@link #transposedOfOutput}
     */
    public double productOfImages() {
        return product(image(), transposedOfOutput());
    }

    private static double product(Tensor left, Tensor right) {
        double sum = 0;
        for (int i = 0; i < left.elements(); i++) {
            sum += (double) left.get(i) * right.get(i);
        }
        return sum;
    }

    private static Tensor matrix(float[][] rows) {
        Tensor matrix = Tensor.zeros(rows.length, rows[0].length);
        for (int row = 0; row < rows.length; row++) {
            matrix.floats().put(row * rows[0].length, rows[row]);
        }
        return matrix;
    }

    /** Makes a tensor of whole numbers from {@code least} up to and without {@code end}. */
    private static Tensor whole(Random random, int least, int end, int... shape) {
        float[] values = new float[Arrays.stream(shape).reduce(1, Math::multiplyExact)];
        for (int i = 0; i < values.length; i++) {
            values[i] = least + random.nextInt(end - least);
        }
        return Tensor.of(values, shape);
    }
}
