#!/usr/bin/env bats
# kill -9 of any one service in the middle of the run: the same bills, hash for hash.
load common

ARGS="--customers 12 --days 14 --seed 21"

setup_file() {
    securecloud demo $ARGS --out "$BATS_FILE_TMPDIR/plain" > "$BATS_FILE_TMPDIR/plain.txt" 2>&1
}

# Runs the demo, kills SERVICE once the MDC has stored some readings but not all, and compares.
survives() {
    out="$BATS_TEST_TMPDIR/out"
    securecloud demo $ARGS --out "$out" > "$BATS_TEST_TMPDIR/log" 2>&1 &
    demo=$!
    killed=
    for _ in $(seq 600); do
        sleep 0.05
        kill -0 $demo 2>/dev/null || break
        [ -s "$out/services.json" ] || continue
        simulator=$(port "$out" simulator http 2>/dev/null) || continue
        acked=$(curl -s --max-time 1 "http://127.0.0.1:$simulator/metrics" | awk '/^securecloud_simulator_acked /{print $2}')
        [ "${acked:-0}" -gt 500 ] || continue
        victim=$(pid "$out" "$1")
        kill -9 "$victim" && killed=$acked
        break
    done
    wait $demo
    status=$?
    cat "$BATS_TEST_TMPDIR/log"
    echo "killed after $killed readings"
    [ -n "$killed" ]
    [ "$killed" -lt 8064 ]
    [ "$status" = 0 ]
    grep -q "1 services had died and were started again" "$BATS_TEST_TMPDIR/log"
    grep -q "audits: 12 passed, 0 failed" "$BATS_TEST_TMPDIR/log"
    [ "$(hashes "$out" | wc -l)" = 12 ]
    diff <(hashes "$BATS_FILE_TMPDIR/plain") <(hashes "$out")
}

@test "CascaDB killed" { survives cascadb; }
@test "the MDC killed" { survives mdc; }
@test "an authenticator killed" { survives authenticator-1; }
@test "the other authenticator killed" { survives authenticator-2; }
@test "the aggregator killed" { survives aggregator; }
@test "the field of meters killed" { survives simulator; }
