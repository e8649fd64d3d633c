/**
 * The plain-Java backend: the fallback where there is no device, and the oracle of the tests. It is written to be
 * obviously right first.
 */
@NullMarked
package io.github.tconv.reference;

import org.jspecify.annotations.NullMarked;
