/** File formats: NumPy's {@code .npy}, PNG and JPEG pictures, and files that appear whole or not at all. */
@NullMarked
package io.github.tconv.io;

import org.jspecify.annotations.NullMarked;
