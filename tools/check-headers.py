#!/usr/bin/env python3
"""Every header compiles alone.

usage: check-headers.py ROOT COMPILER...

Includes each header of ROOT/src twice (guards!) in an otherwise empty file.  Exit code 1 with the compiler's words if one fails."""
import pathlib
import subprocess
import sys


def flags():
    out = ["-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c"]
    for library in ("libcrypto", "libssl", "libevent", "jansson", "libpq", "sqlite3", "libcurl"):
        found = subprocess.run(["pkg-config", "--cflags", library], capture_output=True, text=True)
        out += found.stdout.split() if found.returncode == 0 else []
    return out


def main():
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    src = pathlib.Path(sys.argv[1]) / "src"
    headers = sorted(p.relative_to(src) for p in src.rglob("*.h"))
    command = sys.argv[2:] + flags() + [f"-I{src}", "-"]
    bad = 0
    for header in headers:
        text = f'#include "{header}"\n#include "{header}"\ntypedef int not_empty;\n'
        run = subprocess.run(command, input=text, capture_output=True, text=True)
        if run.returncode != 0:
            print(f"{src / header}: does not compile alone\n{run.stderr}")
            bad += 1
    print(f"{len(headers)} headers, {bad} broken")
    return 1 if bad or not headers else 0


if __name__ == "__main__":
    sys.exit(main())
