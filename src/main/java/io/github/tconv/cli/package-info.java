/** The command line, a thin shell over the library: one class a command. */
@NullMarked
package io.github.tconv.cli;

import org.jspecify.annotations.NullMarked;
