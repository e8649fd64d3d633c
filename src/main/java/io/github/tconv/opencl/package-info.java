/**
 * The OpenCL backend, the only room that knows JOCL: discovery, sessions, buffers, programs and the kernels' launches.
 */
@NullMarked
package io.github.tconv.opencl;

import org.jspecify.annotations.NullMarked;
