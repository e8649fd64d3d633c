package io.github.tconv.cli;

import io.github.tconv.op.DeviceException;
import java.io.PrintWriter;
import java.nio.charset.Charset;
import java.util.LinkedHashMap;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * The command {@code tconv}. Exits 0 when done; 2 after the user's mistake, said in one line on stderr; 3 when the device
 * or the memory failed; 1 for what should not happen, with its stack trace.
 */
@Command(
        name = "tconv",
        description = "Transposed convolution on any OpenCL device, or in plain Java.",
        mixinStandardHelpOptions = true,
        versionProvider = Main.Version.class)
public final class Main implements Runnable {
    static final int DONE = 0;
    static final int UNEXPECTED = 1;
    static final int USER_MISTAKE = 2;
    static final int DEVICE_FAILED = 3;

    /** In the order of the help. */
    private static final Map<String, Class<?>> COMMANDS = commands();

    @Spec
    @SuppressWarnings("NullAway.Init") // set by picocli
    private CommandSpec spec;

    private Main() {}

    /**
     * Runs a command and ends the process.
     *
     * @param args the command and its options
     */
    public static void main(String[] args) {
        System.exit(execute(writer(System.out, "stdout.encoding"), writer(System.err, "stderr.encoding"), args));
    }

    /** Java says the terminal's encoding in a property since 19, and has it as its default before. */
    private static PrintWriter writer(java.io.PrintStream stream, String encodingProperty) {
        String encoding =
                System.getProperty(encodingProperty, Charset.defaultCharset().name());
        return new PrintWriter(stream, /* autoFlush= */ true, Charset.forName(encoding));
    }

    /**
     * Runs a command.
     *
     * @param out for what was asked for
     * @param err for mistakes and failures
     * @param args the command and its options
     * @return the exit code
     */
    static int execute(PrintWriter out, PrintWriter err, String... args) {
        try {
            CommandLine top = new CommandLine(new Main());
            asked(args).forEach(top::addSubcommand);
            top.getSubcommands()
                    .values()
                    .forEach(command -> command.getCommandSpec().versionProvider(new Version()));
            // A file's name may begin with @.
            return top.setExpandAtFiles(false)
                    .setOut(out)
                    .setErr(err)
                    .setUsageHelpWidth(100)
                    .setCaseInsensitiveEnumValuesAllowed(true)
                    .setParameterExceptionHandler((mistake, rest) -> mistaken(err, text(mistake)))
                    .setExecutionExceptionHandler((failure, command, result) -> failed(err, failure))
                    .execute(args);
        } catch (OutOfMemoryError e) {
            err.println("tconv: the memory does not suffice: " + e.getMessage());
            return DEVICE_FAILED;
        } finally {
            out.flush();
            err.flush();
        }
    }

    private static Map<String, Class<?>> commands() {
        Map<String, Class<?>> commands = new LinkedHashMap<>();
        commands.put("devices", DevicesCommand.class);
        commands.put("run", RunCommand.class);
        commands.put("upscale", UpscaleCommand.class);
        commands.put("train", TrainCommand.class);
        commands.put("quality", QualityCommand.class);
        commands.put("verify", VerifyCommand.class);
        commands.put("lesson", LessonCommand.class);
        commands.put("bench", BenchCommand.class);
        commands.put("tune", TuneCommand.class);
        return commands;
    }

    /** The command that is named first, or all: picocli reads every option of each it is given, which a start pays for. */
    private static Map<String, Class<?>> asked(String... args) {
        Class<?> named = args.length == 0 ? null : COMMANDS.get(args[0]);
        return named == null ? COMMANDS : Map.of(args[0], named);
    }

    private static String text(ParameterException mistake) {
        CommandLine command = mistake.getCommandLine();
        boolean unknownCommand =
                mistake instanceof CommandLine.UnmatchedArgumentException unmatched && !unmatched.isUnknownOption();
        if (unknownCommand && command.getParent() == null) {
            String given = ((CommandLine.UnmatchedArgumentException) mistake)
                    .getUnmatched()
                    .get(0);
            return "command must be one of %s: '%s'".formatted(commands(command), given);
        }
        return String.valueOf(mistake.getMessage());
    }

    private static String commands(CommandLine top) {
        return String.join(", ", top.getSubcommands().keySet());
    }

    static int failed(PrintWriter err, Exception failure) {
        if (failure instanceof IllegalArgumentException) {
            return mistaken(err, String.valueOf(failure.getMessage()));
        }
        if (failure instanceof DeviceException) {
            // A build log has many lines, and all of them may be needed.
            err.println("tconv: " + failure.getMessage());
            return DEVICE_FAILED;
        }
        err.println("tconv: this should not happen, please report it:");
        failure.printStackTrace(err);
        return UNEXPECTED;
    }

    /** One line whatever the message holds: a file's name may have a line break. */
    private static int mistaken(PrintWriter err, String message) {
        err.println("tconv: " + message.strip().replaceAll("\\p{Cntrl}+\\s*", " "));
        return USER_MISTAKE;
    }

    @Override
    public void run() {
        CommandLine top = spec.commandLine();
        throw new ParameterException(
                top, "a command must be given, one of %s (tconv --help says more)".formatted(commands(top)));
    }

    /** The version that the build wrote into the jar. */
    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            String version = Main.class.getPackage().getImplementationVersion();
            return new String[] {"tconv " + (version == null ? "(not packaged)" : version)};
        }
    }
}
