package io.github.tconv.opencl;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jocl.CL;
import org.jocl.CLException;
import org.jocl.Pointer;
import org.jocl.Sizeof;
import org.jocl.cl_device_id;
import org.jocl.cl_platform_id;
import org.jspecify.annotations.Nullable;

/** Finds the devices of this machine, in the order in which the loader gives platforms and they give devices. */
final class Discovery {
    private static final Pattern VERSION = Pattern.compile("OpenCL (\\d+)\\.(\\d+).*");

    private final List<Device> devices = new ArrayList<>();
    private final List<String> notes = new ArrayList<>();

    private Discovery() {}

    /** Looks again at every call: devices come and go with drivers and environment. */
    static Discovery run() {
        Discovery discovery = new Discovery();
        OpenCl.missing().ifPresentOrElse(discovery.notes::add, discovery::findAll);
        return discovery;
    }

    List<Device> devices() {
        return devices;
    }

    DeviceList list() {
        return new DeviceList(devices.stream().map(Device::info).toList(), notes);
    }

    private void findAll() {
        List<cl_platform_id> platforms;
        try {
            int[] count = new int[1];
            Calls.clGetPlatformIDs(0, null, count);
            cl_platform_id[] ids = new cl_platform_id[count[0]];
            Calls.clGetPlatformIDs(ids.length, ids, null);
            platforms = List.of(ids);
        } catch (CLException e) {
            notes.add(
                    e.getStatus() == CL.CL_PLATFORM_NOT_FOUND_KHR
                            ? "no OpenCL platform: the loader is there, but no driver (ICD) is registered with it ("
                                    + e.getMessage() + ")"
                            : "no OpenCL platform: clGetPlatformIDs failed: " + e.getMessage());
            return;
        }
        if (platforms.isEmpty()) {
            notes.add("no OpenCL platform: the loader is there, but no driver (ICD) is registered with it");
        }
        platforms.forEach(this::findOn);
    }

    private void findOn(cl_platform_id platform) {
        String name = "(unnamed)";
        try {
            name = platformString(platform, CL.CL_PLATFORM_NAME);
            int[] count = new int[1];
            Calls.clGetDeviceIDs(platform, OpenCl.ALL_DEVICE_TYPES, 0, null, count);
            cl_device_id[] ids = new cl_device_id[count[0]];
            Calls.clGetDeviceIDs(platform, OpenCl.ALL_DEVICE_TYPES, ids.length, ids, null);
            for (cl_device_id id : ids) {
                addDevice(name, platform, id);
            }
            if (ids.length == 0) {
                notes.add("platform '" + name + "' has no device");
            }
        } catch (CLException e) {
            notes.add(
                    e.getStatus() == CL.CL_DEVICE_NOT_FOUND
                            ? "platform '" + name + "' has no device"
                            : "platform '" + name + "' failed: " + e.getMessage());
        }
    }

    /** A device that cannot say what it is is left out; the others of its platform are none the worse. */
    private void addDevice(String platformName, cl_platform_id platform, cl_device_id id) {
        try {
            devices.add(device(devices.size(), platformName, platform, id));
        } catch (CLException e) {
            notes.add("a device of platform '" + platformName + "' failed: " + e.getMessage());
        }
    }

    private static Device device(int index, String platformName, cl_platform_id platform, cl_device_id id) {
        long type = number(id, CL.CL_DEVICE_TYPE);
        String version = string(id, CL.CL_DEVICE_VERSION);
        DeviceInfo info = new DeviceInfo(
                index,
                type(type),
                string(id, CL.CL_DEVICE_NAME),
                platformName,
                version,
                string(id, CL.CL_DRIVER_VERSION),
                (int) number(id, CL.CL_DEVICE_MAX_COMPUTE_UNITS),
                number(id, CL.CL_DEVICE_GLOBAL_MEM_SIZE),
                number(id, CL.CL_DEVICE_LOCAL_MEM_SIZE),
                unusable(id, version));
        return new Device(
                info,
                platform,
                id,
                hostMemory(info, id),
                number(id, CL.CL_DEVICE_MAX_MEM_ALLOC_SIZE),
                (int) number(id, CL.CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT),
                groupItems(id),
                /* part= */ false);
    }

