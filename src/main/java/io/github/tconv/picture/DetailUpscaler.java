package io.github.tconv.picture;

import io.github.tconv.Engine;
import io.github.tconv.io.Picture;
import io.github.tconv.network.Network;

/**
 * Enlarges pictures by 2 with a model: a filter's enlargement, to which a network adds the detail that it learned from
 * other pictures. To be closed before its engine or after. Not thread-safe.
 */
public final class DetailUpscaler implements AutoCloseable {
    /** Of a tile, in input pixels: with its border and all channels of a layer it still fits a processor's cache. */
    private static final int TILE = 96;

    private final DetailModel model;
    private final Upscaler filter;
    private final Network network;
    private final Stopwatch networkTime = new Stopwatch();

    /**
     * Readies a model.
     *
     * @param engine where to compute
     * @param model the model
     */
    public DetailUpscaler(Engine engine, DetailModel model) {
        this.model = model;
        this.filter = new Upscaler(engine, model.filter(), DetailModel.SCALE);
        this.network = Network.of(engine, model.architecture(), model.weights());
    }

    /**
     * Enlarges a picture. It is computed in tiles as its rows are read, so that memory is needed for one row of tiles.
     *
     * @param picture the picture, of any size, which is read whenever the result is
     * @return the picture twice as wide and high, of the same channels and depth; to be read while this upscaler and its
     *     engine are open
     * @throws IllegalArgumentException if the result is too large for Java
     */
    public Picture upscale(Picture picture) {
        return upscale(picture, TILE, TILE);
    }

    Picture upscale(Picture picture, int rows, int columns) {
        Picture enlarged = filter.upscale(picture);
        Strips strips = new Strips(
                DetailModel.SCALE,
                model.border(),
                Math.min(picture.height(), rows),
                Math.min(picture.width(), columns));
        return new DetailedPicture(picture, enlarged, network, strips, networkTime);
    }

    /**
     * Returns how long the network and the filter's layer have computed so far, transfers to and from the device included.
     *
     * @return seconds, added up over all pictures, and over both though they partly compute at the same time
     */
    public double layerSeconds() {
        return networkTime.seconds() + filter.layerSeconds();
    }

    /** Frees the layers. Idempotent. */
    @Override
    public void close() {
        network.close();
        filter.close();
    }
}
