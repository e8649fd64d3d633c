package io.github.tconv.opencl;

import io.github.tconv.op.DeviceException;
import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/** Shares the images of a batch among devices, by the speed that they showed; what one fails to do goes to the others. */
final class Sharing {
    private final Members members;
    private final Speeds speeds;
    private final long leastFlops;

    /** Computes a problem of a layer on one device. */
    @FunctionalInterface
    interface OnMember {
        void compute(Member member, Problem part, Tensor read, @Nullable Tensor residual, Tensor written);
    }

    /** Some images of a batch. */
    private record Images(int begin, int end) {
        int count() {
            return end - begin;
        }
    }

    /** A device's share of a call, and what became of it. */
    private static final class Share {
        final Member member;
        final Images images;
        double seconds;

        @Nullable
        DeviceException failure;

        @Nullable
        Throwable mistake;

        Share(Member member, Images images) {
            this.member = member;
            this.images = images;
        }

        void run(Runnable computation) {
            long start = System.nanoTime();
            try {
                computation.run();
            } catch (DeviceException e) {
                failure = e;
            } catch (RuntimeException | Error e) {
                mistake = e;
            } finally {
                seconds = (System.nanoTime() - start) * 1e-9;
                member.running().decrementAndGet();
            }
        }

        /** What is no failure of the device is nothing that another one could do better. */
        void throwMistake() {
            if (mistake instanceof Error error) {
                throw error;
            }
            if (mistake instanceof RuntimeException exception) {
                throw exception;
            }
        }
    }

    /**
     * Shares among devices of which nothing is known yet.
     *
     * @param leastFlops operations for which it is worth it to have another device take part
     */
    Sharing(Members members, long leastFlops) {
        this.members = members;
        this.leastFlops = leastFlops;
        speeds = new Speeds(members.all().size());
    }

    /** How the devices' speeds compare. */
    double[] relativeSpeeds() {
        return speeds.relative();
    }

    /**
     * Has devices compute a batch together.
     *
     * @param takers those that may have a share
     * @throws DeviceException if none of them can
     */
    void compute(
            Problem problem,
            Tensor read,
            @Nullable Tensor residual,
            Tensor written,
            List<Member> takers,
            OnMember computation) {
        Map<Member, DeviceException> failures = new LinkedHashMap<>();
        Deque<Images> todo = new ArrayDeque<>(List.of(new Images(0, problem.batch())));
        while (!todo.isEmpty()) {
            List<Share> shares = shares(todo.remove(), problem, takers, failures);
            List<CompletableFuture<Void>> others = new ArrayList<>();
            for (Share share : shares) {
                Images images = share.images;
                boolean all = images.count() == problem.batch();
                Runnable run = () -> share.run(() -> computation.compute(
                        share.member,
                        part(problem, images.count()),
                        all ? read : Slices.outer(read, images.begin, images.end),
                        all || residual == null ? residual : Slices.outer(residual, images.begin, images.end),
                        all ? written : Slices.outer(written, images.begin, images.end)));
                share.member.running().incrementAndGet();
                if (shares.size() == 1) {
                    run.run();
                } else {
                    others.add(CompletableFuture.runAsync(run, share.member.thread()));
                }
            }
            // Nobody may write any more when this returns, or throws.
            others.forEach(CompletableFuture::join);
            for (Share share : shares) {
                share.throwMistake();
                if (share.failure != null) {
                    failures.put(share.member, share.failure);
                    todo.add(share.images);
                }
            }
            if (todo.isEmpty()) {
                learn(shares);
            }
        }
        members.leaveOut(failures);
    }

    /** The problem with another number of images. */
    static Problem part(Problem problem, int images) {
        return images == problem.batch() ? problem : problem.layer().problem(images, Parts.sizes(problem));
    }

    /** Shares images among the devices that have not failed. */
    private List<Share> shares(
            Images images, Problem problem, List<Member> takers, Map<Member, DeviceException> failures) {
        List<Member> able =
                members.able(failures).stream().filter(takers::contains).toList();
        if (able.isEmpty()) {
            throw failures.isEmpty()
                    ? new DeviceException("no device is left that gives the bits which %s had so far (%s)"
                            .formatted(problem, members.describe()))
                    : Members.allFailed(failures);
        }
        List<Member> all = members.all();
        boolean[] takesPart = new boolean[all.size()];
        able.forEach(member -> takesPart[member.place()] = true);
        double flops = problem.flops() / problem.batch() * images.count();
        int most = (int) Math.max(1, Math.min(able.size(), flops / leastFlops));
        if (images.count() == 1 || most == 1) {
            int[] running =
                    all.stream().mapToInt(member -> member.running().get()).toArray();
            return List.of(new Share(all.get(speeds.first(running, takesPart)), images));
        }
        int[] counts = speeds.share(images.count(), takesPart, most);
        List<Share> shares = new ArrayList<>();
        int begin = images.begin;
        for (Member member : all) {
            int count = counts[member.place()];
            if (count > 0) {
                shares.add(new Share(member, new Images(begin, begin + count)));
                begin += count;
            }
        }
        return shares;
    }

    private void learn(List<Share> shares) {
        int[] images = new int[members.all().size()];
        double[] seconds = new double[images.length];
        for (Share share : shares) {
            images[share.member.place()] = share.images.count();
            seconds[share.member.place()] = share.seconds;
        }
        speeds.measured(images, seconds);
    }
}
