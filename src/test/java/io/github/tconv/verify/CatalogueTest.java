package io.github.tconv.verify;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.op.Axis;
import io.github.tconv.op.Problem;
import java.util.HashSet;
import java.util.List;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;

class CatalogueTest {
    @Test
    void theSmallCatalogueIsSmallAndPartOfTheWhole() {
        assertTrue(Catalogue.all().containsAll(Catalogue.small()));
        for (Problem problem : Catalogue.small()) {
            assertTrue(problem.flops() / 2 <= Catalogue.SMALL_PRODUCTS, problem + " has " + problem.flops() / 2);
        }
    }

    @Test
    void noProblemStandsTwice() {
        assertEquals(Catalogue.all().size(), new HashSet<>(Catalogue.all()).size());
    }

    @Test
    void bothCataloguesHaveEveryKindOfAwkwardness() {
        for (List<Problem> catalogue : List.of(Catalogue.small(), Catalogue.all())) {
            has(catalogue, "rank 1", problem -> problem.layer().rank() == 1);
            has(catalogue, "rank 2", problem -> problem.layer().rank() == 2);
            has(catalogue, "rank 3", problem -> problem.layer().rank() == 3);
            has(catalogue, "batch", problem -> problem.batch() == 3);
            has(catalogue, "groups", problem -> problem.layer().groups() == 3);
            hasAxis(catalogue, "kernel 1", axis -> axis.kernel() == 1);
            hasAxis(catalogue, "gaps", axis -> axis.kernel() > 1 && axis.extent() < axis.stride());
            hasAxis(catalogue, "stride 3, dilation 2", axis -> axis.stride() == 3 && axis.dilation() == 2);
            hasAxis(catalogue, "common factor", axis -> axis.stride() == 4 && axis.dilation() == 2);
            hasAxis(catalogue, "negative begin", axis -> axis.padBegin() < 0);
            hasAxis(catalogue, "negative end", axis -> axis.padEnd() < 0);
            hasAxis(catalogue, "ends that differ", axis -> axis.padBegin() != axis.padEnd());
            hasAxis(catalogue, "output padding", axis -> axis.outputPadding() > 0);
            hasAxis(catalogue, "output padding from the stride on", axis -> axis.outputPadding() >= axis.stride());
            hasAxis(catalogue, "large stride", axis -> axis.stride() == 8);
            has(
                    catalogue,
                    "unequal axes",
                    problem -> problem.layer().axes().stream().distinct().count() == 3);
        }
    }

    private static void has(List<Problem> catalogue, String kind, Predicate<Problem> property) {
        assertTrue(catalogue.stream().anyMatch(property), kind);
    }

    private static void hasAxis(List<Problem> catalogue, String kind, Predicate<Axis> property) {
        has(catalogue, kind, problem -> problem.layer().axes().stream().anyMatch(property));
    }
}
