package io.github.tconv.cli;

import io.github.tconv.Tconv;
import io.github.tconv.opencl.DeviceInfo;
import io.github.tconv.opencl.DeviceList;
import java.io.PrintWriter;
import java.util.Locale;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Lists what is there, and why something is not. */
@Command(
        name = "devices",
        description = "Lists the OpenCL devices of this machine, and why something is not there.",
        mixinStandardHelpOptions = true)
final class DevicesCommand implements Runnable {
    @Spec
    @SuppressWarnings("NullAway.Init") // set by picocli
    private CommandSpec spec;

    @Override
    public void run() {
        print(Tconv.devices(), spec.commandLine().getOut());
    }

    static void print(DeviceList list, PrintWriter out) {
        if (!list.devices().isEmpty()) {
            Table table = new Table(
                    "index", "type", "name", "platform", "version", "driver", "units", "memory", "local", "usable");
            for (DeviceInfo device : list.devices()) {
                table.row(
                        Integer.toString(device.index()),
                        device.type().toString(),
                        device.name(),
                        device.platform(),
                        device.version(),
                        device.driver(),
                        Integer.toString(device.computeUnits()),
                        bytes(device.memoryBytes()),
                        bytes(device.localMemoryBytes()),
                        device.unusable() == null ? "yes" : "no: " + device.unusable());
            }
            table.print(out);
        }
        list.notes().forEach(out::println);
        out.println("reference: plain Java on %d processors, always there"
                .formatted(Runtime.getRuntime().availableProcessors()));
        out.println("auto chooses "
                + list.preferred()
                        .map(device -> device.index() + ": " + device.name())
                        .orElse("reference"));
    }

    private static String bytes(long count) {
        long kibi = 1L << 10;
        long mebi = 1L << 20;
        long gibi = 1L << 30;
        if (count >= gibi) {
            return String.format(Locale.ROOT, "%.1f GiB", (double) count / gibi);
        }
        return count >= mebi ? "%d MiB".formatted(count / mebi) : "%d KiB".formatted(count / kibi);
    }
}
