package io.github.tconv.opencl;

/** Device memory borrowed for one call; closing it, once the device is done, gives it back to the session. */
final class Workspace implements AutoCloseable {
    private final WorkspacePool pool;
    private final DeviceBuffer buffer;

    Workspace(WorkspacePool pool, DeviceBuffer buffer) {
        this.pool = pool;
        this.buffer = buffer;
    }

    DeviceBuffer buffer() {
        return buffer;
    }

    @Override
    public void close() {
        pool.giveBack(buffer);
    }
}
