package io.github.tconv.bench.peers;

import io.github.tconv.op.Axis;
import io.github.tconv.op.Tensor;
import io.github.tconv.op.TransposedConvolution;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/**
 * Models of {@code ConvTranspose} nodes in ONNX's file format (onnx.proto: field numbers stand at the calls), its
 * weight an initializer, as an exporter writes it.
 */
final class OnnxModel {
    static final String INPUT = "x";
    static final String WEIGHT = "w";
    static final String OUTPUT = "y";

    private static final int IR_VERSION = 8;
    private static final int OPERATOR_SET = 17;
    private static final int FLOAT = 1;
    private static final int ATTRIBUTE_INT = 2;
    private static final int ATTRIBUTE_INTS = 7;

    private OnnxModel() {}

    static byte[] of(TransposedConvolution layer, Tensor weight) {
        Message graph = new Message()
                .message(1, node(layer).text(1, INPUT).text(1, WEIGHT).text(2, OUTPUT))
                .text(2, "layer")
                .message(5, initializer(WEIGHT, weight));
        return model(graph, layer.rank());
    }

    /** A model of layers one after another, each with a bias and an activation. */
    static final class Chain {
        private final Message nodes = new Message();
        private final Message initializers = new Message();
        private int count;
        private int rank;

        void add(TransposedConvolution layer, Tensor weight, Tensor bias, String activation) {
            String sum = "sum" + count;
            nodes.message(
                    1,
                    node(layer)
                            .text(1, count == 0 ? INPUT : "active" + (count - 1))
                            .text(1, WEIGHT + count)
                            .text(1, "b" + count)
                            .text(2, sum));
            nodes.message(
                    1, new Message().text(1, sum).text(2, "active" + count).text(4, activation));
            initializers.message(5, initializer(WEIGHT + count, weight)).message(5, initializer("b" + count, bias));
            rank = layer.rank();
            count++;
        }

        byte[] toModel() {
            Message graph = new Message()
                    .append(nodes)
                    .message(
                            1,
                            new Message()
                                    .text(1, "active" + (count - 1))
                                    .text(2, OUTPUT)
                                    .text(4, "Identity"))
                    .text(2, "chain")
                    .append(initializers);
            return model(graph, rank);
        }
    }

    private static byte[] model(Message graph, int rank) {
        graph.message(11, value(INPUT, rank + 2)).message(12, value(OUTPUT, rank + 2));
        return new Message()
                .number(1, IR_VERSION)
                .message(7, graph)
                .message(8, new Message().text(1, "").number(2, OPERATOR_SET))
                .toBytes();
    }

    private static Message initializer(String name, Tensor values) {
        Message initializer = new Message();
        for (int size : values.shape()) {
            initializer.number(1, size);
        }
        byte[] raw = new byte[values.memory().remaining()];
        values.memory().get(raw);
        return initializer.number(2, FLOAT).text(8, name).bytes(9, raw);
    }

    /** A node without its inputs and outputs. */
    private static Message node(TransposedConvolution layer) {
        return new Message()
                .text(4, "ConvTranspose")
                .message(5, attribute("group", layer.groups()))
                .message(5, attribute("kernel_shape", layer.axes().stream().mapToLong(Axis::kernel)))
                .message(5, attribute("strides", layer.axes().stream().mapToLong(Axis::stride)))
                .message(5, attribute("dilations", layer.axes().stream().mapToLong(Axis::dilation)))
                .message(5, attribute("output_padding", layer.axes().stream().mapToLong(Axis::outputPadding)))
                .message(
                        5,
                        attribute(
                                "pads",
                                LongStream.concat(
                                        layer.axes().stream().mapToLong(Axis::padBegin),
                                        layer.axes().stream().mapToLong(Axis::padEnd))));
    }

    private static Message attribute(String name, long value) {
        return new Message().text(1, name).number(3, value).number(20, ATTRIBUTE_INT);
    }

    private static Message attribute(String name, LongStream values) {
        Message attribute = new Message().text(1, name);
        values.forEach(value -> attribute.number(8, value));
        return attribute.number(20, ATTRIBUTE_INTS);
    }

    /** A float tensor whose sizes are named and not fixed. */
    private static Message value(String name, int rank) {
        Message shape = new Message();
        Stream.iterate(0, axis -> axis < rank, axis -> axis + 1)
                .forEach(axis -> shape.message(1, new Message().text(2, name + axis)));
        Message tensor = new Message().number(1, FLOAT).message(2, shape);
        return new Message().text(1, name).message(2, new Message().message(1, tensor));
    }

    /** A protocol buffer message being written: tags, variable-length numbers and length-delimited fields. */
    private static final class Message {
        private static final int VARINT = 0;
        private static final int LENGTH_DELIMITED = 2;

        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

        Message number(int field, long value) {
            varint((long) field << 3 | VARINT);
            varint(value);
            return this;
        }

        Message text(int field, String value) {
            return bytes(field, value.getBytes(StandardCharsets.UTF_8));
        }

        Message message(int field, Message value) {
            return bytes(field, value.toBytes());
        }

        Message bytes(int field, byte[] value) {
            varint((long) field << 3 | LENGTH_DELIMITED);
            varint(value.length);
            bytes.writeBytes(value);
            return this;
        }

        /** The fields of another message as fields of this one. */
        Message append(Message other) {
            bytes.writeBytes(other.toBytes());
            return this;
        }

        private void varint(long value) {
            long rest = value;
            while ((rest & ~0x7FL) != 0) {
                bytes.write((int) (rest & 0x7F) | 0x80);
                rest >>>= 7;
            }
            bytes.write((int) rest);
        }

        byte[] toBytes() {
            return bytes.toByteArray();
        }
    }
}
