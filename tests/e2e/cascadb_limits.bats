#!/usr/bin/env bats
# CascaDB's limits and what it remembers: metrics, slow statements, the audit log.
load common
load cascadb

setup_file() {
    cascadb_configure "$BATS_FILE_TMPDIR/db" ', "connections_max": 20, "idle_seconds_max": 2, "statement_seconds_max": 3, "slow_statement_ms": 300,
        "result_bytes_max": 1000000, "connection_memory_bytes": 8000000, "audit": "'"$BATS_FILE_TMPDIR/audit.log"'"'
    cascadb_start
}

teardown_file() {
    cascadb_stop
}

N="WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)"

refusal() { # TEXT SQL: the statement is refused so, and the connection goes on
    run sql "$(as mdc)" -v VERBOSITY=verbose -v ON_ERROR_STOP=0 -c "$2" -c "SELECT 'still here'"
    echo "$output" | cut -c1-300
    [[ "$output" == *"$1"* && "$output" == *"still here"* ]]
}

@test "a statement is bounded in time, memory and result" {
    refusal 57014 "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    refusal 53200 "$N SELECT length(group_concat(printf('%100d', i))) FROM n"
    refusal 54000 "$N SELECT i, 'a row of some bytes' FROM n"
    [[ "$(post "{\"statement\": \"$N SELECT length(group_concat(printf('%100d', i))) FROM n\"}")" == *53200* ]]
    [[ "$(post "{\"statement\": \"$N SELECT i, 'a row of some bytes' FROM n\"}" | tail -c 200)" == *54000* ]]
    # COPY is for what is large
    [ "$(sql "$(as mdc)" -c "COPY ($N SELECT i, 'a row of some bytes' FROM n LIMIT 100000) TO STDOUT" | wc -l)" = 100000 ]
}

@test "an idle connection is told and closed; more connections than allowed are refused, and room comes back" {
    run bash -c "(echo 'SELECT 1;'; sleep 4; echo 'SELECT 2;') | psql -X -q -A -t -v VERBOSITY=verbose '$(as mdc)' 2>&1"
    [[ "$output" == *57P05* || "$output" == *"without a message"* ]]
    /usr/bin/python3 -c 'import psycopg2' || skip "no psycopg2"
    /usr/bin/python3 - "$(as mdc)" <<'PY'
import psycopg2, sys
held = [psycopg2.connect(sys.argv[1]) for _ in range(20)]
try:
    psycopg2.connect(sys.argv[1])
    raise SystemExit("one too many was let in")
except psycopg2.OperationalError as e:
    assert "too many connections" in str(e), e
for c in held: c.close()
PY
    for _ in $(seq 40); do
        sql "$(as mdc)" -c "SELECT 1" > /dev/null 2>&1 && return 0
        sleep 0.05
    done
    return 1
}

@test "slow statements are logged and latencies counted by shape, without literals" {
    sql "$(as mdc)" -c "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 4000000) SELECT 'Maria Souza', max(i) FROM n"
    grep "slow statement who=spiffe://securecloud.local/mdc" "$DB_DIR/log" | grep -q "SELECT ?, max(i) FROM n"
    for i in 1 2 3; do sql "$(by reader)" -c "SELECT 'Joana', $i"; done
    post '{"statement": "SELECT '"'Joana'"', 5"}'
    curl -s "http://127.0.0.1:$HTTP_PORT/metrics" > "$BATS_TEST_TMPDIR/metrics"
    grep -q 'securecloud_cascadb_statement_seconds_count{statement="SELECT ?, ..."} 4' "$BATS_TEST_TMPDIR/metrics"
    ! grep -q "Joana\|Maria" "$BATS_TEST_TMPDIR/metrics" "$DB_DIR/log" "$BATS_FILE_TMPDIR/audit.log"
}

@test "the audit log tells who did what, and its chain is checked" {
    local log="$BATS_FILE_TMPDIR/audit.log"
    run sql "$(by reader)" -c "CREATE TABLE nope(x INTEGER)"
    sql "$(as mdc)" -c "CREATE TABLE audited(x INTEGER)" -c "INSERT INTO audited VALUES(4711)" -c "\\copy (SELECT 4711) TO /dev/null"
    post '{"statement": "SELECT nope"}' > /dev/null
    post '{"statement": "DELETE FROM audited WHERE x = 4711"}' -u "writer:password of writer" > /dev/null
    python3 - "$log" <<'PY'
import json, sys
seen = {(r["who"], r["statement"], r["state"], r["rows"]) for r in map(json.loads, open(sys.argv[1])) if "who" in r}
for wanted in [("reader", "CREATE TABLE nope(x INTEGER)", "25006", 0),
               ("spiffe://securecloud.local/mdc", "INSERT INTO audited VALUES(?)", "00000", 1),
               ("spiffe://securecloud.local/mdc", "COPY ( SELECT ? ) TO STDOUT", "00000", 1),
               ("spiffe://securecloud.local/mdc", "SELECT nope", "42703", 0),
               ("writer", "DELETE FROM audited WHERE x = ?", "00000", 1)]:
    assert wanted in seen, (wanted, sorted(seen))
PY
    securecloud-cascadb-audit "$log" # also while it is written
    local pid head
    pid=$(cat "$DB_DIR/pid")
    cascadb_stop
    head=$(grep -o 'audit log closed .*head=[0-9a-f]*' "$DB_DIR/log" | tail -1 | sed 's/.*head=//')
    run securecloud-cascadb-audit --ca "$DB_DIR/ca.pem" --head "$head" "$log"
    echo "$output"
    [ "$status" = 0 ]
    [[ "$output" == *"all signed by the server, 0 lines behind the last one"* ]]
    sed 's/"who":"reader"/"who":"nobody"/' "$log" > "$BATS_TEST_TMPDIR/changed"
    run securecloud-cascadb-audit "$BATS_TEST_TMPDIR/changed"
    [ "$status" = 1 ]
    [[ "$output" == *"the line before is not the one that was written"* ]]
    head -n -2 "$log" > "$BATS_TEST_TMPDIR/cut"
    run securecloud-cascadb-audit --ca "$DB_DIR/ca.pem" --head "$head" "$BATS_TEST_TMPDIR/cut"
    [ "$status" = 1 ]
    [[ "$output" == *"lines are missing"* ]]
    # a log that was tampered with is not gone on with
    cp "$log" "$BATS_TEST_TMPDIR/good"
    cp "$BATS_TEST_TMPDIR/changed" "$log"
    run securecloud-cascadb --identity "$DB_DIR/cascadb"
    [ "$status" = 1 ]
    [[ "$output" == *"audit log"* ]]
    cp "$BATS_TEST_TMPDIR/good" "$log"
    cascadb_start
    sql "$(as mdc)" -c "SELECT 1"
    run securecloud-cascadb-audit
    [ "$status" = 2 ]
}

@test "where the audit log cannot be written, nothing is run" {
    [ -e /dev/full ] || skip "no /dev/full"
    cascadb_stop
    # the disk is full as soon as the first block is: a limit on the file's size does the same
    local log="$BATS_FILE_TMPDIR/audit.log"
    bash -c "trap '' XFSZ; ulimit -f \$(( (\$(stat -c %s '$log') + 3000 + 1023) / 1024 )); exec securecloud-cascadb --identity '$DB_DIR/cascadb'" 2>> "$DB_DIR/log" 3>&- &
    local pid=$!
    for _ in $(seq 100); do curl -sf "http://127.0.0.1:$HTTP_PORT/healthz" > /dev/null && break; sleep 0.05; done
    for _ in $(seq 30); do sql "$(as mdc)" -c "SELECT 1" > /dev/null 2>&1 || break; done
    [[ "$(sql "$(as mdc)" -v VERBOSITY=verbose -c "SELECT 1" 2>&1)" == *58030* ]]
    [[ "$(post '{"statement": "SELECT 1"}')" == *58030* ]]
    kill $pid
    wait $pid || true
}
