package io.github.tconv.opencl;

import io.github.tconv.op.Problem;
import io.github.tconv.op.Tensor;
import java.util.ArrayList;
import java.util.List;

/** Picks the variant for the gradient by the weight of a problem. */
@FunctionalInterface
interface WeightGradientRule {
    /** The share of lanes with channels in them below which rows in the lanes are cheaper. */
    double LEAST_FILLED = 0.6;

    /** Vectors of input and of output channels from which on packing and transforming both pays: each is used by all others. */
    int PANEL_INPUTS = 4;

    int PANEL_OUTPUTS = 2;

    /** What a float that is packed costs where it goes through a last cache that is far, in multiply-adds, on a Xeon. */
    double FAR_FLOAT = 117;

    /** The share of channel-lane's time that panels must not exceed. On a Zen 4, whose last cache is near, they did not. */
    double PAYING = 0.95;

    /**
     * Picks a variant. It must follow from the problem and the device alone, as the order of additions does.
     *
     * @param problem the problem, of rank 3
     * @param device where it is to run
     * @return the variant, for this problem
     */
    WeightGradientVariant choose(Problem problem, Device device);

    /** The rule of the library: the fast variants where they were measured, on processors under PoCL. */
    static WeightGradientRule standard() {
        Remembered<WeightGradientVariant> chosen = new Remembered<>();
        return (problem, device) -> device.hostMemory() == Device.HostMemory.SAME
                ? chosen.get(problem, () -> forProcessor(problem, Processor.of(device)))
                : plain(problem);
    }

    /**
     * Rows in the lanes where channels would fill too few. Else channels in the lanes: packed matrices where there are many,
     * unless they save no multiplications and a work-item holds all sums without them, or save less than packing takes.
     */
    static WeightGradientVariant forProcessor(Problem problem, Processor processor) {
        LayerShape layer = LayerShape.of(problem.layer());
        double filled = layer.ic() / (double) (Grid.tiles(layer.ic(), processor.lanes()) * processor.lanes());
        if (filled < LEAST_FILLED) {
            return WeightGradientXLane.fits(layer, processor)
                    ? WeightGradientXLane.suiting(problem, processor)
                    : plain(problem);
        }
        WeightGradientChannelLane direct = WeightGradientChannelLane.suiting(problem, processor);
        boolean many =
                layer.ic() >= PANEL_INPUTS * processor.lanes() && layer.oc() >= PANEL_OUTPUTS * processor.lanes();
        boolean minimal = PanelAxis.canBeMinimal(layer.height()) || PanelAxis.canBeMinimal(layer.width());
        if (!many || (!minimal && direct.readsOnce())) {
            return direct;
        }
        WeightGradientPanels panels = WeightGradientPanels.suiting(problem, processor);
        double packing = processor.farWait() > 0 ? FAR_FLOAT * panels.packedFloats() : 0;
        boolean pays = packing == 0 || panels.products() + packing < PAYING * panels.directProducts();
        return pays ? panels : direct;
    }

    /**
     * What else could compute a problem: one of each kind that is there, in the end the plain kernel.
     *
     * @param first what could not
     * @param problem the problem, of rank 3
     * @param device where it is to run
     */
    static List<WeightGradientVariant> others(WeightGradientVariant first, Problem problem, Device device) {
        List<WeightGradientVariant> others = new ArrayList<>();
        if (device.hostMemory() == Device.HostMemory.SAME) {
            Processor processor = Processor.of(device);
            others.add(WeightGradientChannelLane.suiting(problem, processor));
            if (WeightGradientXLane.fits(LayerShape.of(problem.layer()), processor)) {
                others.add(WeightGradientXLane.suiting(problem, processor));
            }
        }
        others.add(plain(problem));
        others.removeIf(other -> other.name().equals(first.name()));
        return others;
    }

    /** {@code weight_gradient.cl}: one work-item an element. Right everywhere, fast nowhere. */
    static WeightGradientVariant plain(Problem problem) {
        return new Plain(Tensor.elementsOf(problem.layer().weightShape()), /* adds= */ false);
    }

    /**
     * The plain kernel.
     *
     * @param elements the weights
     * @param adds whether it goes on with the sums that the weight gradient holds
     */
    record Plain(long elements, boolean adds) implements WeightGradientVariant {
        @Override
        public List<String> sources() {
            return List.of("common", "weight_gradient");
        }

        @Override
        public String constants() {
            return "";
        }

        @Override
        public WeightGradientVariant of(Problem part) {
            return new Plain(Tensor.elementsOf(part.layer().weightShape()), adds);
        }

        @Override
        public WeightGradientVariant tried(Problem small) {
            return this;
        }

        @Override
        public WeightGradientVariant adding() {
            return new Plain(elements, /* adds= */ true);
        }

        @Override
        public List<Step> steps() {
            return Step.only("weight_gradient", NdRange.of(elements), adds ? 1 : 0);
        }
    }
}
