package io.github.tconv.opencl;

import io.github.tconv.op.DeviceException;
import io.github.tconv.op.Operand;
import org.jspecify.annotations.Nullable;

/** What a layer holds on the device: apart from it, so that it can be freed when the layer is gone. */
final class LayerMemory {
    private final Session session;
    private final boolean copied;

    /** With the weight as the layer has it until the first call, then as that call's variant packs it. */
    private volatile LayerBuffers buffers;

    /**
     * Brings a layer's tensors to the device.
     *
     * @param copy whether they are copied, or used in place where the device can, until this is freed
     * @throws DeviceException if the device fails
     */
    LayerMemory(Session session, Operand weight, @Nullable Operand bias, @Nullable Operand slopes, boolean copy) {
        this.session = session;
        this.copied = copy;
        DeviceBuffer w = session.keep(weight, copy);
        DeviceBuffer b = null;
        try {
            b = bias == null ? null : session.keep(bias, copy);
            DeviceBuffer s = slopes == null ? null : session.keep(slopes, copy);
            buffers = new LayerBuffers(w, b, s);
        } catch (DeviceException e) {
            release(new LayerBuffers(w, b, null));
            throw e;
        }
    }

    LayerBuffers buffers() {
        return buffers;
    }

    /** Puts the weight, which is as the layer has it, in the order that a variant wants. */
    void pack(ForwardVariant variant, Program program) {
        if (variant.packedFloats() == 0) {
            return;
        }
        LayerBuffers raw = buffers;
        DeviceBuffer target =
                copied ? session.keep(variant.packedFloats()) : session.keep(session.borrow(variant.packedFloats()));
        try (Call call = session.call();
                Kernel kernel = program.kernel(variant.name() + "_pack")) {
            kernel.with(raw.weight()).with(target).enqueue(session.queue(), variant.packRange());
            call.complete();
        } catch (RuntimeException e) {
            session.release(target);
            throw e;
        }
        buffers = new LayerBuffers(target, raw.bias(), raw.slopes());
        session.release(raw.weight());
    }

    /** Whether this is still to be freed: neither done nor by the session's close. */
    boolean isHeld() {
        return session.keeps(buffers.weight());
    }

    void free() {
        release(buffers);
    }

    private void release(LayerBuffers held) {
        session.release(held.weight());
        if (held.bias() != null) {
            session.release(held.bias());
        }
        if (held.slopes() != null) {
            session.release(held.slopes());
        }
    }
}
