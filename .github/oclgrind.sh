#!/usr/bin/env bash
# Runs every kernel over the small catalogue on Oclgrind, which simulates a device and reports data races, accesses out of
# bounds and wrong API calls; the variants for GPUs also where no rule chooses them. Fails on any finding. Needs the
# package oclgrind. Its check for uninitialised reads is off: it takes a tensor used in place for uninitialised, and
# forgets the size of memory that is used again (native-notes/0012).
set -euo pipefail
cd "$(dirname "$0")/.."

icd=$(find /usr/lib /usr/local/lib -name liboclgrind-rt-icd.so -print -quit)
if [ -z "$icd" ]; then
  echo "oclgrind.sh: no liboclgrind-rt-icd.so: apt-get install oclgrind" >&2
  exit 2
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/vendors"
echo "$icd" > "$work/vendors/oclgrind.icd"

# As a driver, because `oclgrind java ...` crashes.
export OCL_ICD_VENDORS="$work/vendors/" OCLGRIND_DATA_RACES=1 OCLGRIND_CHECK_API=1 OCLGRIND_LOG="$work/findings"
./tconv verify --small --device opencl && differs=0 || differs=$?
mvn -q -B -ntp test -Dtest=GpuVariantTest -Dtconv.wholeCatalogue=true || differs=$?

# The process exits with 0 whatever Oclgrind finds.
if [ -s "$work/findings" ]; then
  echo "oclgrind.sh: findings:" >&2
  cat "$work/findings" >&2
  exit 1
fi
[ "$differs" -eq 0 ] || exit "$differs"
echo "oclgrind.sh: no findings"
