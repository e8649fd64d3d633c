#!/usr/bin/env bash
# Runs the gate on Mesa's rusticl over llvmpipe as the only driver. Needs the packages mesa-opencl-icd and libclc-15.
set -euo pipefail
cd "$(dirname "$0")/.."

vendors=$(mktemp -d)
trap 'rm -rf "$vendors"' EXIT
cp /etc/OpenCL/vendors/rusticl.icd "$vendors"
RUSTICL_ENABLE=llvmpipe OCL_ICD_VENDORS="$vendors/" ./verify -Dtconv.wholeCatalogue=true "$@"
