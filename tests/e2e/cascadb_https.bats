#!/usr/bin/env bats
# CascaDB over HTTPS, with curl.
load common
load cascadb

setup_file() {
    cascadb_configure "$BATS_FILE_TMPDIR/db" ', "connections_max": 40'
    cascadb_start
}

teardown_file() {
    cascadb_stop
}

# expect TEXT PYTHON: `a` is the answer
expect() {
    python3 -c 'import json, sys
text = sys.stdin.read()
a = json.loads(text)
assert eval("(" + sys.argv[1] + ")"), text[:2000]' "$2" <<< "$1"
}

@test "one statement, many, parameters of all types" {
    expect "$(post '{"statement": "CREATE TABLE t(id INTEGER PRIMARY KEY, s TEXT, x REAL, b BLOB, f BOOLEAN)"}')" 'a["committed"] is True'
    expect "$(post '{"statements": [
        {"statement": "INSERT INTO t VALUES($1, $2, $3, $4, $5)", "parameters": [1, "caf\u00e9 \"x\"\n", 0.1, {"hex": "00ff"}, true]},
        {"statement": "INSERT INTO t VALUES($1, $2, $3, $4, $5)", "parameters": ["9007199254740993", null, "2.5", "\\x0a", "no"]},
        {"statement": "SELECT * FROM t ORDER BY id"}]}')" \
        '[r["row_count"] for r in a["results"]] == [1, 1, 2] and a["results"][2]["rows"] ==
            [[1, "caf\u00e9 \"x\"\n", 0.1, "\\x00ff", True], [9007199254740993, None, 2.5, "\\x0a", False]]
         and [c["type"] for c in a["results"][2]["columns"]] == ["int8", "text", "float8", "bytea", "bool"]'
    expect "$(post '{"statement": "UPDATE t SET x = x + 1"}')" 'a == {"results": [{"command": "UPDATE", "row_count": 2}], "committed": True}'
    expect "$(post '{"statement": "SELECT id FROM t WHERE id = 5"}')" 'a["results"][0]["rows"] == [] and a["results"][0]["row_count"] == 0'
    expect "$(post '{"statement": "DELETE FROM t"}')" 'a["results"][0]["row_count"] == 2'
}

