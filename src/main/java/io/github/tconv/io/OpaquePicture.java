package io.github.tconv.io;

/** The colours of a picture whose every pixel is opaque. */
final class OpaquePicture implements Picture {
    private final Picture picture;
    private final int[] withAlpha;

    private OpaquePicture(Picture picture, int[] withAlpha) {
        this.picture = picture;
        this.withAlpha = withAlpha;
    }

    static OpaquePicture of(Picture picture) {
        int[] samples = new int[Math.multiplyExact(picture.width(), picture.channels())];
        for (int y = 0; y < picture.height(); y++) {
            picture.row(y, samples);
            for (int x = 0; x < picture.width(); x++) {
                int alpha = samples[(x + 1) * picture.channels() - 1];
                if (alpha != picture.maximum()) {
                    throw new IllegalArgumentException(
                            "picture must be opaque for a format without alpha: alpha is %d of %d at (%d, %d)"
                                    .formatted(alpha, picture.maximum(), x, y));
                }
            }
        }
        return new OpaquePicture(picture, samples);
    }

    @Override
    public int width() {
        return picture.width();
    }

    @Override
    public int height() {
        return picture.height();
    }

    @Override
    public int channels() {
        return picture.channels() - 1;
    }

    @Override
    public int maximum() {
        return picture.maximum();
    }

    @Override
    public void row(int y, int[] samples) {
        picture.row(y, withAlpha);
        for (int x = 0; x < width(); x++) {
            System.arraycopy(withAlpha, x * picture.channels(), samples, x * channels(), channels());
        }
    }
}
