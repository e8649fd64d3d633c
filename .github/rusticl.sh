#!/usr/bin/env bash
# Runs the gate on Mesa's rusticl over llvmpipe as the only driver. Needs the packages mesa-opencl-icd and libclc-15.
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
./verify -Dtconv.wholeCatalogue=true "$@"
