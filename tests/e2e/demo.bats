#!/usr/bin/env bats
# The main job, end to end, as a user runs it.
load common

setup_file() {
    export RUN="$BATS_FILE_TMPDIR/plain"
    run securecloud demo --customers 8 --days 7 --seed 7 --out "$RUN"
    echo "$output" > "$BATS_FILE_TMPDIR/plain.txt"
    echo "$status" > "$BATS_FILE_TMPDIR/plain.status"
}

@test "the demo ends with 0 and leaves bills, audits, a ranking and a report" {
    cat "$BATS_FILE_TMPDIR/plain.txt"
    [ "$(cat "$BATS_FILE_TMPDIR/plain.status")" = 0 ]
    [ -s "$RUN/index.html" ]
    [ -s "$RUN/fraud/ranking.csv" ]
    [ "$(ls "$RUN/bills" | wc -l)" = 8 ]
    [ "$(ls "$RUN/audits" | wc -l)" = 8 ]
    grep -q "audits: 8 passed, 0 failed" "$BATS_FILE_TMPDIR/plain.txt"
    grep -q "Report: $RUN/index.html" "$BATS_FILE_TMPDIR/plain.txt"
}

@test "the demo says per station how many readings it saw, and all were stored" {
    python3 - "$RUN/run.json" <<'PY'
import json, sys
run = json.load(open(sys.argv[1]))
readings = run["customers"] * run["days"] * 86400 // run["interval_s"]
counts = {s["id"]: s["counts"] for s in run["stations"]}
assert counts["mdc"]["readings stored"] == readings, counts
assert counts["meters"]["readings signed"] >= readings, counts
assert counts["authenticator"]["signatures verified"] >= readings, counts
assert "SIMULATED" in run["backend"]
PY
    grep -q "readings signed" "$BATS_FILE_TMPDIR/plain.txt"
    grep -q "SIMULATED" "$BATS_FILE_TMPDIR/plain.txt"
}

@test "the same seed gives the same bills, hash for hash, over another lossy radio" {
    run securecloud demo --customers 8 --days 7 --seed 7 --loss 0.2 --out "$BATS_TEST_TMPDIR/out"
    [ "$status" = 0 ]
    diff <(hashes "$RUN") <(hashes "$BATS_TEST_TMPDIR/out")
    python3 - "$BATS_TEST_TMPDIR/out/run.json" <<'PY'
import json, sys
counts = {s["id"]: s["counts"] for s in json.load(open(sys.argv[1]))["stations"]}
assert counts["meters"]["lost on the air"] > 0, counts
PY
}

@test "the report is one self-contained page and a browser shows it" {
    ! grep -E '(src|href)="(https?:)?//' "$RUN/index.html"
    command -v chromium >/dev/null || skip "no chromium"
    chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
        --disable-component-update --disable-sync --user-data-dir="$BATS_TEST_TMPDIR/profile" --window-size=1280,2400 \
        --screenshot="$BATS_TEST_TMPDIR/report.png" "file://$RUN/index.html" 2>/dev/null
    python3 - "$BATS_TEST_TMPDIR/report.png" <<'PY'
import struct, sys, zlib
data = open(sys.argv[1], "rb").read()
assert data[:8] == b"\x89PNG\r\n\x1a\n"
width, height = struct.unpack(">II", data[16:24])
assert (width, height) == (1280, 2400), (width, height)
idat, at = b"", 8
while at < len(data):
    size, kind = struct.unpack(">I4s", data[at:at + 8])
    if kind == b"IDAT":
        idat += data[at + 8:at + 8 + size]
    at += 12 + size
raw = zlib.decompress(idat)
assert len(set(raw)) > 60, "an empty page"
PY
}

@test "help is there, wrong usage is told and ends with 2" {
    run securecloud --help
    [ "$status" = 0 ]
    [[ "$output" == *"securecloud COMMAND"* ]]
    run securecloud demo --customers many
    [ "$status" = 2 ]
    [[ "$output" == *'"many" is not a number'* ]]
    run securecloud nonsense
    [ "$status" = 2 ]
    run securecloud demo --attack burglary --out "$BATS_TEST_TMPDIR/x"
    [ "$status" = 2 ]
}

@test "a truncated data file is refused with its place" {
    need_shared data/octopus_halfhour_train.csv.gz
    head -c 20000 "$SC_SHARED/data/octopus_halfhour_train.csv.gz" > "$BATS_TEST_TMPDIR/cut.csv.gz"
    run securecloud demo --data "$BATS_TEST_TMPDIR/cut.csv.gz" --out "$BATS_TEST_TMPDIR/out"
    [ "$status" != 0 ]
    [[ "$output" == *"cut.csv.gz"* ]]
}

@test "a folder with other people's files is not overwritten" {
    mkdir "$BATS_TEST_TMPDIR/mine"
    echo keep > "$BATS_TEST_TMPDIR/mine/letter"
    run securecloud demo $SMALL --out "$BATS_TEST_TMPDIR/mine"
    [ "$status" = 2 ]
    [ "$(cat "$BATS_TEST_TMPDIR/mine/letter")" = keep ]
}

@test "it runs on measured quarter hours of large sites" {
    need_shared data/large_15min_train.csv.gz
    run securecloud demo --data "$SC_SHARED/data/large_15min_train.csv.gz" --annual-mwh 500 --days 5 --out "$BATS_TEST_TMPDIR/out"
    echo "$output"
    [ "$status" = 0 ]
    [[ "$output" == *"audits: 10 passed, 0 failed"* ]]
}

@test "it runs on measured half hours of households, with their gaps" {
    need_shared data/octopus_halfhour_train.csv.gz
    run securecloud demo --data "$SC_SHARED/data/octopus_halfhour_train.csv.gz" --customers 20 --out "$BATS_TEST_TMPDIR/out"
    echo "$output"
    [ "$status" = 0 ]
    [[ "$output" == *"audits: 20 passed, 0 failed"* ]]
}

@test "--keep leaves the services up for other clients until it is interrupted" {
    securecloud demo --customers 2 --days 1 --keep --out "$BATS_TEST_TMPDIR/out" > "$BATS_TEST_TMPDIR/log" 2>&1 3>&- &
    demo=$!
    for _ in $(seq 300); do
        grep -q "stay up" "$BATS_TEST_TMPDIR/log" && break
        sleep 0.1
    done
    run securecloud sql --identity "$BATS_TEST_TMPDIR/out/system/services/auditor" --format csv -c "SELECT count(*) AS n FROM reading"
    echo "$output"
    [ "${lines[1]}" = 96 ]
    kill -INT $demo
    wait $demo
    cat "$BATS_TEST_TMPDIR/log"
}
