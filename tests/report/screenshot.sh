#!/bin/sh
# Renders the sample report in headless Chromium and checks that a picture with something on it came out.
# screenshot.sh SAMPLE REPORT; exit code 77 = skipped.
set -eu
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || {
    echo "skipped: no Chromium"
    exit 77
}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/run" "$dir/profile"
"$1" "$dir/run"
"$2" --out "$dir/run"
shot() { # shot NAME PAGE WIDTH
    timeout 100 "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
        --disable-background-networking --disable-component-update --disable-sync --user-data-dir="$dir/profile" \
        --window-size="$3",3000 --screenshot="$dir/$1.png" "file://$dir/run/$2" >"$dir/log" 2>&1 || {
        cat "$dir/log"
        exit 1
    }
    size=$(wc -c <"$dir/$1.png")
    echo "$1: $size bytes"
    # The signature of a PNG, and far more than an empty page of this size compresses to (about 12 kB).
    [ "$(head -c 4 "$dir/$1.png" | tail -c 3)" = PNG ] && [ "$size" -gt 60000 ]
}
shot index index.html 1280
shot customer customers/102.html 390
