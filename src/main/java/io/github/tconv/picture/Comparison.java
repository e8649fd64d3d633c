package io.github.tconv.picture;

import io.github.tconv.Engine;
import io.github.tconv.io.Picture;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Ways to enlarge a picture by 2, held against the original: the picture is halved by {@link Reduction}, enlarged by
 * every way, and compared. Not thread-safe.
 */
public final class Comparison implements AutoCloseable {
    private final Engine engine;
    private final Map<String, Upscaler> filters = new LinkedHashMap<>();
    private final @Nullable DetailUpscaler model;

    /**
     * Readies all filters, and a model.
     *
     * @param engine where to compute
     * @param model a model, or null for none
     */
    public Comparison(Engine engine, @Nullable DetailModel model) {
        this.engine = engine;
        for (Filter filter : Filter.values()) {
            filters.put(filter.name().toLowerCase(Locale.ROOT), new Upscaler(this.engine, filter, DetailModel.SCALE));
        }
        this.model = model == null ? null : new DetailUpscaler(engine, model);
    }

    /**
     * Prepares an original: halved until its longer side has at most 1600 pixels, because large photographs are soft at
     * their own size, and without a last odd row or column.
     *
     * @param picture a picture without transparent pixels
     * @return the original to compare with
     */
    public static Picture original(Picture picture) {
        Picture reduced = Patches.reduced(picture);
        return new Crop(reduced, 0, 0, reduced.width() / 2 * 2, reduced.height() / 2 * 2);
    }

    /**
     * Halves an original and enlarges it again.
     *
     * @param original of even width and height
     * @return the enlargements by the name of the way, {@code model} last; to be read while this is open
     */
    public Map<String, Picture> enlarged(Picture original) {
        Picture low = Reduction.half(original);
        Map<String, Picture> all = new LinkedHashMap<>();
        filters.forEach((name, upscaler) -> all.put(name, upscaler.upscale(low)));
        if (model != null) {
            all.put("model", model.upscale(low));
        }
        return all;
    }

    @Override
    public void close() {
        filters.values().forEach(Upscaler::close);
        if (model != null) {
            model.close();
        }
    }
}
