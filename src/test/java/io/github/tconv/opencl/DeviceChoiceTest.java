package io.github.tconv.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Optional;
import org.jocl.cl_device_id;
import org.jocl.cl_platform_id;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DeviceChoiceTest {
    private static final DeviceList LIST = new DeviceList(
            List.of(
                    device(0, DeviceInfo.Type.CPU, "Some Processor", "Portable", null),
                    device(1, DeviceInfo.Type.GPU, "Old Card", "Acme", "OpenCL 1.2 is needed: OpenCL 1.1"),
                    device(2, DeviceInfo.Type.ACCELERATOR, "Board", "Acme", null),
                    device(3, DeviceInfo.Type.GPU, "New Card", "Acme", null),
                    device(4, DeviceInfo.Type.GPU, "New Card", "Other", null)),
            List.of("platform 'Empty' has no device"));

    private static DeviceInfo device(
            int index, DeviceInfo.Type type, String name, String platform, @Nullable String unusable) {
        return new DeviceInfo(index, type, name, platform, "OpenCL 1.2", "1", 1, 1, 1, unusable);
    }

    @Test
    void prefersTheFirstUsableGpu() {
        assertEquals(3, DeviceChoice.preferred(LIST).orElseThrow().index());
    }

    @Test
    void prefersAnAcceleratorToAProcessor() {
        DeviceList noGpu = new DeviceList(LIST.devices().subList(0, 3), List.of());
        assertEquals(2, DeviceChoice.preferred(noGpu).orElseThrow().index());
    }

    @ParameterizedTest
    @CsvSource({"opencl, 3", "OpenCL, 3", "gpu, 3", "cpu, 0", "accelerator, 2", "0, 0", "4, 4", "new card, 3"})
    @CsvSource({"processor, 0", "Other, 4", "acme, 2"})
    void findsWhatIsNamed(String selector, int index) {
        assertEquals(index, DeviceChoice.named(selector, LIST).index());
    }

    @ParameterizedTest
    @ValueSource(strings = {"5", "99999999999999999999", "banana", "-1", ""})
    void saysWhatThereIsWhenNothingMatches(String selector) {
        String message = assertThrows(IllegalArgumentException.class, () -> DeviceChoice.named(selector, LIST))
                .getMessage();
        assertTrue(message.contains("'" + selector + "'"), message);
        assertTrue(message.contains("2 'Board' (Acme)"), message);
    }

    @ParameterizedTest
    @ValueSource(strings = {"1", "old"})
    void saysWhyADeviceCannotBeUsed(String selector) {
        String message = assertThrows(IllegalArgumentException.class, () -> DeviceChoice.named(selector, LIST))
                .getMessage();
        assertTrue(message.contains("OpenCL 1.2 is needed: OpenCL 1.1"), message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "0; 0/1",
                "0,3; 0/1 3/1",
                " 4 , cpu ; 4/1 0/1",
                "cpu/2; 0/2",
                "2/4,New Card; 2/4 3/1",
                "other/3; 4/3"
            })
    void findsSeveralAndTheirParts(String selector, String expected) {
        String found = DeviceChoice.several(selector, LIST).stream()
                .map(choice -> choice.device().index() + "/" + choice.parts())
                .collect(java.util.stream.Collectors.joining(" "));
        assertEquals(expected, found);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "0,0; '0,0' names 0 'Some Processor' twice",
                "0,cpu/2; names 0 'Some Processor' twice",
                "0,9; '9' is not among",
                "0,; '' is not among",
                "0,1; OpenCL 1.2 is needed",
                "0,reference; 'reference' is not among",
                "0/; '0/' is not among",
                "/2; '/2' is not among",
                "0/-1; '0/-1' is not among"
            })
    void saysWhichOfSeveralIsWrong(String selector, String part) {
        String message = assertThrows(IllegalArgumentException.class, () -> DeviceChoice.several(selector, LIST))
                .getMessage();
        assertTrue(message.contains(part), message);
    }

    /** A name may hold what stands between names. */
    @Test
    void aNameWithACommaOrASlashIsOne() {
        DeviceList list =
                new DeviceList(List.of(device(0, DeviceInfo.Type.GPU, "Card, 2 GB/64", "Acme", null)), List.of());
        assertEquals(1, DeviceChoice.several("card, 2 gb/64", list).get(0).parts());
    }

    @Test
    void saysInWhatKindsDiffer() {
        Device one = handle(LIST.devices().get(3), 8);
        assertEquals(Optional.empty(), one.differenceFrom(handle(LIST.devices().get(3), 8)));
        assertEquals(
                "platform 'Acme' and 'Other'",
                one.differenceFrom(handle(LIST.devices().get(4), 8)).orElseThrow());
        assertEquals(
                "vector width '8' and '16'",
                one.differenceFrom(handle(LIST.devices().get(3), 16)).orElseThrow());
    }

    private static Device handle(DeviceInfo info, int vectorWidth) {
        return new Device(
                info,
                new cl_platform_id(),
                new cl_device_id(),
                Device.HostMemory.APART,
                1,
                vectorWidth,
                1,
                /* part= */ false);
    }

    @Test
    void saysWhyThereIsNone() {
        DeviceList empty = new DeviceList(List.of(), List.of("no OpenCL platform"));
        assertTrue(DeviceChoice.preferred(empty).isEmpty());
        assertEquals("no OpenCL platform", DeviceChoice.whyNone(empty));
        String message = assertThrows(IllegalArgumentException.class, () -> DeviceChoice.named("opencl", empty))
                .getMessage();
        assertTrue(message.contains("there is none: no OpenCL platform"), message);
    }

    @Test
    void saysWhyTheOnesThereAreOfNoUse() {
        DeviceList old = new DeviceList(List.of(LIST.devices().get(1)), List.of());
        assertEquals("'Old Card': OpenCL 1.2 is needed: OpenCL 1.1", DeviceChoice.whyNone(old));
    }
}
