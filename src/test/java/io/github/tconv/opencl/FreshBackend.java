package io.github.tconv.opencl;

import io.github.tconv.op.Backend;
import io.github.tconv.op.Backend.PreparedLayer;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.function.Supplier;

/** Opens a backend for every operation, and closes it after; a prepared layer closes its own. */
final class FreshBackend {
    private FreshBackend() {}

    static Backend of(Supplier<Backend> opened) {
        return proxy(Backend.class, (proxy, method, arguments) -> {
            if (method.getName().equals("close")) {
                return null;
            }
            Backend backend = opened.get();
            Object result = invoke(backend, method, arguments);
            if (result instanceof PreparedLayer layer) {
                return proxy(PreparedLayer.class, (self, called, given) -> {
                    Object returned = invoke(layer, called, given);
                    if (called.getName().equals("close")) {
                        backend.close();
                    }
                    return returned;
                });
            }
            backend.close();
            return result;
        });
    }

    private static <T> T proxy(Class<T> type, InvocationHandler handler) {
        return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, handler));
    }

    private static Object invoke(Object target, Method method, Object[] arguments) throws Throwable {
        try {
            return method.invoke(target, arguments);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }
}
