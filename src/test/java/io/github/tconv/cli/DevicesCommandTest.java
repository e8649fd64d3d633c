package io.github.tconv.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.tconv.opencl.DeviceInfo;
import io.github.tconv.opencl.DeviceList;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class DevicesCommandTest {
    private static final DeviceInfo OLD = new DeviceInfo(
            0, DeviceInfo.Type.GPU, "Old GPU", "Maker", "OpenCL 1.1", "0.9", 4, 512L << 20, 16L << 10, "too old");
    private static final DeviceInfo CPU = new DeviceInfo(
            1, DeviceInfo.Type.CPU, "CPU", "PoCL", "OpenCL 3.0 PoCL", "3.1", 16, 6L << 30, 1L << 20, null);

    private static String[] print(DeviceList list) {
        StringWriter text = new StringWriter();
        DevicesCommand.print(list, new PrintWriter(text));
        return text.toString().lines().toArray(String[]::new);
    }

    @Test
    void listsWhatIsThereAndWhyItCannotBeUsed() {
        String[] lines = print(new DeviceList(List.of(OLD, CPU), List.of("platform 'X' has no device")));
        assertEquals(
                "index  type  name     platform  version          driver  units  memory   local   usable", lines[0]);
        assertEquals(
                "0      GPU   Old GPU  Maker     OpenCL 1.1       0.9     4      512 MiB  16 KiB  no: too old",
                lines[1]);
        assertEquals("1      CPU   CPU      PoCL      OpenCL 3.0 PoCL  3.1     16     6.0 GiB  1 MiB   yes", lines[2]);
        assertEquals("platform 'X' has no device", lines[3]);
        assertTrue(lines[4].startsWith("reference: plain Java"), lines[4]);
        assertEquals("auto chooses 1: CPU", lines[5]);
    }

    @Test
    void saysWhyNothingIsThere() {
        String[] lines = print(new DeviceList(List.of(), List.of("no OpenCL loader: not found")));
        assertEquals("no OpenCL loader: not found", lines[0]);
        assertEquals("auto chooses reference", lines[2]);
    }

    @Test
    void findsNothingWhereNoDriverIs(@TempDir java.nio.file.Path empty) throws Exception {
        CommandOutcome outcome = CommandOutcome.ofProcess(java.util.Map.of("OCL_ICD_VENDORS", empty + "/"), "devices");
        outcome.assertDone();
        assertTrue(outcome.out().endsWith("auto chooses reference\n"), outcome.out());
        assertTrue(outcome.out().startsWith("no OpenCL"), outcome.out());
    }
}
