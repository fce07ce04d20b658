# Shared by the end-to-end tests.  SC_BIN is the folder of the programs.
: "${SC_BIN:=$(cd "$BATS_TEST_DIRNAME/../../build/bin" && pwd)}"
: "${SC_SHARED:=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)/../shared}"
PATH="$SC_BIN:$PATH"
SMALL="--customers 6 --days 3"

need_shared() {
    [ -e "$SC_SHARED/$1" ] || skip "no $SC_SHARED/$1 on this machine"
}

# hashes OUT: customer, measurement hash and total of every bill
hashes() {
    python3 - "$1" <<'PY'
import glob, json, os, sys
for path in sorted(glob.glob(sys.argv[1] + "/bills/*.json")):
    bill = json.load(open(path))
    print(os.path.basename(path), bill["measurement_hash"], bill["total"])
PY
}

# pid OUT SERVICE
pid() {
    python3 -c 'import json, sys; print(json.load(open(sys.argv[1] + "/services.json"))[sys.argv[2]])' "$1" "$2"
}

# port OUT SERVICE MEMBER: a port of the service's configuration
port() {
    python3 -c 'import json, sys; print(json.load(open("%s/system/services/%s/config.json" % tuple(sys.argv[1:3])))[sys.argv[3]]["port"])' "$1" "$2" "$3"
}

# verdicts OUT: "customer passed kinds..." of every audit
verdicts() {
    python3 - "$1" <<'PY'
import glob, json, os, sys
for path in sorted(glob.glob(sys.argv[1] + "/audits/*.json"), key=lambda p: int(os.path.basename(p)[:-5])):
    v = json.load(open(path))["verdict"]
    kinds = sorted({o["kind"] for o in v["findings"]})
    print(os.path.basename(path)[:-5], "passed" if v["passed"] else "failed", *kinds)
PY
}
