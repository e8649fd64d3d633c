package io.github.tconv.opencl;

import java.util.ArrayList;
import java.util.List;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.logging.SimpleFormatter;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** What a logger says during a test, which is then not said to anyone else. */
final class Warnings extends Handler implements BeforeEachCallback, AfterEachCallback {
    private final Logger log;
    private final List<String> said = new ArrayList<>();

    Warnings(Logger log) {
        this.log = log;
    }

    /** The messages so far, with their parameters in them; may be cleared. */
    List<String> said() {
        return said;
    }

    @Override
    public void beforeEach(ExtensionContext test) {
        log.setUseParentHandlers(false);
        log.addHandler(this);
    }

    @Override
    public void afterEach(ExtensionContext test) {
        log.removeHandler(this);
        log.setUseParentHandlers(true);
    }

    @Override
    public void publish(LogRecord entry) {
        said.add(new SimpleFormatter().formatMessage(entry));
    }

    @Override
    public void flush() {}

    @Override
    public void close() {}
}
