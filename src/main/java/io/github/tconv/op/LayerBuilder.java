package io.github.tconv.op;

import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.apache.commons.lang3.Validate;

/**
 * Collects the settings of a layer; {@link #build()} checks them together. Each spatial setting takes one value for all
 * axes or one value an axis, outermost first. Not thread-safe.
 *
 * @param <L> the kind of layer
 */
public final class LayerBuilder<L> {
    private final int rank;
    private final Function<TransposedConvolution, L> finish;
    private int inChannels = 1;
    private int outChannels = 1;
    private int groups = 1;
    private int[] kernel;
    private int[] stride;
    private int[] dilation;
    private int[] padBegin;
    private int[] padEnd;
    private int[] outputPadding;
    private boolean padded;
    private AutoPad autoPad = AutoPad.NOTSET;

    LayerBuilder(int rank, Function<TransposedConvolution, L> finish) {
        Validate.isTrue(rank >= 1 && rank <= 3, "rank must be 1, 2 or 3: %d", rank);
        this.rank = rank;
        this.finish = finish;
        kernel = all(1);
        stride = all(1);
        dilation = all(1);
        padBegin = all(0);
        padEnd = all(0);
        outputPadding = all(0);
    }

    /**
     * Sets the channels that the layer being built reads and writes; 1 and 1 unless set.
     *
     * @param in the input's channels
     * @param out the output's channels
     * @return this builder
     */
    public LayerBuilder<L> channels(int in, int out) {
        inChannels = in;
        outChannels = out;
        return this;
    }

    /**
     * Sets the number of channel groups; 1 unless set.
     *
     * @param count the number, which divides both channel counts
     * @return this builder
     */
    public LayerBuilder<L> groups(int count) {
        groups = count;
        return this;
    }

    /**
     * Sets the number of taps; 1 unless set.
     *
     * @param taps one value, or one an axis
     * @return this builder
     * @throws IllegalArgumentException if the number of values is neither
     */
    public LayerBuilder<L> kernel(int... taps) {
        kernel = spread("kernel", taps);
        return this;
    }

    /**
     * Sets the stride; 1 unless set.
     *
     * @param elements one value, or one an axis
     * @return this builder
     * @throws IllegalArgumentException if the number of values is neither
     */
    public LayerBuilder<L> stride(int... elements) {
        stride = spread("stride", elements);
        return this;
    }

    /**
     * Sets the dilation; 1 (dense taps) unless set.
     *
     * @param elements one value, or one an axis
     * @return this builder
     * @throws IllegalArgumentException if the number of values is neither
     */
    public LayerBuilder<L> dilation(int... elements) {
        dilation = spread("dilation", elements);
        return this;
    }

    /**
     * Sets the padding; 0 unless set.
     *
     * @param elements one value, one an axis for both ends, or the beginnings of all axes followed by their ends
     * @return this builder
     * @throws IllegalArgumentException if the number of values is none of these
     */
    public LayerBuilder<L> padding(int... elements) {
        if (elements.length == 2 * rank) {
            padBegin = Arrays.copyOf(elements, rank);
            padEnd = Arrays.copyOfRange(elements, rank, 2 * rank);
        } else if (elements.length == 1 || elements.length == rank) {
            padBegin = spread("padding", elements);
            padEnd = padBegin;
        } else {
            throw new IllegalArgumentException("padding must have 1, %d or %d values for %d axes: %d"
                    .formatted(rank, 2 * rank, rank, elements.length));
        }
        padded = true;
        return this;
    }

    /**
     * Sets the output padding; 0 unless set.
     *
     * @param elements one value, or one an axis
     * @return this builder
     * @throws IllegalArgumentException if the number of values is neither
     */
    public LayerBuilder<L> outputPadding(int... elements) {
        outputPadding = spread("output padding", elements);
        return this;
    }

    /**
     * Derives the padding instead of setting it, by ONNX's rule.
     *
     * @param rule the rule; {@link AutoPad#NOTSET} unless set
     * @return this builder
     */
    public LayerBuilder<L> autoPad(AutoPad rule) {
        autoPad = rule;
        return this;
    }

    /**
     * Builds the layer.
     *
     * @return a layer
     * @throws IllegalArgumentException if the settings make no layer; the message states the rule and the value
     */
    public L build() {
        if (autoPad != AutoPad.NOTSET && padded) {
            throw new IllegalArgumentException("padding must not be given together with auto_pad " + autoPad + ": "
                    + Arrays.toString(padBegin) + ", " + Arrays.toString(padEnd));
        }
        List<Axis> axes = IntStream.range(0, rank).mapToObj(this::axis).toList();
        return finish.apply(new TransposedConvolution(inChannels, outChannels, groups, axes));
    }

    private Axis axis(int a) {
        Axis axis = new Axis(kernel[a], stride[a], dilation[a], padBegin[a], padEnd[a], outputPadding[a]);
        // Output = input * stride makes the total padding independent of the input size.
        return autoPad.isSame() ? autoPad.split(axis, axis.outputSize(1) - axis.stride()) : axis;
    }

    private int[] all(int value) {
        int[] values = new int[rank];
        Arrays.fill(values, value);
        return values;
    }

    private int[] spread(String name, int[] values) {
        if (values.length == 1) {
            return all(values[0]);
        }
        if (values.length != rank) {
            throw new IllegalArgumentException("%s must have one value, or one for each of the %d axes: %d values"
                    .formatted(name, rank, values.length));
        }
        return values.clone();
    }
}
