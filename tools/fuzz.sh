#!/bin/sh
# libFuzzer with ASan and UBSan on every target: fuzz.sh SECONDS
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build="$root/build-fuzz"
[ -f "$build/build.ninja" ] || CC=clang meson setup "$build" "$root" -Dfuzzing=true -Db_sanitize=address,undefined -Db_lundef=false >/dev/null
ninja -C "$build" --quiet
for target in "$build"/tests/fuzz/fuzz_*; do
    case $target in *.p | *_corpus) continue ;; esac
    [ -x "$target" ] || continue
    name=$(basename "$target")
    mkdir -p "$build/corpus/$name"
    seeds="$root/tests/fuzz/corpus/${name#fuzz_}"
    echo "== $name, $1 s"
    "$target" -max_total_time="$1" -rss_limit_mb=2048 -timeout=5 -print_final_stats=1 "$build/corpus/$name" $([ -d "$seeds" ] && echo "$seeds") 2>&1 | tail -3
done
