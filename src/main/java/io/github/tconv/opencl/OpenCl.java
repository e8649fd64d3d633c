package io.github.tconv.opencl;

import java.util.Optional;

/** The seam to the native loader: JOCL is switched on here once, or the reason why it cannot be is kept. */
final class OpenCl {
    /** All device types. JOCL's constant is -1 as 64 bits, which some drivers reject as an invalid type. */
    static final long ALL_DEVICE_TYPES = 0xFFFFFFFFL;

    private static final Optional<String> MISSING = load();

    private OpenCl() {}

    /** Says why there is no OpenCL in this process at all, or nothing if there is. */
    static Optional<String> missing() {
        return MISSING;
    }

    private static Optional<String> load() {
        // JOCL unpacks its library to one fixed file, which processes that start together destroy for each other,
        // unless it is told to use a unique name; it reads this property when its class loads.
        if (System.getProperty("uniqueLibraryNames") == null) {
            System.setProperty("uniqueLibraryNames", "true");
        }
        try {
            Calls.enableExceptions();
            Calls.clGetPlatformIDs(0, null, new int[1]);
            return Optional.empty();
        } catch (org.jocl.CLException e) {
            // The library is there; a platform may still be missing, which the discovery says better.
            return Optional.empty();
        } catch (LinkageError | RuntimeException e) {
            return Optional.of("no OpenCL loader: " + firstLine(e));
        }
    }

    private static String firstLine(Throwable failure) {
        String message = failure.getMessage() == null ? failure.toString() : failure.getMessage();
        return message.lines()
                .map(String::strip)
                .filter(line -> !line.isEmpty())
                .findFirst()
                .orElse(message);
    }
}
