package io.github.tconv.opencl;

/** Constants of a kernel as compiler options. Made for every new size of a layer, so without a formatter. */
final class Defines {
    private final StringBuilder options;

    /** Begins with options that are there. */
    Defines(String options) {
        this.options = new StringBuilder(options);
    }

    Defines() {
        this("");
    }

    /** Adds a constant. */
    Defines with(String name, String value) {
        options.append(" -D").append(name).append('=').append(value);
        return this;
    }

    /** Adds a constant. */
    Defines with(String name, long value) {
        return with(name, Long.toString(value));
    }

    /** Adds a constant that is 1 or 0. */
    Defines with(String name, boolean value) {
        return with(name, value ? 1 : 0);
    }

    /** Returns all options, each after a space. */
    @Override
    public String toString() {
        return options.toString();
    }
}
