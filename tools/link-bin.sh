#!/bin/sh
# One folder with every program of a build tree: link-bin.sh BUILD
set -eu
mkdir -p "$1/bin"
for program in "$1"/src/*/securecloud "$1"/src/*/securecloud-*; do
    if [ -f "$program" ] && [ -x "$program" ]; then
        ln -sfn "../src/$(basename "$(dirname "$program")")/$(basename "$program")" "$1/bin/"
    fi
done
