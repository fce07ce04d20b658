#!/usr/bin/env bats
# CascaDB through other people's clients, over TLS: psql, pgbench, psycopg2, JDBC.
load common
load cascadb

setup_file() {
    cascadb_configure "$BATS_FILE_TMPDIR/db" ""
    cascadb_start
}

teardown_file() {
    cascadb_stop
}

@test "psql: certificate, password with channel binding, Unix socket" {
    [ "$(sql "$(as mdc)" -c "SHOW session_authorization")" = spiffe://securecloud.local/mdc ]
    [ "$(sql "$(by reader) channel_binding=require" -c "SHOW session_authorization")" = reader ]
    [ "$(sql "$(by reader) channel_binding=disable" -c "SHOW session_authorization")" = reader ]
    local unix="host=$DB_DIR/socket port=$DB_PORT dbname=x user=writer"
    [ "$(PGPASSWORD="password of writer" sql "$unix" -c "SHOW session_authorization")" = writer ]
    run sql "$unix password=wrong" -c "SELECT 1"
    [ "$status" = 2 ]
    [[ "$output" == *'password authentication failed for user "writer"'* ]]
}

@test "whoever has neither certificate nor password stays outside" {
    run sql "$(by reader wrong)" -c "SELECT 1"
    [ "$status" = 2 ]
    [[ "$output" == *'password authentication failed for user "reader"'* ]]
    run sql "$(by nobody)" -c "SELECT 1"
    [[ "$output" == *'password authentication failed for user "nobody"'* ]]
    run sql "$(as stranger)" -c "SELECT 1"
    [[ "$output" == *"has no right to use this database"* ]]
    run sql "$(by reader | sed s/verify-full/disable/)" -c "SELECT 1"
    [[ "$output" == *"TLS connections only"* ]]
    run sql "$(as mdc) ssl_max_protocol_version=TLSv1.2" -c "SELECT 1"
    [ "$status" = 2 ]
    [[ "$output" == *"protocol version"* ]]
    # libpq must not be talked out of the binding by somebody between
    run sql "$(as mdc) channel_binding=require" -c "SELECT 1"
    [[ "$output" == *"channel binding required"* ]]
}

@test "rights: read does not write, however one logs in; a new password counts at once" {
    for who in "$(as auditor)" "$(by reader)"; do
        run sql "$who" -c "CREATE TABLE nope(x INTEGER)"
        [ "$status" = 1 ]
        [[ "$(sql "$who" -v VERBOSITY=verbose -c "CREATE TABLE nope(x INTEGER)" 2>&1)" == *25006* ]]
    done
    sql "$(by writer)" -c "CREATE TABLE once(x INTEGER); DROP TABLE once"
    echo "password of grafana" | securecloud-cascadb-user --file "$DB_DIR/cascadb/users.json" grafana
    [ "$(sql "$(by grafana)" -c "SELECT 1")" = 1 ]
    echo "another password" | securecloud-cascadb-user --file "$DB_DIR/cascadb/users.json" grafana
    run sql "$(by grafana)" -c "SELECT 1"
    [ "$status" = 2 ]
    [ "$(sql "$(by grafana "another password")" -c "SELECT 1")" = 1 ]
    securecloud-cascadb-user --file "$DB_DIR/cascadb/users.json" --remove grafana
    run sql "$(by grafana "another password")" -c "SELECT 1"
    [ "$status" = 2 ]
    [ "$(securecloud-cascadb-user --file "$DB_DIR/cascadb/users.json")" = $'read reader\nwrite writer' ]
    ! grep -q "password of" "$DB_DIR/cascadb/users.json" "$DB_DIR/log"
    for wrong in "" "--file x --remove" "--file x --right all y" "--file x a b"; do
        run securecloud-cascadb-user $wrong < /dev/null
        [ "$status" = 2 ]
    done
    run securecloud-cascadb-user --file "$BATS_TEST_TMPDIR/u.json" short <<< "short"
    [ "$status" = 2 ]
    [ ! -e "$BATS_TEST_TMPDIR/u.json" ]
}

@test "psql: an error has SQLSTATE, position and hint" {
    run sql "$(as mdc)" -v VERBOSITY=verbose -c "SELECT 1 FROM nowhere"
    [[ "$output" == *"42P01"* ]]
    run sql "$(as mdc)" -v VERBOSITY=verbose -c "SELECT 'é' FRM x y"
    [[ "$output" == *"42601"* && "$output" == *"LINE 1: SELECT 'é' FRM x y"* && "$output" == *"$(printf '\n%23s^' "")"* ]] # characters, not bytes
    run sql "$(as auditor)" -c "CREATE TABLE nope(x INTEGER)"
    [[ "$output" == *'HINT:  The right of this user is "read".'* ]]
}

@test "psql: \\copy both ways, text, CSV and binary" {
    cd "$BATS_TEST_TMPDIR"
    python3 -c '
for i in range(5000): print(i, "caf\u00e9 %d, \"x\"" % i if i % 7 else "\\N", i / 8, sep="\t")' > in.txt
    sql "$(as mdc)" -c "CREATE TABLE c(id INTEGER PRIMARY KEY, s TEXT, x REAL)" -c "\\copy c FROM in.txt"
    [ "$(sql "$(as mdc)" -c "SELECT count(*), count(s) FROM c")" = "5000|4285" ]
    sql "$(by reader)" -c "\\copy c TO out.txt" -c "\\copy (SELECT * FROM c ORDER BY id) TO out.csv CSV HEADER" -c "\\copy c TO out.bin BINARY"
    [ "$(wc -l < out.txt)" = 5000 ]
    for format in "out.csv CSV HEADER" "out.bin BINARY" "out.txt"; do
        sql "$(as mdc)" -c "DELETE FROM c" -c "\\copy c FROM $format"
        [ "$(sql "$(as mdc)" -c "SELECT count(*), count(s), sum(x) FROM c")" = "5000|4285|1562187.5" ]
    done
    run sql "$(as mdc)" -c "\\copy c FROM in.txt"
    [ "$status" = 1 ]
    [[ "$output" == *"line 1"* ]]
    [ "$(sql "$(as mdc)" -c "SELECT count(*) FROM c")" = 5000 ]
}

@test "psql: Ctrl-C cancels over TLS, and a client that dies in the middle of COPY leaves nothing" {
    local slow="WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    run timeout -s INT 1 psql -X -v VERBOSITY=verbose "$(by reader)" -c "$slow"
    echo "$output"
    [[ "$output" == *"57014"* ]]
    sql "$(as mdc)" -c "CREATE TABLE half(id INTEGER PRIMARY KEY)"
    mkfifo "$BATS_TEST_TMPDIR/rows"
    psql -X "$(as mdc)" -c "COPY half FROM STDIN" < "$BATS_TEST_TMPDIR/rows" > /dev/null 2>&1 3>&- &
    local pid=$!
    exec 7> "$BATS_TEST_TMPDIR/rows"
    seq 100000 >&7
    kill -KILL $pid
    exec 7>&-
    wait $pid || true
    [ "$(sql "$(as mdc)" -c "SELECT count(*) FROM half")" = 0 ]
}

@test "pgbench: a script of its own, simple, extended and prepared" {
    command -v pgbench > /dev/null || skip "no pgbench"
    sql "$(as mdc)" -c "CREATE TABLE reading(client_id INTEGER, ts INTEGER, kwh REAL, PRIMARY KEY(client_id, ts))" \
        -c "INSERT INTO reading WITH RECURSIVE n(i) AS (VALUES(0) UNION ALL SELECT i + 1 FROM n WHERE i < 959) SELECT i / 96, i % 96, i / 10.0 FROM n"
    cat > "$BATS_TEST_TMPDIR/script" <<'SQL'
\set c random(0, 9)
SELECT ts, kwh FROM reading WHERE client_id = :c ORDER BY ts;
BEGIN;
UPDATE reading SET kwh = kwh + 1 WHERE client_id = :client_id AND ts = 5;
END;
SQL
    for mode in simple extended prepared; do
        run pgbench -n -M $mode -c 4 -j 2 -t 50 -f "$BATS_TEST_TMPDIR/script" "$(as mdc)"
        echo "$output"
        [ "$status" = 0 ]
        [[ "$output" == *"number of transactions actually processed: 200/200"* ]]
        [[ "$output" == *"number of failed transactions: 0"* ]]
    done
    [ "$(sql "$(as mdc)" -c "SELECT kwh FROM reading WHERE client_id = 3 AND ts = 5")" = 179.3 ]
}

@test "psycopg2: parameters, transactions, server-side cursors, COPY, errors" {
    /usr/bin/python3 -c "import psycopg2" 2>/dev/null || skip "no psycopg2"
    /usr/bin/python3 "$BATS_TEST_DIRNAME/psycopg.py" "$(by writer)"
}

@test "JDBC: prepared statements, batches, fetch size, types" {
    command -v javac > /dev/null || skip "no JDK"
    local jar=/usr/share/java/postgresql.jar
    [ -e $jar ] || skip "no JDBC driver"
    java -cp $jar "$BATS_TEST_DIRNAME/Jdbc.java" "jdbc:postgresql://localhost:$DB_PORT/securecloud?sslmode=verify-full&sslrootcert=$DB_DIR/ca.pem" writer "password of writer"
}

@test "psql: \\d, \\dt, \\di, \\dv, \\l and their like" {
    sql "$(as mdc)" -c "CREATE TABLE customer(client_id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT 'x', vip BOOLEAN, CHECK (client_id > 0))" \
        -c "CREATE TABLE load(client_id INTEGER REFERENCES customer(client_id) ON DELETE CASCADE, ts BIGINT, kwh REAL, PRIMARY KEY(client_id, ts))" \
        -c "CREATE INDEX load_ts ON load(ts DESC)" -c "CREATE UNIQUE INDEX customer_name ON customer(name)" \
        -c "CREATE VIEW names AS SELECT name FROM customer"
    d() { psql -X "$(by reader)" -c "$1"; }
    [ "$(d '\dt load' | grep -c "public | load | table | cascadb")" = 1 ]
    [[ "$(d '\d')" == *"public | customer "*"public | names "*"view"* ]]
    [[ "$(d '\di customer*')" == *"customer_name | index | cascadb | customer"*"customer_pkey | index | cascadb | customer"* ]]
    [[ "$(d '\dv')" == *"public | names | view"*"cascadb"* ]]
    [[ "$(d '\l')" == *"securecloud | cascadb | UTF8"* ]]
    [[ "$(d '\dn')" == *"public | cascadb"* ]]
    run d '\d load'
    echo "$output"
    [[ "$output" == *'Table "public.load"'*'client_id | bigint           |           | not null |'*'kwh       | double precision |           |          |'* ]]
    [[ "$output" == *'"load_pkey" PRIMARY KEY, kvs (client_id, ts)'*'"load_ts" kvs (ts DESC)'* ]]
    [[ "$output" == *'"load_client_id_fkey" FOREIGN KEY (client_id) REFERENCES customer(client_id) ON DELETE CASCADE'* ]]
    run d '\d customer'
    echo "$output"
    [[ "$output" == *"name      | text    |           | not null | 'x'"*"vip       | boolean |"* ]]
    [[ "$output" == *'"customer_name" UNIQUE, kvs (name)'*'Check constraints:'*'Referenced by:'*'TABLE "load" CONSTRAINT "load_client_id_fkey"'* ]]
    [[ "$(d '\d+ names')" == *"View definition:"*"SELECT name FROM customer;"* ]]
    [[ "$(d '\d nowhere' 2>&1)" == *'Did not find any relation named "nowhere"'* ]]
    for other in '\d+ load' '\dt+' '\du' '\df' '\dT' '\dx' '\dp' '\db' '\d *'; do
        d "$other" > /dev/null
    done
}

@test "functions that clients call by themselves; a sleep can be cancelled" {
    [ "$(sql "$(by reader)" -c "SELECT current_user, session_user, current_schema, current_catalog, current_setting('search_path'), pg_is_in_recovery(), '42'::text || E'\\t', pg_backend_pid() > 0")" \
        = "reader|reader|public|securecloud|public|0|42"$'\t'"|1" ]
    [[ "$(sql "$(by reader)" -c "SELECT now()")" == 20*+00 ]]
    [ "$(sql "$(by reader)" -c "SELECT 't'::regclass::text IS NULL, 'x'::varchar(10), '1.5'::double precision + 1, 'yes'::boolean, 5::bigint::text || 'a', quote_ident('A b')")" = '1|x|2.5|1|5a|"A b"' ]
    sql "$(by writer)" -c "CREATE VIEW spelled AS SELECT '1'::boolean AS b, 'x' ~ '^x' AS m, now() > '2020' AS n"
    [ "$(sql "$(by reader)" -c "SELECT * FROM public.spelled")" = "1|1|1" ]
    sql "$(by reader)" -c "SELECT pg_sleep(0.05)"
    run timeout -s INT 1 psql -X -v VERBOSITY=verbose "$(by reader)" -c "SELECT pg_sleep(60)"
    [[ "$output" == *57014* ]]
    run sql "$(by reader)" -v VERBOSITY=verbose -c "SELECT 'é'::text, 1::nonsense"
    [[ "$output" == *"LINE 1: SELECT 'é'::text, 1::nonsense"* ]]
}
