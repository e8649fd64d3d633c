package io.github.tconv.network;

import io.github.tconv.op.Tensor;
import java.util.Map;

/**
 * The gradients of a number by a network's input and weights.
 *
 * @param input of the input's shape
 * @param weights of the weights' shapes, by name
 */
public record Gradients(Tensor input, Map<String, Tensor> weights) {}
