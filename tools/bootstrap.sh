#!/bin/sh
# Installs the Debian packages that are missing: bootstrap.sh build [test] [bench]
set -eu

build_packages="gcc libc6-dev pkg-config meson ninja-build python3 libevent-dev libssl-dev libcurl4-openssl-dev libhttp-parser-dev libjansson-dev libyaml-dev
libseccomp-dev libtss2-dev
libsqlite3-dev libpq-dev zlib1g-dev libzstd-dev liblz4-dev libreadline-dev libcmocka-dev"
test_packages="clang swtpm libclang-rt-14-dev llvm bats postgresql-client postgresql-15 python3-psycopg2 libpostgresql-jdbc-java openssl curl chromium libxml2-utils git procps
python3-cryptography"
# The peers that bench/ runs beside ours.
bench_packages="librocksdb-dev postgresql-15"

wanted=""
for group in "$@"; do
    case $group in
    build) wanted="$wanted $build_packages" ;;
    test) wanted="$wanted $test_packages" ;;
    bench) wanted="$wanted $bench_packages" ;;
    *) echo "bootstrap.sh: no group $group" >&2; exit 2 ;;
    esac
done

missing=""
for package in $wanted; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

echo "Installing:$missing"
sudo=""
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "bootstrap.sh: not root and no sudo; as root: apt-get install$missing" >&2; exit 1; }
    sudo="sudo"
fi
export DEBIAN_FRONTEND=noninteractive
# The lists may be missing (a fresh image) or old: then, and only then, fetch them.
$sudo apt-get install -y -qq --no-install-recommends $missing >/tmp/securecloud-bootstrap.log 2>&1 || {
    $sudo apt-get update -qq >>/tmp/securecloud-bootstrap.log 2>&1
    $sudo apt-get install -y -qq --no-install-recommends $missing >>/tmp/securecloud-bootstrap.log 2>&1
} || { tail -5 /tmp/securecloud-bootstrap.log >&2; exit 1; }
