package io.github.tconv.lesson;

/** The transposed convolution as four loops, for reading. The lesson prints this method's source. */
final class BasicTransposedConvolution {
    private BasicTransposedConvolution() {}

    static float[][] transposedConvolution(float[][] x, float[][] k) {
        int h = k.length;
        int w = k[0].length;
        float[][] y = new float[x.length + h - 1][x[0].length + w - 1];
        for (int i = 0; i < x.length; i++) {
            for (int j = 0; j < x[0].length; j++) {
                // Y[i:i+h, j:j+w] += X[i,j] * K
                for (int a = 0; a < h; a++) {
                    for (int b = 0; b < w; b++) {
                        y[i + a][j + b] += x[i][j] * k[a][b];
                    }
                }
            }
        }
        return y;
    }
}
