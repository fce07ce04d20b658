#!/bin/sh
# libFuzzer with ASan and UBSan on every target (whose name begins with PREFIX): fuzz.sh SECONDS [PREFIX]
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build="$root/build-fuzz"
failed=""
[ -f "$build/build.ninja" ] || CC=clang meson setup "$build" "$root" -Dfuzzing=true -Db_sanitize=address,undefined -Db_lundef=false >/dev/null
ninja -C "$build" --quiet
for target in "$build/tests/fuzz/fuzz_${2:-}"*; do
    case $target in *.p | *_corpus) continue ;; esac
    [ -x "$target" ] || continue
    name=$(basename "$target")
    mkdir -p "$build/corpus/$name"
    seeds="$root/tests/fuzz/corpus/${name#fuzz_}"
    echo "== $name, $1 s"
    log="$build/$name.log"
    if ! "$target" -max_total_time="$1" -rss_limit_mb=2048 -timeout=5 -print_final_stats=1 "$build/corpus/$name" \
        $([ -d "$seeds" ] && echo "$seeds") >"$log" 2>&1; then
        failed="$failed $name"
    fi
    tail -3 "$log"
done
[ -z "$failed" ] || { echo "fuzz: FAILED:$failed (build-fuzz/NAME.log)"; exit 1; }
