package io.github.tconv.lesson;

import io.github.tconv.op.Tensor;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.commons.lang3.StringUtils;

/** Tensors of whole numbers as text. */
final class MatrixText {
    private MatrixText() {}

    /** The last axis a line, all columns right-aligned to the widest number. */
    static String of(Tensor tensor) {
        return rows(tensor, tensor.elements() / tensor.size(tensor.rank() - 1));
    }

    /** As {@link #of}, of the first row only. */
    static String firstRow(Tensor tensor) {
        return rows(tensor, 1);
    }

    private static String rows(Tensor tensor, int rows) {
        int columns = tensor.size(tensor.rank() - 1);
        int width = IntStream.range(0, rows * columns)
                .map(i -> number(tensor.get(i)).length())
                .max()
                .orElseThrow();
        return IntStream.range(0, rows)
                .mapToObj(row -> IntStream.range(0, columns)
                        .mapToObj(column -> StringUtils.leftPad(number(tensor.get(row * columns + column)), width))
                        .collect(Collectors.joining(" ")))
                .collect(Collectors.joining("\n"));
    }

    static String shape(Tensor tensor) {
        return Arrays.stream(tensor.shape()).mapToObj(Integer::toString).collect(Collectors.joining(", ", "(", ")"));
    }

    static String number(double value) {
        // A value that is not whole is a device's mistake, and shows as such.
        return value == Math.rint(value) ? String.format(Locale.ROOT, "%.0f", value) : Double.toString(value);
    }
}
