package io.github.tconv.opencl;

import io.github.tconv.op.DeviceException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;

/** The devices that compute together, without those that failed: they are left out, as long as there are others. */
final class Members implements AutoCloseable {
    private static final System.Logger LOG = System.getLogger(Members.class.getName());

    private final List<Member> all;

    Members(List<OpenClBackend> backends) {
        List<Member> made = new ArrayList<>();
        backends.forEach(backend -> made.add(new Member(made.size(), backend)));
        all = List.copyOf(made);
    }

    List<Member> all() {
        return all;
    }

    /** The device that decides, and has the device tensors. */
    Member first() {
        return all.get(0);
    }

    /** The devices that can be asked. */
    List<Member> able(Map<Member, DeviceException> failures) {
        return all.stream()
                .filter(member -> !member.leftOut() && !failures.containsKey(member))
                .toList();
    }

    /** Has one device compute, the first that does not fail. */
    <T> T onOne(Function<Member, T> computation) {
        Map<Member, DeviceException> failures = new LinkedHashMap<>();
        for (Member member : able(failures)) {
            try {
                T result = computation.apply(member);
                leaveOut(failures);
                return result;
            } catch (DeviceException e) {
                failures.put(member, e);
            }
        }
        throw allFailed(failures);
    }

    /** The first failure, with the others; there is one. */
    static DeviceException allFailed(Map<Member, DeviceException> failures) {
        List<DeviceException> thrown = List.copyOf(failures.values());
        thrown.stream().skip(1).forEach(thrown.get(0)::addSuppressed);
        return thrown.get(0);
    }

    /** Leaves out what failed in a call that others could do; a want of memory says nothing about the next call. */
    synchronized void leaveOut(Map<Member, DeviceException> failures) {
        failures.forEach((member, failure) -> {
            if (!Shortage.isMemory(failure)
                    && !member.leftOut()
                    && !able(Map.of(member, failure)).isEmpty()) {
                String device = member.describe();
                member.leaveOut();
                LOG.log(
                        System.Logger.Level.WARNING,
                        "{0} fails and is left out, the other devices compute its share: {1}",
                        device,
                        failure.getMessage());
            }
        });
    }

    String describe() {
        return all.stream().map(Member::describe).collect(Collectors.joining(" and "));
    }

    @Override
    public void close() {
        all.forEach(Member::close);
    }
}
