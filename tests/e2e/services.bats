#!/usr/bin/env bats
# Real clients against running services; hostile ones too.
load common

# A system that stays up for the tests: services started from the identities of a small demo.
setup_file() {
    export OUT="$BATS_FILE_TMPDIR/out"
    securecloud demo --customers 3 --days 2 --seed 2 --out "$OUT" > "$BATS_FILE_TMPDIR/demo.txt" 2>&1
    export PIDS=
    for service in cascadb mdc authenticator-1 authenticator-2 aggregator simulator; do
        securecloud "${service%-[0-9]}" --identity "$OUT/system/services/$service" > "$BATS_FILE_TMPDIR/$service.log" 2>&1 3>&- &
        PIDS="$PIDS $!"
        http=$(port "$OUT" $service http)
        for _ in $(seq 100); do
            curl -fs --max-time 1 "http://127.0.0.1:$http/healthz" >/dev/null && break
            sleep 0.05
        done
    done
}

teardown_file() {
    kill $PIDS 2>/dev/null
    wait
}

metric() { # SERVICE NAME{LABELS}
    curl -fs "http://127.0.0.1:$(port "$OUT" "$1" http)/metrics" | grep -F "$2 " | awk '{print $NF}'
}

s_client() { # SERVICE-PORT args...
    local p=$1
    shift
    openssl s_client -connect "127.0.0.1:$p" -CAfile "$OUT/system/ca/ca.pem" -verify_return_error "$@" </dev/null 2>&1
}

