package io.github.tconv.opencl;

import io.github.tconv.op.Backend;
import io.github.tconv.op.Tensor;
import io.github.tconv.reference.ReferenceBackend;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;

/** An oracle that is right, but for the last element of what its prepared layers compute, which is one more. */
final class LyingBackend {
    private LyingBackend() {}

    static Backend open() {
        ReferenceBackend reference = new ReferenceBackend();
        return proxy(Backend.class, reference, false);
    }

    private static <T> T proxy(Class<T> type, Object honest, boolean lies) {
        return type.cast(Proxy.newProxyInstance(
                type.getClassLoader(), new Class<?>[] {type}, (self, method, arguments) -> {
                    try {
                        Object result = method.invoke(honest, arguments);
                        if (result instanceof Backend.PreparedLayer layer) {
                            return proxy(Backend.PreparedLayer.class, layer, true);
                        }
                        boolean computes = lies && method.getName().equals("forward");
                        if (computes && arguments[arguments.length - 1] instanceof Tensor output) {
                            int last = output.elements() - 1;
                            output.set(last, output.get(last) + 1);
                        }
                        return result;
                    } catch (InvocationTargetException e) {
                        throw e.getTargetException();
                    }
                }));
    }
}
