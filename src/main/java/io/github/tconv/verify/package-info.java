/**
 * Compares an engine with another that is known to be right, over a catalogue of awkward problems: what
 * {@code tconv verify} runs on a strange driver, and the tests on every device.
 */
@NullMarked
package io.github.tconv.verify;

import org.jspecify.annotations.NullMarked;
