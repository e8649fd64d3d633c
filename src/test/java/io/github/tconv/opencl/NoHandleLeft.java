package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** Fails a test that leaves native handles behind. What intercepted its calls does so no longer. */
final class NoHandleLeft implements BeforeEachCallback, AfterEachCallback {
    private long before;

    @Override
    public void beforeEach(ExtensionContext test) {
        before = Handles.live();
    }

    @Override
    public void afterEach(ExtensionContext test) {
        Calls.intercept((call, bytes) -> {});
        assertEquals(before, Handles.live(), "native handles");
    }
}
