/** Pictures enlarged: the classic interpolation filters as transposed convolutions. */
@NullMarked
package io.github.tconv.picture;

import org.jspecify.annotations.NullMarked;
