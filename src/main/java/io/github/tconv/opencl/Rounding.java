package io.github.tconv.opencl;

/** How kernels round: a product, and the sum to which it is added. */
enum Rounding {
    /** As the device's compiler likes best: where there is an instruction for both, they are rounded once. */
    CONTRACTED(""),
    /** Each on its own, so that a kernel may give the same bits on devices whose compilers have nothing in common. */
    SEPARATE(" -DSEPARATE_ROUNDINGS");

    private final String options;

    Rounding(String options) {
        this.options = options;
    }

    /** The rounding of an engine that may contract, unless {@link Switch#CONTRACTION} is off. */
    static Rounding of(boolean mayContract) {
        return mayContract && Switch.CONTRACTION.isOn() ? CONTRACTED : SEPARATE;
    }

    /** What it adds to a program's options. */
    String options() {
        return options;
    }
}
