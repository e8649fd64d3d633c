package io.github.tconv.picture;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import javax.imageio.ImageIO;

/**
 * Draws {@code examples/harbour.png}, a picture on which filters differ: smooth gradients, a star of thin wedges, rings
 * that grow finer, thin slanted lines, letters. Every pixel is the mean of 8 x 8 points, each coloured by a formula, so
 * the picture is the same on every machine.
 *
 * <p>To write it again: {@code mvn -q test-compile}, then
 * {@code java -cp target/test-classes io.github.tconv.picture.TestCard}.
 */
final class TestCard {
    static final Path FILE = Path.of("examples", "harbour.png");

    private static final int WIDTH = 256;
    private static final int HEIGHT = 170;
    private static final int POINTS = 8;
    private static final double HORIZON = 104;

    /** The strokes of "tconv" in pixels: x0, y0, x1, y1. */
    private static final double[][] STROKES = {
        {28, 122, 28, 150},
        {28, 150, 36, 150},
        {22, 130, 36, 130},
        {68, 131, 60, 130},
        {60, 130, 53, 134},
        {53, 134, 51, 141},
        {51, 141, 54, 148},
        {54, 148, 61, 151},
        {61, 151, 68, 149},
        {90, 130, 83, 134},
        {83, 134, 81, 141},
        {81, 141, 84, 148},
        {84, 148, 91, 151},
        {91, 151, 98, 147},
        {98, 147, 100, 140},
        {100, 140, 97, 133},
        {97, 133, 90, 130},
        {116, 130, 116, 151},
        {116, 137, 121, 131},
        {121, 131, 128, 130},
        {128, 130, 133, 135},
        {133, 135, 133, 151},
        {148, 130, 156, 151},
        {156, 151, 164, 130}
    };

    /** The rigging: lines from the mast's top, half a pixel to two pixels wide. */
    private static final double[][] RIGGING = {
        {96, 22, 58, 100, 0.7},
        {96, 22, 72, 100, 0.9},
        {96, 22, 121, 100, 0.7},
        {96, 22, 138, 100, 0.5},
        {96, 30, 150, 92, 0.5},
        {96, 18, 96, 103, 2.0},
        {62, 62, 132, 55, 0.8}
    };

    private TestCard() {}

    public static void main(String[] args) throws IOException {
        ImageIO.write(draw(), "png", FILE.toFile());
    }

    static BufferedImage draw() {
        BufferedImage image = new BufferedImage(WIDTH, HEIGHT, BufferedImage.TYPE_INT_RGB);
        for (int y = 0; y < HEIGHT; y++) {
            for (int x = 0; x < WIDTH; x++) {
                image.setRGB(x, y, pixel(x, y));
            }
        }
        return image;
    }

    private static int pixel(int x, int y) {
        double[] sum = new double[3];
        for (int point = 0; point < POINTS * POINTS; point++) {
            int column = point % POINTS;
            int row = point / POINTS;
            double[] color = color(x + (column + 0.5) / POINTS, y + (row + 0.5) / POINTS);
            for (int c = 0; c < 3; c++) {
                sum[c] += color[c];
            }
        }
        int rgb = 0;
        for (double channel : sum) {
            rgb = rgb << 8 | (int) (channel / (POINTS * POINTS) * 255 + 0.5);
        }
        return rgb;
    }

    private static double[] color(double x, double y) {
        if (onAny(STROKES, x, y, 2.4)) {
            return rgb(0.98, 0.96, 0.90);
        }
        if (y < HORIZON && onRigging(x, y)) {
            return rgb(0.12, 0.09, 0.10);
        }
        if (y > 92 && y < 108 && Math.abs(x - 96) < 50 - (y - 92) * 0.9) {
            return y < 95 ? rgb(0.93, 0.90, 0.82) : rgb(0.55, 0.13, 0.12);
        }
        double star = distance(x, y, 40, 44);
        if (star < 30) {
            return star(x - 40, y - 44, star);
        }
        double rings = distance(x, y, 206, 50);
        if (rings < 40) {
            double wave = 0.5 + 0.5 * StrictMath.cos(rings * rings / 40 * 1.5);
            return rgb(1, 0.45 + 0.45 * wave, 0.15 + 0.6 * wave);
        }
        if (x > 186 && x < 242 && y > 122 && y < 150) {
            // Checks of 4, 2 and 1 pixels.
            int size = x < 206 ? 4 : x < 224 ? 2 : 1;
            return ((int) (x / size) + (int) (y / size)) % 2 == 0 ? rgb(0.95, 0.95, 0.95) : rgb(0.08, 0.10, 0.16);
        }
        return y < HORIZON ? sky(y) : water(x, y);
    }

    private static double[] star(double dx, double dy, double radius) {
        double angle = StrictMath.atan2(dy, dx);
        boolean light = StrictMath.sin(angle * 24) > 0 || radius < 2;
        return light ? rgb(1, 0.97, 0.85) : rgb(0.16, 0.20, 0.42);
    }

    private static double[] sky(double y) {
        double t = y / HORIZON;
        return rgb(0.18 + 0.75 * t * t, 0.25 + 0.42 * t, 0.52 + 0.05 * t);
    }

    private static double[] water(double x, double y) {
        double depth = (y - HORIZON) / (HEIGHT - HORIZON);
        double glint = StrictMath.sin(x * 0.35 + StrictMath.sin(y * 0.8) * 2) * 0.06 * (1 - depth);
        return rgb(0.30 - 0.22 * depth + glint, 0.36 - 0.22 * depth + glint, 0.46 - 0.20 * depth + glint);
    }

    private static boolean onRigging(double x, double y) {
        for (double[] line : RIGGING) {
            if (toSegment(line, x, y) < line[4] / 2) {
                return true;
            }
        }
        return false;
    }

    private static boolean onAny(double[][] strokes, double x, double y, double thickness) {
        for (double[] stroke : strokes) {
            if (toSegment(stroke, x, y) < thickness / 2) {
                return true;
            }
        }
        return false;
    }

    private static double toSegment(double[] s, double x, double y) {
        double dx = s[2] - s[0];
        double dy = s[3] - s[1];
        double along = ((x - s[0]) * dx + (y - s[1]) * dy) / (dx * dx + dy * dy);
        double t = Math.max(0, Math.min(1, along));
        return distance(x, y, s[0] + t * dx, s[1] + t * dy);
    }

    private static double distance(double x, double y, double cx, double cy) {
        return StrictMath.sqrt((x - cx) * (x - cx) + (y - cy) * (y - cy));
    }

    private static double[] rgb(double red, double green, double blue) {
        return new double[] {red, green, blue};
    }
}
