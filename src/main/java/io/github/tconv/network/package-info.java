/** Networks of layers one after another: inference in two shared buffers, gradients, and training. */
@NullMarked
package io.github.tconv.network;

import org.jspecify.annotations.NullMarked;
