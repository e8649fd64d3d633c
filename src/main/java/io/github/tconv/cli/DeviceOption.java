package io.github.tconv.cli;

import io.github.tconv.Engine;
import io.github.tconv.EngineHabit;
import io.github.tconv.Tconv;
import java.util.Set;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.apache.commons.lang3.StringUtils;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The option {@code --device}, mixed into every command that computes. */
final class DeviceOption {
    /** Kept, because the level of a logger that nobody holds may be forgotten. */
    private static final Logger FALLBACK = Logger.getLogger(Tconv.class.getName());

    @Option(
            names = "--device",
            paramLabel = "DEVICE",
            description = {
                "auto (GPU, then accelerator, then OpenCL CPU, then plain Java), reference (plain Java), opencl, gpu,"
                        + " accelerator, cpu, an index or a part of a name that 'tconv devices' lists.",
                "Several, as '0,1' or 'all' of one kind, share a batch; 'cpu/2' is a device in two parts.",
                "Unless given, what the environment variable TCONV_DEVICE says, or auto."
            })
    private @Nullable String device;

    /** What was said, here or in the environment, or auto. */
    String selector() {
        return device != null ? device : StringUtils.defaultIfBlank(System.getenv("TCONV_DEVICE"), "auto");
    }

    /**
     * Opens the engine. A command that uses it prints {@link Engine#describe()}, which says why it is the fallback.
     *
     * @param without what the engine is to leave
     * @throws IllegalArgumentException if there is no such device
     */
    Engine open(EngineHabit... without) {
        // The library's warning would say the same again, in two lines of another style.
        FALLBACK.setLevel(Level.OFF);
        return Tconv.open(selector(), Set.of(without));
    }
}
