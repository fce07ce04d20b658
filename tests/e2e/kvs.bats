#!/usr/bin/env bats
# The Secure KVS from the command line: data, copies, damage, keys, wrong usage; and a second, independent reader of the
# format (tests/kvs/reader.py) on volumes with everything in them that the format knows.
load common

PYTHON=/usr/bin/python3 # Debian's, which python3-cryptography belongs to
READER="$BATS_TEST_DIRNAME/../kvs/reader.py"

setup() {
    cd "$BATS_TEST_TMPDIR"
    head -c 32 /dev/urandom > key
    head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' > other.key
    echo >> other.key
}

kvs() { # COMMAND ARGUMENTS...
    securecloud kvs "$@" --key-file "${KEY:-key}"
}

# Pairs of every shape, as `load --hex` takes them: rows of numbers (columns), of two key sizes, with tails; text;
# incompressible; empty and large values.
pairs() { # SEED [COUNT]
    $PYTHON - "$1" "${2:-1000000}" <<'PY'
import random, struct, sys
rnd = random.Random(int(sys.argv[1]))
left = int(sys.argv[2])
def pair(k, v):
    global left
    if left > 0:
        print(k.hex() + "\t" + v.hex())
    left -= 1
for client in range(4):
    register = rnd.uniform(0, 1000)
    for tick in range(200):
        register += rnd.uniform(0.1, 0.4)
        numbers = [round(register, 3), 220 + round(rnd.uniform(-3, 3), 1), float(tick), -0.0, float("nan"),
                   1e300 * rnd.random(), rnd.random()] + [0.0] * 8
        integers = [tick * 900 - 5, rnd.getrandbits(64), 1 << 63, (1 << 64) - 1 - tick]
        v = struct.pack("<15d", *numbers) + struct.pack("<4Q", *(n & (1 << 64) - 1 for n in integers))
        pair(b"reading|" + struct.pack(">QQ", client, 1700000000 + 900 * tick), v)
        pair(b"short|%d|%d" % (client, tick * tick), v[:80] + b"tail %d" % tick)
        pair(b"tails|" + struct.pack(">H", client) + struct.pack(">I", tick * 7), v[:40] + b"the same words " * (tick % 9))
for i in range(300):
    pair(b"text/%05d" % (i * 3), b"a sentence that is much like the others, number %d" % i)
for i in range(40):
    pair(b"noise/" + rnd.randbytes(8), rnd.randbytes(rnd.choice([0, 1, 7, 100, 5000])))
pair(b"large", rnd.randbytes(100000))
pair(b"\x00", b"")
pair(b"\xff" * 300, b"last")
PY
}

# A volume with tables of several levels, versions above each other, deletions, deleted ranges and a log.
everything() { # DIR
    pairs 1 | kvs load "$1" --hex --memtable 64K --block-size 2K
    kvs compact "$1"
    pairs 2 | kvs load "$1" --hex --memtable 64K
    kvs delete "$1" text/00030
    kvs delete "$1" --range text/00300 text/00600
    kvs put "$1" text/00303 "again"
    kvs delete "$1" --range --hex 736f "" # from "so" on, so all of "tails|" and more
    kvs put "$1" tails 5
    pairs 3 700 | kvs load "$1" --hex --memtable 64K
    kvs delete "$1" large
}

reader_agrees() { # DIR
    kvs scan "$1" --hex > by-tool
    $PYTHON "$READER" "$1" "${KEY:-key}" seen > by-reader
    [ -s by-tool ]
    cmp by-tool by-reader
}

largest() { # DIR: its largest object
    ls -S "$1"/o.* | head -1
}

flip() { # FILE OFFSET
    $PYTHON - "$1" "$2" <<'PY'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2]))
    b = f.read(1)
    f.seek(int(sys.argv[2]))
    f.write(bytes([b[0] ^ 1]))
PY
}

@test "what is put is got, in order, until it is deleted" {
    kvs put v b 2
    kvs put v a 1
    printf 'from a pipe' | kvs put v c -
    kvs put v --hex ff00 0a
    [ "$(kvs get v c)" = "from a pipe" ]
    [ "$(kvs scan v 62 --hex)" = "$(printf '62\t32\n63\t66726f6d20612070697065\nff00\t0a')" ]
    [ "$(kvs scan v a c --reverse --limit 1)" = "$(printf 'b\t2')" ]
    kvs delete v --range a c
    kvs delete v not-there
    run kvs get v a
    [ "$status" = 3 ]
    [ "$(kvs scan v "" d)" = "$(printf 'c\tfrom a pipe')" ]
    kvs delete v --range "" ""
    [ -z "$(kvs scan v)" ]
}