@test "errors have a status, SQLSTATE, statement and position; nothing half-committed" {
    status() { post "$@" -o "$BATS_TEST_TMPDIR/body" -w '%{http_code}'; }
    post '{"statement": "CREATE TABLE e(id INTEGER PRIMARY KEY)"}' > /dev/null
    [ "$(status '{"statements": [{"statement": "INSERT INTO e VALUES(1)"}, {"statement": "SELECT nope"}]}')" = 400 ]
    expect "$(cat "$BATS_TEST_TMPDIR/body")" 'a["committed"] is False and a["error"]["statement"] == 1 and a["error"]["sqlstate"] == "42703"'
    expect "$(post '{"statement": "SELECT count(*) FROM e"}')" 'a["results"][0]["rows"] == [[0]]'
    [ "$(status '{"statement": "SELECT 1 FRM x y"}')" = 400 ]
    expect "$(cat "$BATS_TEST_TMPDIR/body")" 'a["error"]["position"] == 14'
    [ "$(status '{"statements": [{"statement": "INSERT INTO e VALUES(1)"}, {"statement": "INSERT INTO e VALUES(1)"}]}')" = 409 ]
    while IFS='|' read -r expected state body; do
        echo "$body"
        [ "$(status "$body")" = "$expected" ]
        expect "$(cat "$BATS_TEST_TMPDIR/body")" "a['error']['sqlstate'] == '$state' and a['committed'] is False"
    done <<'LIST'
400|22P02|{"statement": 
400|22P02|
400|22023|{}
400|22023|[]
400|22023|{"statements": []}
400|22023|{"statement": 1}
400|22023|{"statement": "SELECT 1", "parameters": 1}
400|08P01|{"statement": "SELECT $1", "parameters": []}
400|08P01|{"statement": "SELECT 1", "parameters": [1]}
400|22023|{"statement": "SELECT $1", "parameters": [[]]}
400|22P02|{"statement": "SELECT $1", "parameters": [{"hex": "0g"}]}
400|22P02|{"statement": "INSERT INTO e VALUES($1)", "parameters": ["x"]}
400|42601|{"statement": "SELECT 1; SELECT 2"}
400|42601|{"statement": ""}
400|0A000|{"statement": "BEGIN"}
400|0A000|{"statement": "COPY e FROM STDIN"}
LIST
    expect "$(post '{"statement": "SELECT count(*) FROM e"}')" 'a["results"][0]["rows"] == [[0]]'
}

@test "rights are those of the certificate, or of user and password" {
    code() { post '{"statement": "CREATE TABLE nope(x INTEGER)"}' -o /dev/null -w '%{http_code}' "$@"; }
    [ "$(code --cert "$DB_DIR/auditor/cert.pem" --key "$DB_DIR/auditor/key.pem")" = 403 ]
    [ "$(code -u "reader:password of reader")" = 403 ]
    [ "$(code -u "reader:wrong")" = 401 ]
    [ "$(code -u "nobody:password of reader")" = 401 ]
    [ "$(code --cert "$DB_DIR/stranger/cert.pem" --key "$DB_DIR/stranger/key.pem" -u "writer:password of writer")" = 401 ]
    run post '{"statement": "SELECT 1"}' --anonymous -i
    [[ "$output" == *" 401 "* && "$output" == *"WWW-Authenticate: Basic"* ]]
    expect "$(post '{"statement": "SELECT 1 AS n"}' -u "reader:password of reader")" 'a["results"][0]["rows"] == [[1]]'
    post '{"statement": "CREATE TABLE yes(x INTEGER)"}' -u "writer:password of writer" | grep -q true
    # one connection, two users: each with her own rights
    run curl -sS --cacert "$DB_DIR/ca.pem" -H "Content-Type: application/json" -u "writer:password of writer" -d '{"statement": "INSERT INTO yes VALUES(1)"}' \
        -o /dev/null -w '%{http_code} ' "https://localhost:$HTTPS_PORT/sql" --next -sS --cacert "$DB_DIR/ca.pem" -H "Content-Type: application/json" \
        -u "reader:password of reader" -d '{"statement": "INSERT INTO yes VALUES(1)"}' -o /dev/null -w '%{http_code} %{num_connects}' "https://localhost:$HTTPS_PORT/sql"
    [ "$output" = "200 403 0" ]
}

@test "many rows: streamed, as NDJSON, compressed; the server's memory does not grow with them" {
    local n='WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 400000) SELECT i, '"'a reading of the meter number '"' || i AS s FROM n'
    local before after
    before=$(awk '/VmHWM/ {print $2}' "/proc/$(cat "$DB_DIR/pid")/status")
    post "{\"statement\": \"$n\"}" > "$BATS_TEST_TMPDIR/json"
    python3 -c 'import json, sys
a = json.load(open(sys.argv[1]))
assert a["committed"] and len(a["results"][0]["rows"]) == 400000 == a["results"][0]["row_count"]' "$BATS_TEST_TMPDIR/json"
    post "{\"statement\": \"$n\"}" -H "Accept: application/x-ndjson" --compressed > "$BATS_TEST_TMPDIR/ndjson"
    [ "$(wc -l < "$BATS_TEST_TMPDIR/ndjson")" = 400003 ]
    [ "$(head -1 "$BATS_TEST_TMPDIR/ndjson")" = '{"columns":[{"name":"i","type":"int8"},{"name":"s","type":"text"}]}' ]
    [ "$(sed -n 400001p "$BATS_TEST_TMPDIR/ndjson")" = '[400000,"a reading of the meter number 400000"]' ]
    [ "$(tail -2 "$BATS_TEST_TMPDIR/ndjson")" = $'{"command":"WITH","row_count":400000}\n{"committed":true}' ]
    after=$(awk '/VmHWM/ {print $2}' "/proc/$(cat "$DB_DIR/pid")/status")
    echo "peak memory before $before KiB, after $after KiB, answer $(stat -c %s "$BATS_TEST_TMPDIR/json") bytes"
    [ $((after - before)) -lt 12000 ]
    local packed
    packed=$(post "{\"statement\": \"$n\"}" -H "Accept-Encoding: gzip" | tee "$BATS_TEST_TMPDIR/gz" | wc -c)
    [ "$(gzip -dc "$BATS_TEST_TMPDIR/gz" | sha256sum)" = "$(sha256sum < "$BATS_TEST_TMPDIR/json")" ]
    [ $((packed * 5)) -lt "$(stat -c %s "$BATS_TEST_TMPDIR/json")" ]
    # an old client without chunks
    post "{\"statement\": \"$n\"}" --http1.0 | cmp - "$BATS_TEST_TMPDIR/json"
}

@test "an answer that fails in the middle ends with the error, as valid JSON" {
    local n="WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 50000) SELECT i, CASE WHEN i = 49999 THEN abs(-9223372036854775807 - 1) END FROM n"
    expect "$(post "{\"statement\": \"$n\"}")" 'a["committed"] is False and len(a["results"][0]["rows"]) == 49998 and a["error"]["statement"] == 0'
    [[ "$(post "{\"statement\": \"$n\"}" -H "Accept: application/x-ndjson" | tail -1)" == '{"committed":false,"error":'* ]]
}

@test "the description is served and is that of the documents" {
    curl -sS --cacert "$DB_DIR/ca.pem" -u "reader:password of reader" "https://localhost:$HTTPS_PORT/openapi.json" | cmp - "$BATS_TEST_DIRNAME/../../docs/services/cascadb.openapi.json"
    [ "$(curl -sS --cacert "$DB_DIR/ca.pem" -u "reader:password of reader" -o /dev/null -w '%{http_code}' "https://localhost:$HTTPS_PORT/")" = 404 ]
    [ "$(curl -sS --cacert "$DB_DIR/ca.pem" -u "reader:password of reader" -o /dev/null -w '%{http_code}' "https://localhost:$HTTPS_PORT/sql")" = 405 ]
}

@test "what is not HTTP, too large, or left in the middle, is cut off; others are served" {
    local tls="openssl s_client -quiet -connect 127.0.0.1:$HTTPS_PORT -CAfile $DB_DIR/ca.pem"
    [[ "$(printf 'nonsense\r\n\r\n' | $tls 2>/dev/null)" == *" 400 "* ]]
    [[ "$( (printf 'GET / HTTP/1.1\r\n'; head -c 40000 /dev/zero | tr '\0' x; printf ': y\r\n\r\n') | $tls 2>/dev/null)" == *" 413 "* ]]
    # lengths that contradict each other: somebody in front might see two requests here
    [[ "$(printf 'POST /sql HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n' | $tls 2>/dev/null)" == *" 400 "* ]]
    head -c 17000000 /dev/zero > "$BATS_TEST_TMPDIR/large"
    [ "$(post "@$BATS_TEST_TMPDIR/large" -o /dev/null -w '%{http_code}' || true)" = 413 ]
    [ "$(curl -sS --cacert "$DB_DIR/ca.pem" -u "reader:password of reader" -d '{"statement": "SELECT 1"}' -o /dev/null -w '%{http_code}' "https://localhost:$HTTPS_PORT/sql")" = 415 ]
    (printf 'POST /sql HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"state'; sleep 0.2) | $tls > /dev/null 2>&1
    expect "$(post '{"statement": "SELECT 1 AS n"}')" 'a["committed"] is True'
}

@test "SIGTERM in the middle of an answer ends the server in order" {
    local n="WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    post "{\"statement\": \"$n\"}" -H "Accept: application/x-ndjson" > "$BATS_TEST_TMPDIR/out" 2>/dev/null 3>&- &
    local client=$!
    sleep 0.7
    cascadb_stop
    wait $client || true
    tail -c 300 "$BATS_TEST_TMPDIR/out"
    [[ "$(tail -1 "$BATS_TEST_TMPDIR/out")" == '{"committed":false,"error":{"sqlstate":"57'* ]]
    cascadb_start
    expect "$(post '{"statement": "SELECT 1 AS n"}')" 'a["committed"] is True'
}
