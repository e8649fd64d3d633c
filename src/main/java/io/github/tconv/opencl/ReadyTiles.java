package io.github.tconv.opencl;

import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The tiles of a layer that are compiled, any of which computes any size; more are compiled and tried out in the
 * background. Thread-safe.
 */
final class ReadyTiles {
    private static final System.Logger LOG = System.getLogger(ReadyTiles.class.getName());

    /** Positions of an image for which a tile is compiled ahead of time. */
    private static final int[] OTHER_SIZES = {16, 65_536, 1024};

    /** How long calls of a size use another's tile before they are disturbed to compile its own. */
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(2);
    /** A size that was not called for so long has no need of it. */
    private static final long RECENT_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final Session session;
    private final LayerPrograms programs;
    private final LayerMemory memory;
    private final Parts direction;
    private final BooleanSupplier layerIsOpen;

    /** A launch of every tile, by its options. */
    private final Map<String, Launch> launches = new ConcurrentHashMap<>();
    /** Those that calls would rather have, by their options. What fails stays here, and is not tried again. */
    private final Map<String, Wanted> wanted = new ConcurrentHashMap<>();

    /** A tile that calls would rather have, and for how long. No lambda: the first call with a new size would wait for it. */
    private final class Wanted implements BooleanSupplier, Runnable {
        private final Recipe recipe;
        private final Problem problem;
        private final AtomicBoolean again = new AtomicBoolean();
        private final long since = System.nanoTime();
        private volatile long last = since;

        Wanted(Recipe recipe, Problem problem) {
            this.recipe = recipe;
            this.problem = problem;
        }

        /** Notes another call; whether it is the second. */
        boolean again() {
            last = System.nanoTime();
            return again.compareAndSet(false, true);
        }

        /** Whether calls are to be disturbed for it. */
        @Override
        public boolean getAsBoolean() {
            long now = System.nanoTime();
            return now - since >= PATIENCE_NANOS && now - last <= RECENT_NANOS;
        }

        @Override
        public void run() {
            make(recipe, problem);
        }
    }

    /**
     * Begins without a tile.
     *
     * @param session where they run
     * @param programs of the layer
     * @param memory of the layer
     * @param direction whether the layer is computed or its adjoint convolution
     * @param layerIsOpen whether a tile is still of use
     */
    ReadyTiles(
            Session session, LayerPrograms programs, LayerMemory memory, Parts direction, BooleanSupplier layerIsOpen) {
        this.session = session;
        this.programs = programs;
        this.memory = memory;
        this.direction = direction;
        this.layerIsOpen = layerIsOpen;
    }

    /** Adds a tile that has proved itself. */
    void add(Launch launch) {
        launches.putIfAbsent(launch.recipe().options(), launch);
    }

    int count() {
        return launches.size();
    }

    /** Tells whether a launch took the place of another's tile, and there are more tiles now. */
    boolean outdate(Launch launch) {
        return launch.better() != null && launch.outOf() != count();
    }

    /** The tile that may best take the place of a problem's own; the problem is of rank 3. */
    @Nullable
    Launch nearest(Problem rank3, Recipe own) {
        Launch nearest = null;
        double least = Double.POSITIVE_INFINITY;
        for (Launch launch : launches.values()) {
            double distance = launch.recipe().tile().distance(rank3, own.tile());
            if (launch.recipe().hasResidual() == own.hasResidual() && distance < least) {
                least = distance;
                nearest = launch;
            }
        }
        return nearest;
    }

    /**
     * Compiles tiles for few and for many positions later, while no calls are made, so that a new size never has to do with
     * one that is far from its own. They are few: most sizes share theirs.
     */
    void prefetchOthers(Launch first) {
        prefetchOthers(first, 0);
    }

    private void prefetchOthers(Launch first, int begin) {
        session.programs().later(layerIsOpen, () -> false, () -> {
            for (int i = begin; i < OTHER_SIZES.length; i++) {
                if (prefetchOther(first, OTHER_SIZES[i])) {
                    prefetchOthers(first, i + 1);
                    return;
                }
            }
        });
    }

    /** Compiles the tile for so many positions; false where it is there, or there is none. */
    private boolean prefetchOther(Launch first, int positions) {
        int rank = first.problem().layer().rank();
        int[] size = new int[rank];
        Arrays.fill(size, (int) Math.round(Math.pow(positions, 1.0 / rank)));
        try {
            Problem problem = first.problem().layer().problem(1, size);
            Recipe known = first.recipe();
            Recipe other = programs.recipe(known.variant(), problem.asRank3(), known.hasResidual());
            if (launches.containsKey(other.options())) {
                return false;
            }
            make(other, problem);
            return true;
        } catch (IllegalArgumentException e) {
            LOG.log(System.Logger.Level.DEBUG, "a layer has no problem of some size", e);
            return false;
        }
    }

    /**
     * Notes that a call would rather have a tile. What comes once has no need of it. From the second time on it is compiled
     * once the session is at rest, or else after some seconds of such calls: beside them, as the compiler has them wait.
     */
    void want(Recipe recipe, Problem problem) {
        Wanted known = wanted.get(recipe.options());
        if (known == null) {
            wanted.putIfAbsent(recipe.options(), new Wanted(recipe, problem));
        } else if (known.again()) {
            session.programs().later(layerIsOpen, known, known);
        }
    }

    /** Wants a tile for nothing: a call that does finds Java's classes loaded. */
    void rehearse(Launch launch) {
        Wanted never = new Wanted(launch.recipe(), launch.problem());
        session.programs().later(() -> false, never, never);
    }

    /** Compiles a tile and runs it once, since some drivers compile fully only then. */
    private void make(Recipe recipe, Problem problem) {
        Program program = programs.get(recipe);
        if (layerIsOpen.getAsBoolean()) {
            Launch launch = new Launch(smallest(problem), recipe, program);
            tryOut(launch);
            session.programs().remember(program);
            if (programs.passes(recipe, program)) {
                add(launch);
            }
        }
    }

    private static Problem smallest(Problem problem) {
        int[] size = new int[problem.layer().rank()];
        for (int s = 1; ; s *= 2) {
            Arrays.fill(size, s);
            try {
                return problem.layer().problem(1, size);
            } catch (IllegalArgumentException e) {
                if (s > 1 << 16) {
                    return problem;
                }
            }
        }
    }

    /** Runs a launch beside all calls, on memory of its own; the layer may be closed meanwhile, so it shares the layer's. */
    private void tryOut(Launch launch) {
        long read = Tensor.elementsOf(direction.readShape(launch.problem()));
        long written = Tensor.elementsOf(direction.writtenShape(launch.problem()));
        try (LayerBuffers layer = memory.buffers().share();
                DeviceBuffer x = session.make(read);
                DeviceBuffer staged = session.make(Math.max(1, launch.stagedFloats()));
                DeviceBuffer r = session.make(written);
                DeviceBuffer y = session.make(written)) {
            session.beside(queue -> launch.enqueue(queue, layer, x, staged, r, y));
        }
    }
}
