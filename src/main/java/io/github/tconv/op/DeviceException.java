package io.github.tconv.op;

import java.io.Serial;

/** A device failed at run time. The message names the call, and where they are known the kernel, options and device. */
public final class DeviceException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1L;

    /**
     * Makes an exception.
     *
     * @param message what failed, where
     * @param cause the runtime's own exception
     */
    public DeviceException(String message, Throwable cause) {
        super(message, cause);
    }

    /**
     * Makes an exception for what no single call is to blame for.
     *
     * @param message what failed, on which device
     */
    public DeviceException(String message) {
        super(message);
    }
}
