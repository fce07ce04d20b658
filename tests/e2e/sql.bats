#!/usr/bin/env bats
# securecloud sql on a database of its own: formats, import, exit codes, a human at a terminal; and sqllogictest scripts.
load common

setup() {
    cd "$BATS_TEST_TMPDIR"
    export HOME="$BATS_TEST_TMPDIR"
    DB="--local $BATS_TEST_TMPDIR/volume --key-file $BATS_TEST_TMPDIR/key"
}

@test "a volume is made, found again, and refused with another key" {
    securecloud sql $DB --create --counter counter -c "CREATE TABLE t(id INTEGER PRIMARY KEY, s TEXT)" -c "INSERT INTO t VALUES(1, 'one')"
    [ "$(securecloud sql $DB --counter counter -c 'SELECT s FROM t')" = $'s\none' ]
    [ "$(stat -c %a key)" = 600 ]
    ! grep -rq "one" volume
    run securecloud sql $DB --counter counter --read-only -c "DELETE FROM t"
    [ "$status" = 1 ]
    [[ "$output" == *"25006"* ]]
    head -c 32 /dev/urandom > other
    run securecloud sql --local volume --key-file other -c "SELECT 1"
    [ "$status" = 1 ]
    run securecloud sql --local nowhere --key-file key -c "SELECT 1"
    [ "$status" = 1 ]
    [ ! -e nowhere ]
}

@test "wrong usage exits with 2, a failed statement with 1, and what is behind it is not run" {
    for wrong in "" "--memory --local x" "--local x" "--memory --create" "--memory --format xml" "--memory rest" "--memory --nonsense"; do
        run securecloud sql $wrong < /dev/null
        echo "$wrong: $output"
        [ "$status" = 2 ]
    done
    run securecloud sql --memory <<< $'SELECT 1 AS a;\nSELECT nope;\nSELECT 2 AS b;'
    [ "$status" = 1 ]
    [[ "$output" == *"nope"* ]]
    [[ "$output" != *"b"$'\n'"2"* ]]
    run securecloud sql --memory -c '\nonsense'
    [ "$status" = 1 ]
    run bash -c "securecloud sql --memory -c 'SELECT 1' > /dev/full"
    [ "$status" = 1 ]
}

@test "seven formats" {
    one() { securecloud sql --memory --format "$1" -c "SELECT 1 AS n, 'a|b' AS s, NULL AS x"; }
    [ "$(one csv)" = $'n,s,x\n1,a|b,' ]
    [ "$(one tsv)" = $'n\ts\tx\n1\ta|b\t' ]
    [ "$(one json)" = $'[\n  {"n": 1, "s": "a|b", "x": null}\n]' ]
    [ "$(one jsonl)" = '{"n": 1, "s": "a|b", "x": null}' ]
    [ "$(one lines)" = $'n = 1\ns = a|b\nx = ' ]
    [ "$(one markdown)" = $'| n | s | x |\n|---:|---|---|\n| 1 | a\\|b |  |' ]
    [[ "$(one table)" == *"1 | a|b |"* ]]
    [ "$(securecloud sql --memory -c '\headers off' -c 'SELECT 1' 2>/dev/null)" = 1 ]
}

@test "a table of many rows is shown in the widths of its first ones" {
    run securecloud sql --memory --format table -c "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT i FROM n"
    [ "$status" = 0 ]
    [ "${#lines[@]}" = 5003 ]
    [ "${lines[5001]}" = " 5000" ]
    [ "${lines[5002]}" = "(5000 rows)" ]
}

@test "an import is all or nothing, and says where it ended" {
    securecloud sql $DB --create -c "CREATE TABLE t(id INTEGER PRIMARY KEY, s TEXT NOT NULL, x REAL DEFAULT 7)"
    printf 's;id\n"two\nlines; ""quoted""";2\n"";1\n' > good.csv
    run securecloud sql $DB -c '\import --header --delimiter ; good.csv t'
    echo "$output"
    [ "$status" = 0 ]
    [[ "$output" == *"2 rows imported into t."* ]]
    [ "$(securecloud sql $DB --format jsonl -c 'SELECT * FROM t')" = $'{"id": 1, "s": "", "x": 7}\n{"id": 2, "s": "two\\u000alines; \\"quoted\\"", "x": 7}' ]

    printf '10,a,1\n11,"b\nb",2\n12,c,three\n13,d,4\n' > bad.csv
    run securecloud sql $DB -c '\import bad.csv t'
    echo "$output"
    [ "$status" = 1 ]
    [[ "$output" == *"bad.csv:4, column x: "*"three"* ]]
    [[ "$output" == *"Nothing was imported."* ]]
    [ "$(securecloud sql $DB -c 'SELECT count(*) FROM t')" = $'count(*)\n2' ]

    run securecloud sql $DB -c '\import --batch 1 bad.csv t'
    [ "$status" = 1 ]
    [[ "$output" == *"2 rows are imported, those before line 4; from there on none."* ]]
    [ "$(securecloud sql $DB -c 'SELECT count(*) FROM t')" = $'count(*)\n4' ]

    printf '1,again,1\n' > twice.csv
    run securecloud sql $DB -c '\import twice.csv t'
    [[ "$output" == *"twice.csv:1"*"23505"* ]]
    printf '20,short\n' > short.csv
    run securecloud sql $DB -c '\import short.csv t'
    [[ "$output" == *"short.csv:1"*"missing data"* ]]
    printf '20,"open,1\n' > open.csv
    run securecloud sql $DB -c '\import open.csv t'
    [[ "$output" == *"unterminated"* ]]
    run securecloud sql $DB -c '\import missing.csv t'
    [[ "$output" == *"missing.csv: No such file"* ]]
    run securecloud sql $DB -c '\import good.csv nowhere'
    [[ "$output" == *"nowhere"*"42P01"* ]]
    [ "$(securecloud sql $DB -c 'SELECT count(*) FROM t')" = $'count(*)\n4' ]
}

