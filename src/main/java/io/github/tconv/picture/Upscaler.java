package io.github.tconv.picture;

import io.github.tconv.Engine;
import io.github.tconv.Prepared;
import io.github.tconv.io.Picture;
import java.util.HashMap;
import java.util.Map;

/**
 * Enlarges pictures by a whole number, through a depthwise transposed convolution with an interpolation filter.
 *
 * <p>The picture's edge is repeated outwards, so no border darkens. Colours are multiplied by alpha before the filter and
 * divided by it afterwards, so what is under transparent pixels does not bleed; pixels that end fully transparent are
 * black. What overshoots is clamped. Samples are filtered as they are stored, not as linear light.
 *
 * <p>To be closed before its engine or after. Not thread-safe.
 */
public final class Upscaler implements AutoCloseable {
    /** The largest scale. */
    public static final int MAX_SCALE = 64;

    private final Engine engine;
    private final Filter filter;
    private final int scale;
    private final Map<Integer, Prepared> layers = new HashMap<>();
    private final Stopwatch layerTime = new Stopwatch();

    /**
     * Makes an upscaler.
     *
     * @param engine where to compute
     * @param filter the filter
     * @param scale output pixels an input pixel along each axis, 1 to {@link #MAX_SCALE}
     * @throws IllegalArgumentException if the scale is out of range
     */
    public Upscaler(Engine engine, Filter filter, int scale) {
        checkScale(scale);
        this.engine = engine;
        this.filter = filter;
        this.scale = scale;
    }

    /**
     * Checks a scale.
     *
     * @param scale output pixels an input pixel
     * @throws IllegalArgumentException if it is not from 1 to {@link #MAX_SCALE}
     */
    public static void checkScale(int scale) {
        if (scale < 1 || scale > MAX_SCALE) {
            throw new IllegalArgumentException("scale must be from 1 to %d: %d".formatted(MAX_SCALE, scale));
        }
    }

    /**
     * Enlarges a picture. It is computed in strips as its rows are read, so that memory is needed for two strips only:
     * a few megabytes, or one row of input pixels where that makes more. Who reads from the top down gets the rows of
     * one strip while the next is computed.
     *
     * @param picture the picture, which is read whenever the result is
     * @return the picture {@code scale} times as wide and high, of the same channels and depth; to be read while this
     *     upscaler and its engine are open
     * @throws IllegalArgumentException if the result is too large for Java
     */
    public Picture upscale(Picture picture) {
        return upscale(picture, Strips.TILE_ELEMENTS);
    }

    Picture upscale(Picture picture, int tileElements) {
        Strips strips = Strips.of(picture, filter.border(scale), scale, tileElements);
        Prepared layer = layers.computeIfAbsent(
                picture.channels(),
                channels -> engine.prepare(filter.layer(channels, scale), filter.weight(channels, scale), null));
        return new UpscaledPicture(picture, layer, strips, layerTime);
    }

    /**
     * Returns how long the layer has computed so far, transfers to and from the device included.
     *
     * @return seconds, added up over all pictures
     */
    public double layerSeconds() {
        return layerTime.seconds();
    }

    /** Frees the prepared layers. Idempotent. */
    @Override
    public void close() {
        layers.values().forEach(Prepared::close);
        layers.clear();
    }
}
