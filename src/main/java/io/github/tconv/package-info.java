/**
 * Transposed convolution for Java on any OpenCL device. Start at {@link io.github.tconv.Tconv}.
 */
@NullMarked
package io.github.tconv;

import org.jspecify.annotations.NullMarked;