    /** Groups are limited as a whole, and on each axis: Apple's processors allow one work-item on the second. */
    private static int groupItems(cl_device_id id) {
        int axes = (int) number(id, CL.CL_DEVICE_MAX_WORK_ITEM_DIMENSIONS);
        long[] sizes = new long[axes];
        Calls.clGetDeviceInfo(
                id, CL.CL_DEVICE_MAX_WORK_ITEM_SIZES, (long) axes * Sizeof.size_t, Pointer.to(sizes), null);
        return (int) Math.min(number(id, CL.CL_DEVICE_MAX_WORK_GROUP_SIZE), Math.min(sizes[0], sizes[1]));
    }

    /** The query is deprecated since OpenCL 2.0, without a successor that devices of 1.2 would answer. */
    @SuppressWarnings("deprecation")
    private static boolean hasUnifiedMemory(cl_device_id id) {
        return number(id, CL.CL_DEVICE_HOST_UNIFIED_MEMORY) != 0;
    }

    private static Device.HostMemory hostMemory(DeviceInfo info, cl_device_id id) {
        // JOCL waits for every unmapping on a thread of its own, and a simulator bears one thread.
        if (info.isSimulator() || info.type() != DeviceInfo.Type.CPU || !hasUnifiedMemory(id)) {
            return Device.HostMemory.APART;
        }
        // PoCL's processor devices run kernels on the host pointer itself; mapping costs two more commands a call.
        return info.platform().equals("Portable Computing Language")
                ? Device.HostMemory.SAME
                : Device.HostMemory.MAPPED;
    }

    private static DeviceInfo.Type type(long bits) {
        if ((bits & CL.CL_DEVICE_TYPE_GPU) != 0) {
            return DeviceInfo.Type.GPU;
        }
        if ((bits & CL.CL_DEVICE_TYPE_ACCELERATOR) != 0) {
            return DeviceInfo.Type.ACCELERATOR;
        }
        return (bits & CL.CL_DEVICE_TYPE_CPU) != 0 ? DeviceInfo.Type.CPU : DeviceInfo.Type.OTHER;
    }

    private static @Nullable String unusable(cl_device_id id, String version) {
        Matcher matcher = VERSION.matcher(version);
        if (!matcher.matches()) {
            return "its version is not readable: '" + version + "'";
        }
        int major = Integer.parseInt(matcher.group(1));
        int minor = Integer.parseInt(matcher.group(2));
        if (major == 1 && minor < 2) {
            return "OpenCL 1.2 is needed: " + version;
        }
        if (number(id, CL.CL_DEVICE_AVAILABLE) == 0) {
            return "the driver says that it is not available";
        }
        if (number(id, CL.CL_DEVICE_COMPILER_AVAILABLE) == 0) {
            return "it has no compiler for OpenCL C";
        }
        boolean littleEndian = number(id, CL.CL_DEVICE_ENDIAN_LITTLE) != 0;
        if (littleEndian != (ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN)) {
            return "its byte order is not the host's";
        }
        return null;
    }

    private static String platformString(cl_platform_id platform, int parameter) {
        long[] size = new long[1];
        Calls.clGetPlatformInfo(platform, parameter, 0, null, size);
        byte[] text = new byte[Math.toIntExact(size[0])];
        Calls.clGetPlatformInfo(platform, parameter, text.length, Pointer.to(text), null);
        return text(text);
    }

    private static String string(cl_device_id id, int parameter) {
        long[] size = new long[1];
        Calls.clGetDeviceInfo(id, parameter, 0, null, size);
        byte[] text = new byte[Math.toIntExact(size[0])];
        Calls.clGetDeviceInfo(id, parameter, text.length, Pointer.to(text), null);
        return text(text);
    }

    private static String text(byte[] terminated) {
        return new String(terminated, StandardCharsets.UTF_8).replace("\0", "").strip();
    }

    /** A number of 1, 4 or 8 bytes; the driver says how many. */
    static long number(cl_device_id id, int parameter) {
        byte[] bytes = new byte[Long.BYTES];
        Calls.clGetDeviceInfo(id, parameter, sizeOf(id, parameter), Pointer.to(bytes), null);
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong();
    }

    private static long sizeOf(cl_device_id id, int parameter) {
        long[] size = new long[1];
        Calls.clGetDeviceInfo(id, parameter, 0, null, size);
        if (size[0] > Long.BYTES) {
            throw new IllegalStateException(
                    "device parameter %d is no number: %s bytes".formatted(parameter, Arrays.toString(size)));
        }
        return size[0];
    }
}