@test "a scan's lines load into another volume; a wrong line is named" {
    pairs 5 | kvs load v --hex
    kvs scan v --hex | kvs load w --hex
    cmp <(kvs scan v --hex) <(kvs scan w --hex)
    run kvs load w <<< "$(printf 'a\t1\nno tab')"
    [ "$status" = 2 ]
    [[ "$output" == *"line 2"* ]]
}

has() { # PART... of the format that the volume read last had in it
    for part in "$@"; do grep -qx "$part" seen || { echo "no $part"; cat seen; return 1; }; done
}

@test "another reader, written after the document alone, finds the same pairs" {
    pairs 1 | kvs load v --hex --block-size 2K
    reader_agrees v
    has "log record 1"
    kvs compact v --block-size 2K
    reader_agrees v
    has "codec 0" "codec 1" "codec 2" "columns put" "flag 1 on" "flag 2 on" "flag 2 off" "flag 4 on" "flag 4 off" \
        "form 0" "form decimal" "level 1" "slope 0" "slope 1" "tails packed" "width 0" "width 64" "width between"
    kvs delete v --range text/00000 text/00300
    reader_agrees v
    has "log record 2"
    kvs put v text/00003 back # makes a table of what the log held
    reader_agrees v
    has "deleted range" "log record 1"
    kvs delete v large
    reader_agrees v
    has "deleted range" "level 0" "log record 0"
    kvs compact v
    reader_agrees v
    $PYTHON -c 'import os, struct
for i in range(300):
    print((b"row/%04d" % i).hex() + "\t" + (struct.pack("<Qd", i * 60, i / 10) + os.urandom(3)).hex())' | kvs load w --hex
    kvs compact w
    reader_agrees w
    has "tails plain" # bytes that nothing makes smaller
}

@test "it finds the same pairs in whatever the background has made of many tables" {
    everything v
    reader_agrees v
    kvs compact v
    reader_agrees v
}

@test "it does so after keys were changed, in copies, and with an unfinished log" {
    pairs 1 | kvs load v --hex --counter counter
    kvs rotate v --counter counter --new-key-file other.key
    KEY=other.key
    pairs 4 900 | kvs load v --hex --counter counter
    kvs rotate v --counter counter
    kvs put v last word --counter counter
    [ "$(kvs stats v --json | $PYTHON -c 'import json, sys; print(json.load(sys.stdin)["data_key_count"])')" = 3 ]
    reader_agrees v
    kvs backup v b --counter counter
    reader_agrees b
    cmp <(kvs scan v --hex) <(kvs scan b --hex)
    kvs put v zz unfinished
    log=$(ls -t v/o.* | head -1) # the log that was written last
    cp -a v cut
    $PYTHON - "cut/$(basename "$log")" <<'PY'
import sys
data = open(sys.argv[1], "rb").read().rstrip(b"\0")
open(sys.argv[1], "wb").write(data[:-5])
PY
    run kvs get cut zz
    [ "$status" = 3 ]
    reader_agrees cut
}

@test "the other reader refuses a flipped byte, too" {
    pairs 1 300 | kvs load v --hex
    kvs compact v
    flip "$(largest v)" 1000
    run $PYTHON "$READER" v key
    [ "$status" = 1 ]
    [[ "$output" == *InvalidTag* ]]
}

@test "a backup holds what was there; the next one writes only what is new" {
    everything v
    kvs compact v
    run kvs backup v b
    echo "$output"
    [ "$status" = 0 ]
    cmp <(kvs scan v --hex) <(kvs scan b --hex)
    kvs verify b
    kvs put v new pair
    before=$(stat -c %i "$(largest b)")
    kvs backup v b
    [ "$(kvs get b new)" = pair ]
    [ "$(stat -c %i "$(largest b)")" = "$before" ]
    [ "$(stat -c %h "$(largest b)")" = 1 ] # a copy of its own
    kvs backup v linked --link
    [ "$(stat -c %h "$(largest linked)")" = 2 ]
    cmp <(kvs scan v --hex) <(kvs scan linked --hex)
}

