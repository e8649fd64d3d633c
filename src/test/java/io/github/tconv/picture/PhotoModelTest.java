package io.github.tconv.picture;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.Engine;
import io.github.tconv.EnginesPresent;
import io.github.tconv.Tconv;
import io.github.tconv.io.Picture;
import io.github.tconv.io.PictureFile;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The model that comes with the library, on a picture that it did not learn from. */
final class PhotoModelTest {
    static Stream<String> devices() {
        return EnginesPresent.names().stream();
    }

    @ParameterizedTest
    @MethodSource("devices")
    void isCloserToTheOriginalThanBicubicByMoreThanSevenTenthsOfADecibel(String device) {
        Picture original = Comparison.original(PictureFile.read(Path.of("examples", "harbour.png")));
        try (Engine engine = Tconv.open(device);
                Comparison comparison = new Comparison(engine, DetailModel.read("photo"))) {
            Map<String, Picture> enlarged = comparison.enlarged(original);
            Quality bicubic = Quality.of(enlarged.get("bicubic"), original);
            Quality model = Quality.of(enlarged.get("model"), original);
            assertTrue(model.psnr() > bicubic.psnr() + 0.7, bicubic + " and " + model);
            assertTrue(model.ssim() > bicubic.ssim(), bicubic + " and " + model);
        }
    }
}