@test "scripts read scripts, results go to files" {
    printf 'SELECT 1 AS one;\n\\read inner.sql\nSELECT 3 AS three;\n' > outer.sql
    printf 'SELECT 2 AS two;\n' > inner.sql
    [ "$(securecloud sql --memory -c '\read outer.sql')" = $'one\n1\ntwo\n2\nthree\n3' ]
    printf '\\read loop.sql\n' > loop.sql
    run securecloud sql --memory -c '\read loop.sql'
    [ "$status" = 1 ]
    securecloud sql --memory -c '\output result.csv' -c 'SELECT 5 AS five'
    [ "$(cat result.csv)" = $'five\n5' ]
}

@test "a human has completion, history, and Ctrl-C" {
    run python3 - <<'PY'
import os, pty, select, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.environ["TERM"] = "dumb"
    os.execvp("securecloud", ["securecloud", "sql", "--memory"])
def until(text):
    out, end = "", time.time() + 30
    while text not in out and time.time() < end:
        if select.select([fd], [], [], 0.1)[0]:
            out += os.read(fd, 4096).decode()
    assert text in out, (text, out)
    return out
def type_in(text):
    os.write(fd, text.encode())
until("securecloud=> ")
type_in("CREATE TABLE reading(client_id INTEGER PRIMARY KEY, voltage_a REAL);\n")
until("CREATE TABLE\r\n")
type_in("SEL\t"); until("SELECT ")
type_in("volt\t"); until("voltage_a ")
type_in("from rea\t"); until("reading ")
type_in("where reading.cl\t"); until("reading.client_id ")
type_in("= 1;\n"); until("(0 rows)")
type_in("\\ti\t\n"); until("Timing is on.")
type_in("WITH RECURSIVE n(i) AS (VALUES(0) UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n;\n")
until("FROM n;")
time.sleep(0.3)
type_in("\x03"); until("57014")
type_in("SELECT 41 + 1;\n"); until(" 42")
type_in("\\q\n")
assert os.waitpid(pid, 0)[1] == 0
history = open(os.path.expanduser("~/.securecloud_sql_history")).read()
assert "SELECT 41 + 1;" in history, history
PY
    echo "$output"
    [ "$status" = 0 ]
}

@test "the man page has every option and command of --help" {
    page="$BATS_TEST_DIRNAME/../../docs/man/securecloud-sql.1"
    for word in $( (securecloud sql --help; securecloud sql --slt --help) | grep -oE -- '--[a-z-]+[a-z]' | sort -u); do
        sed 's/\\-/-/g' "$page" | grep -qF -- "$word" || { echo "not in the page: $word"; return 1; }
    done
    for word in $(securecloud sql --help | grep -oE '^  \\[a-z]+' | tr -d ' \\' | sort -u); do
        grep -qE "\\\\e$word" "$page" || { echo "not in the page: \\$word"; return 1; }
    done
}

# The suite's README names the four records of slt_lang_aggfunc.test that stock SQLite 3.40 fails as well.
slt_suite() { # ENGINE
    need_shared data/sqllogictest/slt.tar.xz
    tar xJf "$SC_SHARED/data/sqllogictest/slt.tar.xz" -C "$BATS_TEST_TMPDIR"
    run securecloud sql --slt --engine "$1" test
    echo "$output" | tail -40
    [ "$status" = 1 ]
    [ "${lines[-1]}" = "245490 passed, 4 failed" ]
    [ "$(echo "$output" | grep -oE '^test/[^ ]+:[0-9]+:' | tr '\n' ' ')" = "$(printf 'test/evidence/slt_lang_aggfunc.test:%s: ' 480 484 491 496)" ]
}

@test "sqllogictest: SQLite's own tables fail four records of the suite, so the runner is right" {
    slt_suite sqlite
}

@test "sqllogictest: CascaDB passes all that SQLite's own tables pass" {
    slt_suite cascadb
}

@test "sqllogictest: exit codes, and a failure with file and line" {
    printf 'query I\nSELECT 1\n----\n2\n' > wrong.test
    run securecloud sql --slt wrong.test
    [ "$status" = 1 ]
    [ "${lines[0]}" = "wrong.test:1: the query gives other values" ]
    [ "${lines[-1]}" = "0 passed, 1 failed" ]
    printf 'query I\nSELECT 1\n----\n1\n' > right.test
    mkdir scratch
    run securecloud sql --slt --scratch scratch --jobs 1 --verbose right.test
    [ "$status" = 0 ]
    [ "${lines[-1]}" = "1 passed, 0 failed" ]
    [ -z "$(ls scratch)" ]
    run securecloud sql --slt nowhere.test
    [ "$status" = 2 ]
    run securecloud sql --slt --engine oracle right.test
    [ "$status" = 2 ]
}
