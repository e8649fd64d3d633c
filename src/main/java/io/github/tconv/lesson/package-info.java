/**
 * A walk through the transposed convolution, each step computed by an engine: {@link io.github.tconv.lesson.Lesson} has
 * the steps, {@link io.github.tconv.lesson.LessonPage} the words around them.
 */
@NullMarked
package io.github.tconv.lesson;

import org.jspecify.annotations.NullMarked;
