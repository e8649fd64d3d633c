package io.github.tconv.picture;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.tconv.io.Picture;
import io.github.tconv.io.PictureFile;
import org.junit.jupiter.api.Test;

final class TestCardTest {
    @Test
    void thePictureInTheRepositoryIsTheOneThatIsDrawn() {
        assertEquals(
                SamplePicture.copyOf(Picture.of(TestCard.draw())),
                SamplePicture.copyOf(PictureFile.read(TestCard.FILE)));
    }
}
