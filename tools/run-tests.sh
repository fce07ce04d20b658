#!/bin/sh
# Every test, twice where it is a unit test (plain and under ASan+UBSan), and the end-to-end tests; the last line counts.
# run-tests.sh BUILD BUILD_ASAN
set -u
build=$1
asan=$2
root=$(cd "$(dirname "$0")/.." && pwd)
export SC_SHARED="${SC_SHARED:-$root/../shared}"
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1}"
[ -d "$SC_SHARED" ] || echo "No folder $SC_SHARED: tests on recorded data will say that they skip."

echo "== unit tests"
meson test -C "$build" --no-rebuild --print-errorlogs
echo "== unit tests under ASan and UBSan"
meson test -C "$asan" --no-rebuild --print-errorlogs --timeout-multiplier 4

echo "== end-to-end tests"
SC_BIN="$(cd "$build/bin" && pwd)" SC_BIN_ASAN="$(cd "$asan/bin" && pwd)" bats --tap --timing "$root"/tests/e2e/*.bats | tee "$build/e2e.tap"

python3 - "$build/meson-logs/testlog.json" "$asan/meson-logs/testlog.json" "$build/e2e.tap" <<'PY'
import json, re, sys
passed = failed = skipped = 0
for path in sys.argv[1:3]:
    try:
        results = [json.loads(line)["result"] for line in open(path)]
    except OSError:
        print("no results:", path)
        failed += 1
        continue
    passed += sum(r in ("OK", "EXPECTEDFAIL") for r in results)
    skipped += sum(r == "SKIP" for r in results)
    failed += sum(r not in ("OK", "EXPECTEDFAIL", "SKIP") for r in results)
plan = done = 0
for line in open(sys.argv[3]):
    if re.match(r"1\.\.\d+$", line):
        plan += int(line[3:])
    elif line.startswith("ok "):
        done += 1
        skipped += " # skip" in line
        passed += " # skip" not in line
    elif line.startswith("not ok "):
        done += 1
        failed += 1
if plan == 0 or done != plan:
    print("end-to-end tests: %d planned, %d run" % (plan, done))
    failed += 1
print("%d passed, %d failed" % (passed, failed) + (", %d skipped" % skipped if skipped else ""))
sys.exit(failed != 0)
PY
