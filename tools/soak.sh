#!/bin/sh
# The engine's proof suites at their full sizes (docs/testing-kvs.md): soak.sh BUILD BUILD_TSAN [SUITE...]
# Suites that can be shared out run in as many processes as there are cores.  Then threads under ThreadSanitizer, the fuzz
# targets (FUZZ_SECONDS each), and the mutation check.  With names of suites: those only.  Logs: BUILD/soak/.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
build=$1
tsan=$2
shift 2
only=$*
logs=$build/soak
cores=$(nproc)
failed=""
mkdir -p "$logs"
export SC_SOAK=1

wanted() {
    [ -z "$only" ] && return 0
    for w in $only; do [ "$w" = "$1" ] && return 0; done
    return 1
}

# suite NAME SHARDS BINARY: all shards at once; their last words
suite() {
    wanted "$1" || return 0
    echo "== $1, $2 process(es), since $(date +%H:%M:%S)"
    pids=""
    i=0
    while [ "$i" -lt "$2" ]; do
        SC_SOAK_SHARD=$i/$2 "$3" >"$logs/$1.$i.log" &
        pids="$pids $!"
        i=$((i + 1))
    done
    ok=1
    for pid in $pids; do wait "$pid" || ok=0; done
    cat "$logs/$1".*.log | grep -v '^\[' # what each injected and noticed
    if [ $ok = 0 ]; then
        failed="$failed $1"
        echo "== $1 FAILED: $logs/$1.*.log"
    fi
}

for name in random powercut iofaults torn flips replay anchor nonces memory; do
    suite $name "$cores" "$build/tests/kvs/test_kvs_$name"
done
for name in killpoints history; do
    suite $name 1 "$build/tests/kvs/test_kvs_$name"
done

export TSAN_OPTIONS="${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1}"
for name in history threads random powercut; do
    wanted "tsan" || continue
    echo "== $name under ThreadSanitizer"
    SC_SOAK="" "$tsan/tests/kvs/test_kvs_$name" >"$logs/tsan-$name.log" 2>&1 || failed="$failed tsan-$name"
    grep -v '^\[' "$logs/tsan-$name.log" | tail -20
done

if wanted fuzz; then
    "$root/tools/fuzz.sh" "${FUZZ_SECONDS:-300}" kvs_ || failed="$failed fuzz"
fi
if wanted mutants; then
    SC_SOAK="" "$root/tests/kvs/mutation.py" || failed="$failed mutants"
fi

if [ -n "$failed" ]; then
    echo "soak: FAILED:$failed"
    exit 1
fi
echo "soak: all passed"
