/** File formats: NumPy's {@code .npy}, and files that appear whole or not at all. */
@NullMarked
package io.github.tconv.io;

import org.jspecify.annotations.NullMarked;
