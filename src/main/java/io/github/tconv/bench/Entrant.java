package io.github.tconv.bench;

import java.util.function.Function;

/**
 * A library, or a way of calling one, that takes part in every layer.
 *
 * @param name the head of its columns
 * @param peer whether it is from outside
 * @param prepare makes it ready for a layer; may throw if it cannot compute that layer
 */
public record Entrant(String name, boolean peer, Function<Operands, Contender> prepare) {}
