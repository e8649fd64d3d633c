#!/usr/bin/env bash
# Runs every kernel over small problems on Oclgrind, which simulates a device and reports data races, accesses out of
# bounds, uninitialised reads and wrong API calls: all variants, also where no rule chooses them, those for processors with
# vectors of 8 and 16 floats. Fails on any finding, and if Oclgrind does not find the bugs that it is given first.
# About half an hour on one thread; .github/oclgrind.sh REGEX runs the variants of some names, `16 lanes, winograd.*` for
# instance. Needs the package oclgrind.
set -euo pipefail
cd "$(dirname "$0")/.."

die() {
  echo "oclgrind.sh: $*" >&2
  exit 1
}

icd=$(find /usr/lib /usr/local/lib -name liboclgrind-rt-icd.so -print -quit)
[ -n "$icd" ] || die "no liboclgrind-rt-icd.so: apt-get install oclgrind"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/vendors"
echo "$icd" >"$work/vendors/oclgrind.icd"

mvn -q -B -ntp test-compile dependency:build-classpath -Dspotless.check.skip=true \
  -Dmdep.includeScope=test -Dmdep.outputFile=target/oclgrind-classpath.txt
classes=target/test-classes:target/classes:$(cat target/oclgrind-classpath.txt)

# As a driver, because `oclgrind java ...` crashes; on one thread, since its own disturb each other; with as much local
# memory as PoCL has. A cached program would not be the kernel of now. Findings come on the standard error: every context
# would begin the file of OCLGRIND_LOG anew.
export OCL_ICD_VENDORS="$work/vendors/" OCLGRIND_DATA_RACES=1 OCLGRIND_CHECK_API=1 OCLGRIND_NUM_THREADS=1 \
  OCLGRIND_LOCAL_MEM_SIZE=1048576 TCONV_PROGRAM_CACHE=off

# Keeps Java's handler of SIGSEGV from the compiler in Oclgrind: see ./tconv.
chain=$(java -XshowSettings:properties -version 2>&1 | sed -n 's/^ *java.home = //p')/lib/libjsig.so
[ -r "$chain" ] || chain=

# simulated CLASS ARGUMENT...: what it says on the standard error is a finding, but for its compiler's count of warnings.
simulated() {
  local ended=0
  LD_PRELOAD=$chain java -cp "$work:$classes" "io.github.tconv.$1" "${@:2}" 2>"$work/said" || ended=$?
  grep -vE '^([0-9]+ warnings? generated\.)?$' "$work/said" >>"$work/findings" || true
  return "$ended"
}

# planted SAYS RUN PROBLEM FILE FIND WITH: with a bug in a kernel, Oclgrind says so.
planted() {
  local source
  source=$(<"kernels/$4.cl")
  [ "${source/"$5"/}" != "$source" ] || die "no longer in $4.cl: $5"
  mkdir -p "$work/io/github/tconv/kernels"
  echo "${source/"$5"/"$6"}" >"$work/io/github/tconv/kernels/$4.cl"
  rm -f "$work/findings"
  # It computes wrong, too.
  OCLGRIND_UNINITIALIZED=1 simulated opencl.OclgrindRun "$2" "$3" >/dev/null || true
  rm "$work/io/github/tconv/kernels/$4.cl"
  grep -F "$1" "$work/findings" >/dev/null || die "not found, with '$6' for '$5' in $4.cl: $1"
  echo "oclgrind.sh: found: $(grep -Fc "$1" "$work/findings") x $1 ($2, $3)"
}

barrier='barrier(CLK_LOCAL_MEM_FENCE);'
planted 'race' 'fresh, tile, large' ic16_oc8_i3_k1 forward_tile "                    $barrier" ''
planted 'Invalid read' 'fresh, thin, small' ic2_oc1_i62_k3 forward_thin 'max(ih, 0)) * IW + max(iw, 0)' 'ih) * IW + iw'
planted 'Uninitialized' 'fresh, tile, large' ic3_oc8_i3_k1 forward_tile '(group < GROUPS)' '(icg < IC_PER_GROUP)'
rm -f "$work/findings"

differs=0
simulated cli.Main verify --small --device opencl || differs=$?
simulated opencl.OclgrindRun "${1:-(gpu|8 lanes|16 lanes|elementwise).*}" || differs=$?
# It takes a tensor in place for uninitialised, and long vectors end it.
OCLGRIND_UNINITIALIZED=1 simulated opencl.OclgrindRun 'fresh, .*' || differs=$?

# The process exits with 0 whatever Oclgrind finds.
if [ -s "$work/findings" ]; then
  echo "oclgrind.sh: findings:" >&2
  cat "$work/findings" >&2
  exit 1
fi
[ "$differs" -eq 0 ] || exit "$differs"
echo "oclgrind.sh: no findings"
