package io.github.tconv.opencl;

import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import org.apache.commons.lang3.StringUtils;

/** Where this library keeps what it can make again. */
final class CacheFolder {
    private CacheFolder() {}

    /** {@code TCONV_CACHE_DIR}, or the folder that the system has for a user's caches. */
    static Path find() {
        return find(System.getenv(), System.getProperty("user.home"), System.getProperty("os.name"));
    }

    static Path find(Map<String, String> environment, String home, String system) {
        String own = environment.get("TCONV_CACHE_DIR");
        if (StringUtils.isNotBlank(own)) {
            return Path.of(own);
        }
        String name = system.toLowerCase(Locale.ROOT);
        if (name.startsWith("windows")) {
            return Path.of(StringUtils.defaultIfBlank(environment.get("LOCALAPPDATA"), home), "tconv", "cache");
        }
        if (name.startsWith("mac")) {
            return Path.of(home, "Library", "Caches", "tconv");
        }
        String xdg = environment.get("XDG_CACHE_HOME");
        // The specification says that a relative path there is to be ignored.
        return StringUtils.isNotBlank(xdg) && Path.of(xdg).isAbsolute()
                ? Path.of(xdg, "tconv")
                : Path.of(home, ".cache", "tconv");
    }
}
