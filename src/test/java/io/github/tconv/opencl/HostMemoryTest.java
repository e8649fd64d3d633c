package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.tconv.Engine;
import io.github.tconv.Tconv;
import io.github.tconv.op.Backend;
import io.github.tconv.op.Problem;
import io.github.tconv.verify.Catalogue;
import io.github.tconv.verify.Check;
import io.github.tconv.verify.Verification;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * The contract of the backend for every way of reaching the host's memory, whatever the devices here are: with tensors of
 * the host's and with device tensors.
 */
class HostMemoryTest {
    @TestFactory
    Stream<DynamicNode> everyWayToTheHostsMemoryComputesTheSame() {
        return TestDevices.usable().stream()
                .map(device -> DynamicContainer.dynamicContainer(
                        device.info().name(),
                        ways(device)
                                .flatMap(way -> Stream.of(
                                        test(way + ", tensors of the host's", device.reached(way), backend -> backend),
                                        test(way + ", device tensors", device.reached(way), OnDevice::new)))));
    }

    /** A device that works in the host's memory may be treated as one that is apart, and not the other way round. */
    static Stream<Device.HostMemory> ways(Device device) {
        return Stream.of(Device.HostMemory.values()).filter(way -> way.compareTo(device.hostMemory()) <= 0);
    }

    private static DynamicTest test(String name, Device device, UnaryOperator<Backend> form) {
        return DynamicTest.dynamicTest(name, () -> {
            try (Engine oracle = Tconv.open("reference");
                    Engine engine = Engine.of(form.apply(new OpenClBackend(device, ForwardRule.standard())))) {
                Verification verification = new Verification(engine, oracle);
                for (Problem problem : List.copyOf(Catalogue.small())) {
                    for (Check check : Check.values()) {
                        assertEquals(
                                Optional.empty(),
                                verification.verify(problem, check).message(),
                                () -> problem + " " + check);
                    }
                }
            }
        });
    }
}
