#!/usr/bin/env python3
"""Makes a file into an array of bytes that C can include: embed.py NAME INPUT OUTPUT"""
import sys

name, source, target = sys.argv[1:]
data = open(source, "rb").read()
lines = ["    " + ", ".join(str(b) for b in data[i:i + 24]) + "," for i in range(0, len(data), 24)]
with open(target, "w", encoding="ascii") as out:
    out.write("/* Made from %s. */\nstatic const unsigned char %s[] = {\n%s\n};\n" % (source.split("/")[-1], name, "\n".join(lines)))
