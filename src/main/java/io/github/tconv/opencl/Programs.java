package io.github.tconv.opencl;

import io.github.tconv.op.DeviceException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.BooleanSupplier;
import org.jocl.CL;
import org.jocl.CLException;
import org.jocl.cl_context;
import org.jocl.cl_device_id;
import org.jocl.cl_program;

/**
 * The programs of a session. Each is compiled once, by whoever asks first or in the background, from the disk's cache
 * where it is there. Thread-safe.
 */
final class Programs implements AutoCloseable {
    private static final System.Logger LOG = System.getLogger(Programs.class.getName());

    /**
     * PoCL 3.1 aborts the process if a binary is asked for, which compiles, while kernels of any session run. So every
     * call holds one of these while it enqueues, and storing holds the other and waits for all queues.
     */
    static final Lock KERNELS_RUN;

    private static final Lock NO_KERNEL_RUNS;

    static {
        ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
        KERNELS_RUN = lock.readLock();
        NO_KERNEL_RUNS = lock.writeLock();
    }

    /** Of the sessions that are open: whoever never closes one loses what was compiled only to a kill. */
    private static final Set<Programs> OPEN = ConcurrentHashMap.newKeySet();

    static {
        Runtime.getRuntime().addShutdownHook(new Thread(Programs::storeAtExit, "tconv-store"));
    }

    /** How long the end of the process waits for a call that still runs. */
    private static final long EXIT_MILLIS = 1000;
    /** How long it waits for what the background compiles: LLVM takes itself down at the end, and whoever is in it crashes. */
    private static final long EXIT_COMPILING_MILLIS = 10_000;
    /** The name of the thread that compiles in the background, and runs there what it compiled. */
    static final String BACKGROUND = "tconv-compiler";

    /** Without a call for so long a session is at rest. A program of one call ends before it. */
    private static final long REST_MILLIS = 1000;
    /** How long a session that has no rest is spared what no call of it has asked for. */
    private static final long MOST_MILLIS = 30_000;
    /**
     * From one compilation beside calls to the next. PoCL 3.1 compiles for good at a kernel's first launch, and every other
     * launch of the process waits for that, some tenths of a second.
     */
    private static final long BESIDE_CALLS_MILLIS = 10_000;

    private final Device device;
    private final cl_context context;
    private final ProgramCache disk;
    private final Rounding rounding;
    private final Map<String, CompletableFuture<Program>> programs = new ConcurrentHashMap<>();
    private final Set<Program> ran = ConcurrentHashMap.newKeySet();
    /** When the background may disturb calls again; its own thread's alone. */
    private long undisturbedUntil = System.nanoTime();

    private volatile long lastCall = System.nanoTime();
    private final ScheduledThreadPoolExecutor background = new ScheduledThreadPoolExecutor(1, task -> {
        Thread thread = new Thread(task, BACKGROUND);
        thread.setDaemon(true);
        return thread;
    });

    Programs(Device device, cl_context context, ProgramCache disk, Rounding rounding) {
        this.device = device;
        this.context = context;
        this.disk = disk;
        this.rounding = rounding;
        background.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
        OPEN.add(this);
    }

    private static String key(List<String> sources, String options) {
        return String.join("+", sources) + ' ' + options;
    }