@test "verify names the object and the byte range of a byte that was changed, and restore refuses such a copy" {
    pairs 1 | kvs load v --hex --block-size 2K
    kvs compact v
    kvs backup v b
    table=$(largest b)
    size=$(stat -c %s "$table")
    for at in 0 5 8 1000 $((size / 2)) $((size - 3000)) $((size - 1)); do
        flip "$table" $at
        run kvs verify b
        echo "$at: $output"
        [ "$status" = 4 ]
        [[ "$output" == *"object $(basename "${table#*/o.}"), bytes ["* ]]
        range=${output##*bytes [}
        [ "${range%%,*}" -le "$at" ]
        range=${range#*, }
        [ "${range%%)*}" -gt "$at" ]
        run kvs restore b target
        [ "$status" = 4 ]
        [ ! -e target ]
        flip "$table" $at
    done
    kvs verify b
    rm "$table"
    run kvs verify b
    [ "$status" = 4 ]
    [[ "$output" == *"missing"* ]]
}

@test "a copy that goes wrong on the way is noticed by reading it back" {
    pairs 1 | kvs load v --hex
    kvs compact v
    kvs backup v b
    flip "$(largest b)" 2000 # the next backup believes that it has this table already
    run kvs backup v b
    echo "$output"
    [ "$status" = 4 ]
    [[ "$output" == *"b: object"* ]]
}

@test "with the counter a restored state is the current one, and the state before it the old one" {
    kvs put v a 1 --counter counter
    kvs backup v b --counter counter
    kvs put v a 2 --counter counter
    kvs verify v --counter counter
    run kvs verify b --counter counter
    [ "$status" = 4 ]
    kvs restore b r --counter counter
    [ "$(kvs get r a --counter counter)" = 1 ]
    run kvs get v a --counter counter
    [ "$status" = 4 ]
    [[ "$output" == *"old state"* ]]
    kvs put r a 3 --counter counter
    kvs verify r --counter counter
}

@test "a whole volume put back is noticed by its counter" {
    kvs put v a 1 --counter counter
    cp -a v old
    kvs put v a 2 --counter counter
    rm -r v
    mv old v
    run kvs verify v --counter counter
    [ "$status" = 4 ]
    run kvs put v a 3 --counter counter
    [ "$status" = 4 ]
    kvs verify v
}

@test "copies never overwrite what is newer, or is another volume, or is not known" {
    kvs put v a 1
    kvs backup v b
    kvs put v a 2
    run kvs restore b v
    [ "$status" = 1 ]
    [[ "$output" == *newer* ]]
    [ "$(kvs get v a)" = 2 ]
    kvs put w a other
    run kvs backup v w
    [ "$status" = 1 ]
    [[ "$output" == *"another volume"* ]]
    [ "$(kvs get w a)" = other ]
    pairs 1 50 | kvs load x --hex
    rm x/root
    objects=$(ls x)
    run kvs backup v x
    [ "$status" = 1 ]
    [ "$(ls x)" = "$objects" ]
    run kvs backup v ./v
    [ "$status" = 2 ]
}

@test "a backup that was cut short is taken up where it ended" {
    everything v
    kvs compact v # or the tables may be others by the second time
    kvs backup v whole
    mkdir b
    cp "$(largest whole)" b/
    inode=$(stat -c %i b/o.*)
    kvs backup v b
    [ "$(stat -c %i "b/$(basename "$(largest whole)")")" = "$inode" ]
    cmp <(kvs scan v --hex) <(kvs scan b --hex)
}

@test "after a change of the root key only the new one opens; rewritten, nothing is left under old data keys" {
    everything v
    kvs scan v --hex > before
    run kvs rotate v --new-key-file key
    [ "$status" = 2 ]
    cp key same.key
    run kvs rotate v --new-key-file same.key
    [ "$status" = 2 ]
    kvs rotate v --new-key-file other.key --rewrite > told
    grep -q "1 data key in use" told
    run kvs scan v
    [ "$status" = 4 ]
    [[ "$output" == *"root record"*"another key"* ]]
    KEY=other.key
    cmp before <(kvs scan v --hex)
    for i in 1 2 3 4 5 6 7; do kvs rotate v; done
    run kvs rotate v
    [ "$status" = 1 ]
    [[ "$output" == *"data keys"* ]]
    kvs rotate v --rewrite > told
    grep -q "1 data key in use" told
    cmp before <(kvs scan v --hex)
}

@test "another root key opens nothing, and destroys nothing" {
    kvs put v a 1
    for command in "get v a" "put v a 2" "scan v" "verify v" "backup v b" "restore v b" "compact v" "rotate v"; do
        run securecloud kvs $command --key-file other.key
        echo "$command: $output"
        [ "$status" = 4 ]
        [[ "$output" == *"root record"* ]]
    done
    [ "$(kvs get v a)" = 1 ]
}

@test "stats has every figure, in text and in JSON, and says what it does not know" {
    kvs put v a 1 --counter counter
    kvs stats v | grep -q "^counter	unknown"
    kvs stats v --counter counter | grep -qE "^counter	[1-9]"
    kvs stats v --json > without.json
    kvs stats v --json --counter counter > with.json
    $PYTHON - without.json with.json <<'PY'
import json, sys
without, s = (json.load(open(p)) for p in sys.argv[1:])
assert without["counter"] is None and s["counter"] > 0 and s["memtable_bytes"] > 0 and s["epoch"] >= 1, s
assert set(s) == {"table_count", "table_bytes", "log_bytes", "memtable_bytes", "cache_bytes", "range_count",
                  "data_key_count", "epoch", "counter", "commit_count", "sync_count", "flush_count",
                  "compaction_count", "block_reads", "cache_hits", "bytes_written"}, s
PY
}

@test "a volume in use is left alone, with an exit code of its own" {
    kvs put v a 1
    flock v/lock sleep 30 3>&- &
    holder=$!
    for _ in $(seq 100); do flock -n v/lock true || break; sleep 0.05; done
    run kvs get v a
    kill $holder
    [ "$status" = 5 ]
    [[ "$output" == *"in use by another process"* ]]
}

@test "wrong usage is told, and exits with 2" {
    kvs put v a 1
    printf short > short.key
    while read -r words; do
        eval "run securecloud kvs $words"
        echo "$words -> $status: $output"
        [ "$status" = 2 ]
        [[ "$output" == *"--help"* || "$output" == *key* || "$output" == *FROM* || "$output" == *hexadecimal* ]]
    done <<'LINES'

get
get v
get v a
get v a b --key-file key
frobnicate v --key-file key
get v a --key-file short.key
get v a --json --key-file key
verify v --hex --key-file key
get v a --frob --key-file key
get v zz --hex --key-file key
get v 123 --hex --key-file key
scan v b a --key-file key
delete v a b --key-file key
delete v --range a --key-file key
delete v --range b a --key-file key
scan v --limit -1 --key-file key
scan v --limit 1x --key-file key
get v a --cache 1.5M --key-file key
get v a --cache 1 --key-file key
get v a --memtable 1T --key-file key
put v a 1 --block-size 2M --key-file key
bench v --key-file key
bench scratch --rows 10
put v "" x --key-file key
LINES
    run kvs get nowhere a
    [ "$status" = 3 ]
    [ ! -e nowhere ]
    run securecloud kvs --help
    [ "$status" = 0 ]
    [[ "$output" == *restore*"exit codes"* ]]
}

@test "progress is for terminals only" {
    pairs 1 | kvs load v --hex
    kvs compact v
    kvs verify v 2> on-stderr
    [ ! -s on-stderr ]
    script -qec "securecloud kvs backup v b --key-file key" /dev/null > on-terminal
    grep -q "backup .*100 %" on-terminal
    grep -q "verify the copy .*100 %.* in 0:" on-terminal
}

@test "bench measures on a scratch volume and leaves nothing behind" {
    securecloud kvs bench scratch --rows 96000 --seconds 1 --json --cache 1M > out.json
    $PYTHON - <<'PY'
import json
b = json.load(open("out.json"))
assert [p["phase"] for p in b["phases"]] == ["load", "ins100", "put1", "get", "getzipf", "scan96"], b
assert b["rows_loaded"] == 96000 and b["rows"] > 96000 and b["disk_bytes"] > b["disk_bytes_loaded"] > 0
assert all(p["ops"] > 0 and p["cpu_us_op"] > 0 and 0 < p["p50_us"] <= p["p99_us"] for p in b["phases"]), b
PY
    [ -z "$(ls scratch)" ]
}
