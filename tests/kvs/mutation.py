#!/usr/bin/env python3
"""Whether the suites bite: the engine is built with one protection off at a time, and some suite must fail.

usage: mutation.py [--jobs N] [--only NAME] [--list] [--keep]

Copies the tree to a temporary folder, applies one mutant of the table below at a time (a replacement in the source), builds
the suites and runs those named until one fails.  Prints mutant -> killed by.  Exit code 1 if one survives, does not
build, or no longer applies to the source (then the table below must follow the source).
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]

# name: what is off; files; regular expression (DOTALL, must match somewhere); replacement; suites, most likely first
MUTANTS = [
    ("tag check off", "src/crypto/*.c",
     r"(sc_err sc_aead_open\((?:(?!\n}).)*?)if \(sealed\.size != 0\)[^\n]*\n[^\n]*\n\s*return SC_E_AUTH;", r"\1",
     "flips tamper replay"),
    ("counter check at open off", "src/kvs/*.c",
     r"if \(a->fresh >= a->counted\)", r"if (a->fresh >= a->counted || true)", "replay torn anchor"),
    ("counter does not move with every commit", "src/kvs/anchor.c",
     r"(sc_err kvs_anchor_count\([^{]*\{\n)", r"\1    if (fresh % 2 == 0)\n        return SC_OK;\n", "replay torn tamper"),
    ("counter moves before the sync", "src/kvs/*.c",
     r"(static sc_err group_sync\([^{]*\{\n)(.*?)    return kvs_anchor_count\([^;]*;",
     r"\1    SC_TRY(kvs_anchor_count(&kvs->anchor, kvs->anchor.fresh, diag));\n\2    return SC_OK;",
     "powercut anchor iofaults"),
    ("counter moved without a comparison", "src/kvs/anchor.c",
     r"a->counter->advance\(a->counter->self, a->counted, ",
     r"a->counter->advance(a->counter->self, ({ uint64_t v_ = 0; (void)!a->counter->read(a->counter->self, &v_, NULL); v_; }), ",
     "forks replay"),
    ("log never synced", "src/kvs/*.c",
     r"SC_TRY\(wal->store->ops->append_sync\(wal->append, diag\)\);", r"(void)diag;", "powercut iofaults crash"),
    ("log not synced before its end is sealed", "src/kvs/*.c",
     r"sc_err err = kvs_wal_sync\(kvs->wal, diag\);( /\* its sealed end)", r"sc_err err = SC_OK;\1", "powercut crash"),
    ("writing goes on after a failed sync", "src/kvs/*.c",
     r"if \(unknown\)\n\s*return kvs_poison\(kvs, err, diag\);", r"if (unknown)\n        return err;", "iofaults crash"),
    # a group's number (nonce), its chain and its sequence numbers each keep the order: only without all three is it lost
    ("log chain, group numbers and order off", "src/kvs/*.c",
     r"memcpy\(out \+ KVS_HEADER_SIZE, prev_tag, SC_TAG_SIZE\);|NONCE_(HEAD|BODY), (?:wal->)?end(?:\.|->)group_count\)"
     r"|if \(g\.first_seq != r->next_seq \|\| g\.fresh <= r->fresh\)",
     lambda m: "(void)prev_tag;\n    memset(out + KVS_HEADER_SIZE, 0, SC_TAG_SIZE);" if m.group(0).startswith("memcpy")
     else "if (false)" if m.group(0).startswith("if") else f"NONCE_{m.group(1)}, 0)", "replay tamper"),
    ("log groups all under one nonce", "src/kvs/*.c",
     r"sc_nonce_make\(nonce, NONCE_BODY, (?:wal->)?end(?:\.|->)group_count\)", r"sc_nonce_make(nonce, NONCE_BODY, 0)",
     "nonces"),
    ("blocks all under one nonce", "src/kvs/*.c",
     r"(chunk_(?:seal|open)\(\w+, KVS_TABLE_NONCE_BLOCK, )(?:b->block_count|block_index),", r"\1 0,", "nonces"),
    ("fence off", "src/kvs/anchor.c",
     r"(sc_err kvs_anchor_fence\([^{]*\{\n)", r"\1    if (a != NULL)\n        return SC_OK;\n", "crash iofaults replay forks"),
    # that no group is missing is asked of every log; what else is compared of a sealed one can only differ if a key leaks
    ("sealed log's end not compared", "src/kvs/recover.c",
     r"(if \(found->end\.group_count < log->end\.group_count)\)|    if \(!log->sealed\) \{",
     lambda m: m.group(1) + " && !log->sealed)" if m.group(1) else "    if (true) {", "torn"),
    ("root older than the log accepted", "src/kvs/*.c",
     r"if \(g\.generation > r->generation\)", r"if (false)", "tamper replay"),
    ("a root forgets how long the live log is", "src/kvs/*.c",
     r"\.end\.group_count = kvs_wal_synced\(kvs->wal\);", r".end.group_count = 0;", "torn replay"),
    ("groups missing from the live log accepted", "src/kvs/*.c",
     r"if \(found->end\.group_count < log->end\.group_count\)", r"if (false)", "torn tamper replay"),
    ("one key for all objects", "src/kvs/*.c",
     r"memcpy\(context \+ 16, id->bytes, 16\);", r"memset(context + 16, id->bytes[0] & 0, 16);", "nonces replay"),
    ("table's size not compared", "src/kvs/*.c",
     r"if \(size != t->meta\.size\)", r"if (false)", "tamper replay torn"),
    ("table's header not compared", "src/kvs/table.c",
     r"if \(memcmp\(header, expected, sizeof header\) != 0\)", r"if (false)", "flips tamper"),
    ("missing root taken for no volume", "src/kvs/*.c",
     r"if \(size == 0 && a->counted != 0\)", r"if (false)", "tamper torn"),
    ("conflicts of writes not judged", "src/kvs/*.c",
     r"SC_TRY\(writes_judge\(view, g, self, &conflict\)\);", r"(void)writes_judge;", "random history"),
    ("conflicts of reads not judged", "src/kvs/*.c",
     r"SC_TRY\(reads_judge\(view, g, self, &conflict\)\);", r"(void)reads_judge;", "random"),
    ("a manifest now and then not written", "src/kvs/*.c",
     r"SC_TRY\(to->ops->put\(to, kvs_id_name\(&ref\.id, name\), sc_buf_slice\(&out\), diag\)\);",
     r"if (ref.id.bytes[0] % 8 != 0)\n        SC_TRY(to->ops->put(to, kvs_id_name(&ref.id, name), sc_buf_slice(&out), diag));",
     "random powercut"),
    ("tables removed while they are read", "src/kvs/table.c",
     r"atomic_store\(&t->obsolete, true\);",
     r"char name_[KVS_NAME_SIZE];\n    (void)!t->io->store->ops->remove(t->io->store, kvs_id_name(&t->meta.id, name_), NULL);",
     "history random powercut"),
    ("merges forget what snapshots see", "src/kvs/*.c",
     r"return lo < k->snapshot_count && k->snapshots\[lo\] < newer_seq;",
     r"return k->snapshots[k->snapshot_count - 1] < newer_seq && lo != SIZE_MAX;", "random history"),
    ("merges forget deletions too early", "src/kvs/*.c",
     r"k->below != NULL && e->seq <= k->snapshots\[0\] && nothing_below\(k, e->key\)",
     r"k->below != NULL && (true || nothing_below(k, e->key))", "random"),
    ("filter denies what is there", "src/kvs/table_format.c",
     r"(bool kvs_table_index_may_have\([^{]*\{\n)", r"\1    if (key.size % 5 == 4)\n        return false;\n", "random"),
    ("leak when memory runs out", "src/kvs/wal.c",
     r"SC_CLEANUP\(wal_freep\) (struct kvs_wal \*wal = calloc)",
     r"__attribute__((unused)) void (*const unused_)(struct kvs_wal **) = wal_freep;\n    \1", "memory"),
    ("memory that runs out is not told", "src/kvs/*.c",
     r"(static sc_err group_apply\((?:(?!\n}).)*?)SC_TRY\(", r"\1sc_ignore(", "memory random"),
]


def sh(argv, cwd, **more):
    return subprocess.run(argv, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)


def suite_run(build, name, timeout_s=300):
    """True: it passes."""
    try:
        result = sh([str(build / "tests" / "kvs" / ("test_kvs_" + name))], build, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return False
    return result.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--jobs", default="2")
    parser.add_argument("--only", help="mutants whose name contains this")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder")
    args = parser.parse_args()
    mutants = [m for m in MUTANTS if args.only is None or args.only in m[0]]
    if args.list:
        print("\n".join(m[0] for m in mutants))
        return 0
    place = pathlib.Path(tempfile.mkdtemp(prefix="sc-mutants-"))
    tree, build = place / "tree", place / "tree" / "build"
    tracked = sh(["git", "ls-files", "-z"], ROOT).stdout.split("\0")
    for name in filter(None, tracked):
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            shutil.copy2(ROOT / name, target)
    os.environ["SC_SOAK"] = ""
    result = sh(["meson", "setup", str(build), "-Dbuildtype=debugoptimized", "-Dwerror=false"], tree)
    if result.returncode != 0:
        print(result.stdout)
        return 1
    needed = sorted({s for m in mutants for s in m[4].split()})
    targets = ["tests/kvs/test_kvs_" + s for s in needed]
    bad, rows = 0, []
    result = sh(["ninja", "-C", str(build), "-j", args.jobs] + targets, tree)
    if result.returncode != 0:
        print(result.stdout[-3000:])
        return 1
    for suite in needed:  # a suite that fails anyway kills every mutant
        if not suite_run(build, suite):
            print(f"{suite} fails without any mutant")
            return 1
    for number, (name, file, pattern, replacement, suites) in enumerate(mutants, 1):
        sources = {p: p.read_text() for p in sorted(tree.glob(file))}
        mutated = {p: re.sub(pattern, replacement, text, flags=re.DOTALL) for p, text in sources.items()}
        changed = [p for p in sources if mutated[p] != sources[p]]
        started = time.monotonic()
        verdict, ok = None, False
        if not changed:
            verdict = f"does not apply to {file}"
        else:
            for path in changed:
                path.write_text(mutated[path])
            result = sh(["ninja", "-C", str(build), "-j", args.jobs] + targets, tree)
            if result.returncode != 0:
                errors = [l for l in result.stdout.splitlines() if "error" in l]
                verdict = "does not build: " + (errors[0] if errors else result.stdout[-300:])
            else:
                verdict = "SURVIVES"
                for suite in suites.split():
                    if not suite_run(build, suite):
                        verdict, ok = "killed by " + suite, True
                        break
            for path in changed:
                path.write_text(sources[path])
        bad += not ok
        rows.append((name, verdict))
        print(f"[{number}/{len(mutants)}] {name}: {verdict} ({time.monotonic() - started:.0f} s)", flush=True)
    width = max(len(r[0]) for r in rows)
    print("\n%-*s  %s" % (width, "protection off", "result"))
    for name, verdict in rows:
        print("%-*s  %s" % (width, name, verdict))
    print(f"mutants: {len(rows)} injected, {len(rows) - bad} killed")
    if not args.keep:
        shutil.rmtree(place)
    return 1 if bad or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
