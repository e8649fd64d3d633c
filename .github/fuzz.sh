#!/usr/bin/env bash
# Fuzzes every reader with Jazzer, some seconds each (600 unless said otherwise): .github/fuzz.sh [seconds [target...]]
# A finding stays in target/fuzz/<target>; what was repaired goes to src/test/fuzz/<target>, which FuzzTest reads.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-600}
shift || true
declare -A classes=(
  [npy]='io.github.tconv.io.FileFuzz$OfNpy'
  [safetensors]='io.github.tconv.io.FileFuzz$OfSafetensors'
  [picture]='io.github.tconv.io.FileFuzz$OfPicture'
  [programs]='io.github.tconv.opencl.CacheFuzz$OfPrograms'
  [ledger]='io.github.tconv.opencl.CacheFuzz$OfLedger'
  [descriptor]=io.github.tconv.op.DescriptorFuzz
  [command-line]=io.github.tconv.cli.CommandLineFuzz
)
if [ $# -eq 0 ]; then
  set -- npy safetensors picture programs ledger descriptor command-line
fi

mvn -q -B -ntp -Pfuzz test-compile dependency:build-classpath -Dspotless.check.skip=true \
  -Dmdep.includeScope=runtime -Dmdep.outputFile=target/fuzz-classpath.txt
root=$PWD
failed=0
for target in "$@"; do
  folder=$root/target/fuzz/$target
  mkdir -p "$folder/corpus"
  echo "fuzz.sh: $target for $seconds s"
  # A small heap and little direct memory: what a file makes a reader take beyond its own size is a finding. The module
  # options are for Jazzer's own agent.
  if ! (cd "$folder" && java -Xmx512m -XX:MaxDirectMemorySize=64m \
    -cp "$root/target/test-classes:$root/target/classes:$(cat "$root/target/fuzz-classpath.txt")" \
    com.code_intelligence.jazzer.Jazzer --target_class="${classes[$target]}" \
    --instrumentation_includes='io.github.tconv.**' --custom_hook_includes='io.github.tconv.**' \
    corpus "$root/src/test/fuzz/$target" \
    -max_total_time="$seconds" -timeout=20 -max_len=4096 -print_final_stats=1 >"$folder/log" 2>&1); then
    failed=1
    echo "fuzz.sh: $target: a finding, see $folder" >&2
  fi
  grep -aE '^stat::number_of_executed_units|^#[0-9]+.*DONE' "$folder/log" || tail -n 20 "$folder/log"
done
exit "$failed"
