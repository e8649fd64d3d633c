package io.github.tconv.io;

/** A picture of 16 bits a sample, rounded to 8. */
final class EightBitPicture implements Picture {
    private final Picture picture;

    private EightBitPicture(Picture picture) {
        this.picture = picture;
    }

    static Picture of(Picture picture) {
        return picture.maximum() == 255 ? picture : new EightBitPicture(picture);
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
        return picture.channels();
    }

    @Override
    public int maximum() {
        return 255;
    }

    @Override
    public void row(int y, int[] samples) {
        picture.row(y, samples);
        int from = picture.maximum();
        for (int i = 0; i < width() * channels(); i++) {
            samples[i] = (samples[i] * 255 + from / 2) / from;
        }
    }
}
