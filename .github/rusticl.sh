#!/usr/bin/env bash
# Runs the gate on Mesa's rusticl over llvmpipe as the only driver, and then a few layers on PoCL and rusticl as one device,
# whose bits must be those of PoCL alone. `.github/rusticl.sh --beside` runs the latter only. Needs the packages
# mesa-opencl-icd, libclc-15 and pocl-opencl-icd.
set -euo pipefail
cd "$(dirname "$0")/.."

icd=$(find /usr/lib /usr/local/lib -name 'libRusticlOpenCL.so.1' -print -quit)
if [ -z "$icd" ]; then
  echo "rusticl.sh: no libRusticlOpenCL.so.1: apt-get install mesa-opencl-icd libclc-15" >&2
  exit 2
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/vendors"
echo "$icd" >"$work/vendors/rusticl.icd"
# Its own cache would hide what its compiler makes of the kernels of today.
export RUSTICL_ENABLE=llvmpipe OCL_ICD_VENDORS="$work/vendors/" MESA_SHADER_CACHE_DISABLE=true
if [ "${1:-}" != --beside ]; then
  ./verify -Dtconv.wholeCatalogue=true "$@"
fi

pocl=$(find /usr/lib /usr/local/lib -name 'libpocl.so.2*' -print -quit)
if [ -z "$pocl" ]; then
  echo "rusticl.sh: no libpocl.so.2: apt-get install pocl-opencl-icd" >&2
  exit 2
fi
echo "$pocl" >"$work/vendors/pocl.icd"
mvn -q -B -ntp test-compile dependency:build-classpath -Dspotless.check.skip=true \
  -Dmdep.includeScope=test -Dmdep.outputFile=target/kinds-classpath.txt
# Keeps Java's handler of SIGSEGV from PoCL's compiler: see ./tconv.
chain=$(java -XshowSettings:properties -version 2>&1 | sed -n 's/^ *java.home = //p')/lib/libjsig.so
[ -r "$chain" ] || chain=
# Their kernels take rusticl's compiler half a minute each, others up to some minutes; without a cache it compiles for every
# launch.
LD_PRELOAD=$chain TCONV_PROGRAM_CACHE=off MESA_SHADER_CACHE_DISABLE=false MESA_SHADER_CACHE_DIR=$work/cache java -cp "target/test-classes:target/classes:$(cat target/kinds-classpath.txt)" \
  io.github.tconv.opencl.KindsRun portable,rusticl \
  n16_ic2_oc2_i64x64_k3x3_p1x1 n512_ic3_oc5_i4x6_k3x5_s1x2_d2x3_p2x4_op0x1
