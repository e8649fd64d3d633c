/**
 * Measures layers: the suite of real ones, contenders called in turn, what they took and how wrong they were, and the
 * table of it. Peers from outside join in the Maven profile {@code bench}.
 */
@NullMarked
package io.github.tconv.bench;

import org.jspecify.annotations.NullMarked;
