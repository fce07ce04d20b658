# What a Python program does with psycopg2; run by cascadb.bats.
import io
import sys

import psycopg2
import psycopg2.errors
import psycopg2.extras

db = psycopg2.connect(sys.argv[1])
assert db.server_version == 150000, db.server_version
cur = db.cursor()
db.autocommit = True
cur.execute("CREATE TABLE p(id INTEGER PRIMARY KEY, s TEXT, x REAL, b BLOB, f BOOLEAN)")
db.autocommit = False
cur.execute("INSERT INTO p VALUES(%s, %s, %s, %s, %s)", (1, "it's \u00e9", 0.1, psycopg2.Binary(b"\x00\xff"), True))
cur.execute("SELECT s, x, b, f FROM p WHERE id = %s", (1,))
row = cur.fetchone()
assert row[0] == "it's \u00e9" and row[1] == 0.1 and bytes(row[2]) == b"\x00\xff" and row[3] is True, row
db.rollback()
cur.execute("SELECT count(*) FROM p")
assert cur.fetchone() == (0,)
psycopg2.extras.execute_values(cur, "INSERT INTO p(id, s) VALUES %s", [(i, "row %d" % i) for i in range(500)])
db.commit()
cur.execute("SELECT id, s FROM p ORDER BY id")
assert cur.rowcount == 500 and cur.fetchall()[499] == (499, "row 499")
cur.copy_expert("COPY p(id, s) FROM STDIN WITH CSV", io.StringIO("".join("%d,copied\n" % i for i in range(1000, 1100))))
db.commit()
out = io.StringIO()
cur.copy_expert("COPY (SELECT id FROM p WHERE s = 'copied' ORDER BY id) TO STDOUT", out)
assert out.getvalue().split() == [str(i) for i in range(1000, 1100)]
try:
    cur.execute("INSERT INTO p(id) VALUES(1)")
    raise AssertionError("a double key was taken")
except psycopg2.errors.UniqueViolation as e:
    assert e.pgcode == "23505" and e.diag.severity == "ERROR"
try:
    cur.execute("SELECT 1")
    raise AssertionError("a broken transaction went on")
except psycopg2.errors.InFailedSqlTransaction as e:
    assert "ROLLBACK" in e.diag.message_hint
db.rollback()
cur.execute("SELECT current_user, current_setting('server_version_num')::int >= 150000, '5'::int + %s::int, 'Abc' ILIKE 'a%%', now() > '2020'", (1,))
assert cur.fetchone()[:3] == ("writer", 1, 6)
cur.execute("SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE table_schema = 'public' AND table_name = %s ORDER BY ordinal_position", ("p",))
assert cur.fetchall() == [("id", "bigint", "NO"), ("s", "text", "YES"), ("x", "double precision", "YES"), ("b", "bytea", "YES"), ("f", "boolean", "YES")]
cur.execute("SELECT 1 FROM public.p WHERE id = ANY(ARRAY[3, 4]) AND s ~ '^row [0-9]$'")
assert cur.rowcount == 2
try:
    cur.execute("SELECT 'café'::text, nope::int FROM p")
except psycopg2.errors.UndefinedColumn as e:
    pass
db.rollback()
db.close()
