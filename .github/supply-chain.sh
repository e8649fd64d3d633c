#!/usr/bin/env bash
# Builds the jar twice, the second time from a copy in another folder, and fails unless both have the same bytes. With
# --release also the bill of materials (target/bom.json) and the API's pages (target/reports/apidocs).
set -euo pipefail
cd "$(dirname "$0")/.."

flags=(-q -B -ntp -Dmaven.test.skip=true -Dspotless.check.skip=true)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ "${1:-}" = --release ]; then
  # What the tests wrote about bugs and faults outlives the cleaning.
  mkdir "$work/tables"
  find target -maxdepth 1 -name '*.md' -exec cp {} "$work/tables" \; 2>/dev/null || true
  mvn "${flags[@]}" -Prelease clean verify
  cp -R "$work/tables/." target
  [ -s target/bom.json ] || { echo "supply-chain.sh: no target/bom.json" >&2; exit 1; }
  [ -f target/reports/apidocs/index.html ] || { echo "supply-chain.sh: no API pages" >&2; exit 1; }
else
  mvn "${flags[@]}" package
fi

copy=$work/copy
mkdir "$copy"
cp -R pom.xml LICENSE kernels src "$copy"
[ ! -d .mvn ] || cp -R .mvn "$copy"
(cd "$copy" && mvn "${flags[@]}" package)
for jar in target/tconv.jar "$copy/target/tconv.jar"; do
  (cd "$(dirname "$jar")" && sha256sum tconv.jar)
done
cmp target/tconv.jar "$copy/target/tconv.jar" || {
  echo "supply-chain.sh: two builds differ" >&2
  exit 1
}
"${JAVA_HOME:+$JAVA_HOME/bin/}jar" tf target/tconv.jar | grep -F META-INF/LICENSE >/dev/null || {
  echo "supply-chain.sh: the jar has no licence" >&2
  exit 1
}
echo "supply-chain.sh: two builds, the same bytes"
