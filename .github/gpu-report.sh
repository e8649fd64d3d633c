#!/usr/bin/env bash
# Compiles the forward kernels for four GPUs that need not be here, at the constants that the library would choose for
# real layers, and writes what the compilers say into the note. Fails if a kernel spills registers or does not compile.
# Wants the packages clang-15 libclc-15 libclc-15-dev intel-opencl-icd and, of NVIDIA's toolkit, ptxas, and says which of
# them is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
mvn -q -B -ntp package -DskipTests
java -cp "target/test-classes:target/classes:target/lib/*" io.github.tconv.opencl.GpuReport \
  native-notes/0012-gpus-without-a-gpu.md
