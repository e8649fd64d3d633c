/** Other libraries that compute transposed convolutions, run in the same process as this one to be compared with it. */
@NullMarked
package io.github.tconv.bench.peers;

import org.jspecify.annotations.NullMarked;