    /** Returns a program, compiling it or waiting for its compilation where it is not there yet. */
    Program get(List<String> sources, String options) {
        String key = key(sources, options);
        CompletableFuture<Program> known = programs.get(key);
        if (known == null) {
            CompletableFuture<Program> mine = new CompletableFuture<>();
            known = programs.putIfAbsent(key, mine);
            if (known == null) {
                return compile(key, sources, options, mine);
            }
        }
        try {
            return known.join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof DeviceException failure) {
                throw failure;
            }
            throw e;
        }
    }

    /** Returns a program if it is there and has run, so that nothing is left to compile. */
    Optional<Program> ready(List<String> sources, String options) {
        CompletableFuture<Program> known = programs.get(key(sources, options));
        return known != null
                        && known.isDone()
                        && !known.isCompletedExceptionally()
                        && known.join().ran()
                ? Optional.of(known.join())
                : Optional.empty();
    }

    /** Notes that the session is not at rest. */
    void noteCall() {
        lastCall = System.nanoTime();
    }

    /**
     * Has something done in the background once the session is at rest, or has not been for long. Not if the session is
     * closed before.
     *
     * @param stillWanted asked now and then meanwhile; nothing is done once it is false
     * @param work what to do, as to compile
     */
    void later(BooleanSupplier stillWanted, Runnable work) {
        long latest = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(MOST_MILLIS);
        later(stillWanted, () -> System.nanoTime() - latest >= 0, work);
    }

    /**
     * As the other, but it is the caller who says when calls that do not cease are to be disturbed.
     *
     * @param pressing asked while the session is not at rest, and followed unless calls were disturbed shortly before
     */
    void later(BooleanSupplier stillWanted, BooleanSupplier pressing, Runnable work) {
        atRest(REST_MILLIS, stillWanted, pressing, work);
    }

    private void atRest(long delay, BooleanSupplier stillWanted, BooleanSupplier pressing, Runnable work) {
        inBackground(delay, () -> {
            long now = System.nanoTime();
            long rested = TimeUnit.NANOSECONDS.toMillis(now - lastCall);
            if (!stillWanted.getAsBoolean()) {
                return;
            }
            if (rested >= REST_MILLIS) {
                work.run();
            } else if (now - undisturbedUntil >= 0 && pressing.getAsBoolean()) {
                undisturbedUntil = now + TimeUnit.MILLISECONDS.toNanos(BESIDE_CALLS_MILLIS);
                work.run();
            } else {
                atRest(REST_MILLIS - rested, stillWanted, pressing, work);
            }
        });
    }

    private void inBackground(long delay, Runnable task) {
        if (device.info().isSimulator()) {
            return;
        }
        Runnable quiet = () -> {
            try {
                task.run();
            } catch (RuntimeException e) {
                // Whoever needs the program itself gets the failure; a faster one than needed may be missing.
                LOG.log(System.Logger.Level.DEBUG, "background compilation failed", e);
            }
        };
        try {
            ScheduledFuture<?> unused = background.schedule(quiet, delay, TimeUnit.MILLISECONDS);
        } catch (RejectedExecutionException e) {
            LOG.log(System.Logger.Level.DEBUG, "the session is being closed", e);
        }
    }

    private Program compile(String key, List<String> sources, String options, CompletableFuture<Program> mine) {
        try {
            Program program = load(sources, options);
            mine.complete(program);
            return program;
        } catch (RuntimeException | Error e) {
            programs.remove(key, mine);
            mine.completeExceptionally(e);
            throw e;
        }
    }

    private Program load(List<String> sources, String ofProgram) {
        String options = ofProgram + rounding.options();
        String file = sources.get(sources.size() - 1);
        String source = KernelSource.of(sources);
        String key = ProgramCache.key(device, source, options);
        Optional<byte[]> binary = disk.load(key);
        if (binary.isPresent()) {
            try {
                return new Program(file, options, device, fromBinary(binary.get()), true, key);
            } catch (CLException e) {
                LOG.log(System.Logger.Level.DEBUG, "the driver rejects its own binary; compiling anew", e);
            }
        }
        return new Program(file, options, device, fromSource(file, source, options), false, key);
    }

    private cl_program fromBinary(byte[] binary) {
        cl_device_id[] ids = {device.id()};
        cl_program program = Calls.clCreateProgramWithBinary(
                context, 1, ids, new long[] {binary.length}, new byte[][] {binary}, new int[1], null);
        try {
            Calls.clBuildProgram(program, 1, ids, "", null, null);
            return program;
        } catch (CLException e) {
            Calls.clReleaseProgram(program);
            throw e;
        }
    }

    /**
     * Compiles. On PoCL a failure is tried once more: while LLVM compiles, Java's signal to stop a thread has it remove its
     * own files, unless Java's libjsig is loaded. A source that is wrong fails again.
     */
    private cl_program fromSource(String file, String source, String options) {
        boolean again = device.hostMemory() == Device.HostMemory.SAME;
        while (true) {
            String call = "clCreateProgramWithSource";
            cl_program program = null;
            try {
                program = Calls.clCreateProgramWithSource(context, 1, new String[] {source}, null, null);
                call = "clBuildProgram";
                Calls.clBuildProgram(program, 1, new cl_device_id[] {device.id()}, options, null, null);
                return program;
            } catch (CLException e) {
                if (program != null) {
                    Calls.clReleaseProgram(program);
                }
                if (!again || e.getStatus() != CL.CL_BUILD_PROGRAM_FAILURE) {
                    // JOCL's message carries the build log.
                    throw new DeviceException(
                            "%s failed: %s (file %s.cl, options '%s', device %s)"
                                    .formatted(call, e.getMessage(), file, options, device),
                            e);
                }
                again = false;
            }
        }
    }

    /** Notes that a program has run, so that it is worth storing: some drivers compile fully only then. */
    void remember(Program program) {
        program.hasRun();
        if (!program.stored() && disk.keeps()) {
            ran.add(program);
        }
    }

    /** Waits for the background, stores what has run, and frees all programs; no kernel may be borrowed. */
    @Override
    public void close() {
        background.shutdown();
        try {
            // A compilation cannot be interrupted; it takes seconds.
            if (!background.awaitTermination(1, TimeUnit.MINUTES)) {
                LOG.log(System.Logger.Level.WARNING, "a compilation on {0} does not end; it is left behind", device);
                return;
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return;
        }
        NO_KERNEL_RUNS.lock();
        try {
            Session.drainAll();
            store();
            OPEN.remove(this);
            for (CompletableFuture<Program> program : programs.values()) {
                if (!program.isCompletedExceptionally()) {
                    program.join().close();
                }
            }
        } finally {
            NO_KERNEL_RUNS.unlock();
        }
        programs.clear();
    }

    private void store() {
        ran.removeIf(program -> {
            program.storeIn(disk);
            return true;
        });
    }

    /**
     * Ends the background of sessions that are still open, and stores what has run in them if the process's kernels come to
     * rest soon.
     */
    private static void storeAtExit() {
        try {
            OPEN.forEach(programs -> programs.background.shutdown());
            long latest = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(EXIT_COMPILING_MILLIS);
            for (Programs programs : OPEN) {
                if (!programs.background.awaitTermination(latest - System.nanoTime(), TimeUnit.NANOSECONDS)) {
                    LOG.log(System.Logger.Level.DEBUG, "the process ends while {0} compiles", programs.device);
                }
            }
            if (NO_KERNEL_RUNS.tryLock(EXIT_MILLIS, TimeUnit.MILLISECONDS)) {
                try {
                    Session.drainAll();
                    OPEN.forEach(Programs::store);
                } finally {
                    NO_KERNEL_RUNS.unlock();
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
