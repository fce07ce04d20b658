#!/usr/bin/env bats
# An installation without the demo, as docs/operating.md says; and the aggregator while nobody is there to listen.
load common

healthy() { # SERVICE
    for _ in $(seq 100); do
        curl -fs --max-time 1 "http://127.0.0.1:$(port "$OUT" "$1" http)/healthz" >/dev/null && return 0
        sleep 0.1
    done
    cat "$OUT/$1.log"
    return 1
}

start() { # SERVICE
    securecloud "${1%-[0-9]}" --identity "$OUT/system/services/$1" >> "$OUT/$1.log" 2>&1 3>&- &
    echo $! > "$OUT/$1.pid"
}

waiting() { # until the spool holds N messages
    for _ in $(seq 100); do
        [ "$(curl -fs "http://127.0.0.1:$(port "$OUT" aggregator http)/metrics" | awk '/^securecloud_aggregator_spool_messages /{print $2}')" = "$1" ] && return 0
        sleep 0.1
    done
    return 1
}

setup() {
    OUT="$BATS_TEST_TMPDIR"
    securecloud init --dir "$OUT/system" --authenticators 1
}

teardown() {
    for f in "$OUT"/*.pid; do kill "$(cat "$f")" 2>/dev/null; done
    wait
}

@test "a new installation starts in any order and makes its tables" {
    start authenticator-1
    start aggregator
    start mdc
    start cascadb
    for service in cascadb mdc authenticator-1 aggregator; do healthy $service; done
    run securecloud sql --identity "$OUT/system/services/operator" --format csv -c "SELECT count(*) AS n FROM reading"
    echo "$output"
    [ "${lines[1]}" = 0 ]
}

@test "without an authenticator messages wait on disk, through kill -9, and go on when one is back" {
    start aggregator
    healthy aggregator
    python3 - "$(port "$OUT" aggregator listen)" <<'PY'
import os, socket, struct, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for serial in (10000001, 10000002, 10000003):
    payload = os.urandom(40)
    message = (b"SM" + bytes([1, 6, 0, 0]) + struct.pack(">I", serial) + os.urandom(32)
               + struct.pack(">qQQIII", 0, 0, 1, 1, 0, len(payload)) + payload + os.urandom(16))
    s.sendall(struct.pack(">I", len(message)) + message)
s.close()
PY
    waiting 3
    kill -9 "$(cat "$OUT/aggregator.pid")"
    start aggregator
    healthy aggregator
    waiting 3
    start cascadb
    start mdc
    start authenticator-1
    healthy authenticator-1
    waiting 0
    [ "$(curl -fs "http://127.0.0.1:$(port "$OUT" authenticator-1 http)/metrics" | awk '/^securecloud_authenticator_messages_total /{print $2}')" -ge 1 ]
}

@test "numbers on the command line are read whole or refused" {
    run securecloud init --dir "$OUT/other" --base-port 70000
    [ "$status" = 2 ]
    [[ "$output" == *"base-port"* ]]
    run securecloud load query --identity "$OUT/system/services/operator" --meter 12x
    [ "$status" = 2 ]
    [[ "$output" == *"12x"* ]]
}
