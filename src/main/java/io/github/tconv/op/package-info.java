/**
 * What is computed: layers, problems, tensors and the {@link io.github.tconv.op.Backend} that computes them. This
 * package depends on nothing else of the library.
 */
@NullMarked
package io.github.tconv.op;

import org.jspecify.annotations.NullMarked;
