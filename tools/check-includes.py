#!/usr/bin/env python3
"""Includes point down only.

usage: check-includes.py SRC

Compares every #include of SRC/<room>/ with the floors of the house: a room may include itself and lower ones.  Some
rooms are kept apart although their floors would allow it, and each library from outside has one home, so that replacing
or auditing it is one folder's work.  Prints file:line of each violation; exit code 1 if there is one."""
import pathlib
import re
import sys

FLOORS = ["base", "crypto", "net", "tee", "attest", "service", "store", "kvs", "cas", "sql", "cascadb", "slt", "shell", "metering",
          "collection", "field", "billing", "fraud", "report", "cli"]
# The engines know nothing of the energy business, and what a meter is knows nothing of sockets.
APART = {"tee": {"net"}, "attest": {"tee"}, "kvs": {"metering"}, "sql": {"metering", "net", "service"}, "metering": {"net", "service"}}
DATABASE_CLIENTS = {"service", "cascadb", "shell", "collection", "billing", "fraud", "cli"}
HOMES = [  # (header, rooms that may include it)
    (re.compile(r"openssl/"), {"crypto", "net"}),
    (re.compile(r"event2/|event\.h"), {"net"}),
    (re.compile(r"curl/"), {"net"}),
    (re.compile(r"http_parser\.h"), {"net"}),
    (re.compile(r"sqlite3(ext)?\.h"), {"sql", "slt"}),
    (re.compile(r"(postgresql/)?libpq(-fe\.h|/)"), DATABASE_CLIENTS),
    (re.compile(r"jansson\.h"), {"base"}),
    (re.compile(r"yaml\.h"), {"base"}),
    (re.compile(r"seccomp\.h"), {"tee"}),
    (re.compile(r"tss2/"), {"tee"}),
]
INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')


def judge(room, quote, name):
    """The reason why a file of `room` must not include `name`, or None."""
    for pattern, rooms in HOMES:
        if pattern.match(name) and room not in rooms:
            return f"<{name}> belongs to {', '.join(sorted(rooms))}"
    other = name.split("/")[0]
    if quote != '"' or "/" not in name:
        return None
    if other not in FLOORS:
        return f'"{name}": there is no room {other}'
    if FLOORS.index(other) > FLOORS.index(room):
        return f'"{name}" is above {room}'
    if other in APART.get(room, ()):
        return f'{room} is kept apart from {other} ("{name}")'
    if name.endswith("internal.h") and other != room:
        return f'"{name}" is internal to {other}'
    return None


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    root = pathlib.Path(sys.argv[1])
    files = sorted(p for p in root.rglob("*.[ch]"))
    if not files:
        print(f"{root}: no sources", file=sys.stderr)
        return 2
    bad = 0
    for path in files:
        room = path.relative_to(root).parts[0]
        if room not in FLOORS:
            print(f"{path}:1: the room {room} is on no floor")
            bad += 1
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            m = INCLUDE.match(line)
            why = judge(room, m[1], m[2]) if m else None
            if why:
                print(f"{path}:{number}: {why}")
                bad += 1
    print(f"{len(files)} files, {bad} violations")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