@test "every service answers /healthz and /metrics" {
    for service in cascadb mdc authenticator-1 authenticator-2 aggregator simulator; do
        http=$(port "$OUT" $service http)
        [ "$(curl -fs "http://127.0.0.1:$http/healthz")" = ok ]
        curl -fs "http://127.0.0.1:$http/metrics" | grep -q "^# TYPE securecloud_"
        [ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$http/secrets")" = 404 ]
    done
}

@test "openssl s_client with the right certificate reaches a service, over TLS 1.3" {
    id="$OUT/system/services/authenticator-1"
    run s_client "$(port "$OUT" mdc listen)" -cert "$id/cert.pem" -key "$id/key.pem" -quiet -no_ign_eof
    echo "$output"
    [ "$status" = 0 ]
    run s_client "$(port "$OUT" mdc listen)" -cert "$id/cert.pem" -key "$id/key.pem"
    [[ "$output" == *"TLSv1.3"* ]]
    [[ "$output" == *"Verification: OK"* ]]
}

# With TLS 1.3 the client's handshake ends before the server has judged its certificate: the refusal arrives on the
# first read.
refused() { # PORT args...
    local p=$1
    shift
    (sleep 1) | timeout 10 openssl s_client -connect "127.0.0.1:$p" -CAfile "$OUT/system/ca/ca.pem" "$@" 2>&1 |
        grep -E "alert (certificate required|unknown ca|bad certificate)|tlsv13 alert|tlsv1 alert|alert protocol version"
}

@test "without a client certificate every TLS service refuses" {
    for service in mdc authenticator-1 authenticator-2; do
        refused "$(port "$OUT" $service listen)"
    done
    refused "$(port "$OUT" cascadb listen)" -starttls postgres
}

@test "a certificate of another CA is refused" {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$BATS_TEST_TMPDIR/k.pem" -out "$BATS_TEST_TMPDIR/c.pem" \
        -days 2 -subj "/CN=mallory" -addext "subjectAltName=URI:spiffe://securecloud.local/authenticator-1" 2>/dev/null
    refused "$(port "$OUT" mdc listen)" -cert "$BATS_TEST_TMPDIR/c.pem" -key "$BATS_TEST_TMPDIR/k.pem"
}

@test "TLS 1.2 is refused" {
    id="$OUT/system/services/authenticator-1"
    refused "$(port "$OUT" mdc listen)" -tls1_2 -cert "$id/cert.pem" -key "$id/key.pem"
}

psql_as() { # IDENTITY args...
    local id="$OUT/system/services/$1"
    shift
    chmod 600 "$id/key.pem"
    psql "host=localhost hostaddr=127.0.0.1 port=$(port "$OUT" cascadb listen) dbname=securecloud user=x sslmode=verify-full sslcert=$id/cert.pem sslkey=$id/key.pem sslrootcert=$id/ca.pem" -v ON_ERROR_STOP=1 -At "$@"
}

@test "psql reads the data; the auditor may read and not write" {
    command -v psql >/dev/null || skip "no psql"
    [ "$(psql_as auditor -c 'SELECT count(*) FROM reading')" = 288 ]
    [ "$(psql_as auditor -c 'SELECT count(*) FROM customer')" = 3 ]
    run psql_as auditor -c 'DELETE FROM reading'
    echo "$output"
    [ "$status" != 0 ]
    [ "$(psql_as auditor -c 'SELECT count(*) FROM reading')" = 288 ]
}

@test "an identity without rights in the database is refused" {
    command -v psql >/dev/null || skip "no psql"
    run psql_as aggregator -c 'SELECT 1'
    echo "$output"
    [ "$status" != 0 ]
    [[ "$output" != *"1"$'\n'* ]]
}

@test "securecloud sql answers as table, JSON and CSV" {
    id="$OUT/system/services/auditor"
    run securecloud sql --identity "$id" --format json -c "SELECT client_id, name FROM customer ORDER BY client_id LIMIT 1"
    echo "$output"
    [ "$status" = 0 ]
    echo "$output" | python3 -c 'import json, sys; rows = json.load(sys.stdin); assert rows[0]["client_id"] == 1, rows'
    run securecloud sql --identity "$id" --format csv -c "SELECT client_id FROM customer ORDER BY client_id"
    [ "${lines[0]}" = client_id ]
    [ "${lines[3]}" = 3 ]
    run securecloud sql --identity "$id" -c "SELECT nonsense FROM customer"
    [ "$status" = 1 ]
}

@test "a load order reaches the meter, and the meter answers" {
    run securecloud load disconnect --identity "$OUT/system/services/operator" --meter 10000001 --wait 20
    echo "$output"
    [ "$status" = 0 ]
    [[ "$output" == *"connected -> disconnected"* ]]
    run securecloud load reconnect --identity "$OUT/system/services/operator" --meter 10000001 --wait 20
    echo "$output"
    [ "$status" = 0 ]
    [[ "$output" == *"disconnected -> connected"* ]]
}

@test "a load order that the operator did not sign is refused by the meter" {
    # The MDC may write to the database, but its key is not the operator's.
    run securecloud load disconnect --identity "$OUT/system/services/mdc" --meter 10000002 --wait 20
    echo "$output"
    [ "$status" = 1 ]
    [[ "$output" == *"signature"* ]]
}

@test "malformed messages are counted, and the connection's neighbours are undisturbed" {
    before=$(metric aggregator 'securecloud_aggregator_messages_total{result="malformed"}')
    python3 - "$(port "$OUT" aggregator listen)" <<'PY'
import socket, struct, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for message in (b"", b"SM", b"\0" * 300, b"GET / HTTP/1.1\r\n\r\n", bytes(range(256))):
    s.sendall(struct.pack(">I", len(message)) + message)
s.close()
t = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
t.sendall(struct.pack(">I", 0xffffffff))            # a length beyond all bounds: this line is cut
t.settimeout(5)
assert t.recv(1) == b""
PY
    sleep 0.5
    after=$(metric aggregator 'securecloud_aggregator_messages_total{result="malformed"}')
    echo "$before -> $after"
    [ "$after" -ge $((before + 4)) ]
    [ "$(curl -fs "http://127.0.0.1:$(port "$OUT" aggregator http)/healthz")" = ok ]
    run securecloud load query --identity "$OUT/system/services/operator" --meter 10000003 --wait 20
    echo "$output"
    [ "$status" = 0 ]
}

@test "an envelope of an unknown meter, and a forged one of a known meter, are refused and counted" {
    python3 - "$(port "$OUT" aggregator listen)" <<'PY'
import os, socket, struct, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def envelope(serial):
    payload = os.urandom(40)
    header = b"SM" + bytes([1, 6, 0, 0]) + struct.pack(">I", serial) + os.urandom(32) + struct.pack(">qQQIII", 0, 0, 1, 1, 0, len(payload))
    return header + payload + os.urandom(16)
for serial in (99999999, 10000001):
    message = envelope(serial)
    s.sendall(struct.pack(">I", len(message)) + message)
s.close()
PY
    sleep 1
    unknown=0 forged=0
    for a in authenticator-1 authenticator-2; do
        unknown=$((unknown + $(metric $a 'securecloud_authenticator_refused_total{reason="unknown_meter"}')))
        forged=$((forged + $(metric $a 'securecloud_authenticator_refused_total{reason="not_authentic"}')))
    done
    [ "$unknown" -ge 1 ]
    [ "$forged" -ge 1 ]
}

@test "no reading and no key is in the clear on disk or in a log" {
    # The household's name stands in the database; its bytes must not stand in the volume.
    name=$(psql_as auditor -c 'SELECT name FROM customer WHERE client_id = 1')
    [ -n "$name" ]
    ! grep -rqF "$name" "$OUT/system/volume"
    key=$(xxd -p -c 64 "$OUT/system/services/cascadb/kvs-root.key" 2>/dev/null || od -An -tx1 "$OUT/system/services/cascadb/kvs-root.key" | tr -d ' \n')
    ! grep -rqi "$key" "$OUT/logs"
}

@test "SIGTERM stops every service cleanly" {
    for p in $PIDS; do kill "$p"; done
    for _ in $(seq 100); do
        alive=0
        for p in $PIDS; do kill -0 "$p" 2>/dev/null && alive=1; done
        [ $alive = 0 ] && break
        sleep 0.1
    done
    [ $alive = 0 ]
    for service in cascadb mdc authenticator-1 aggregator simulator; do
        tail -3 "$BATS_FILE_TMPDIR/$service.log"
        ! grep -qE "ERROR|AddressSanitizer|assertion" "$BATS_FILE_TMPDIR/$service.log"
        grep -q "stopping on request" "$BATS_FILE_TMPDIR/$service.log"
    done
}
