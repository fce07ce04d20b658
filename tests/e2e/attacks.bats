#!/usr/bin/env bats
# A dishonest operator of the database, and a dishonest customer.
load common

attack_is_named() { # KIND WORD
    run securecloud demo --customers 5 --days 3 --seed 11 --attack "$1:3" --out "$BATS_TEST_TMPDIR/out"
    echo "$output"
    [ "$status" = 0 ]
    [[ "$output" == *"audits: 4 passed, 1 failed"* ]]
    run verdicts "$BATS_TEST_TMPDIR/out"
    echo "$output"
    [ "${lines[0]}" = "1 passed" ]
    [ "${lines[1]}" = "2 passed" ]
    [ "${lines[2]}" = "3 failed $2" ]
    [ "${lines[3]}" = "4 passed" ]
    [ "${lines[4]}" = "5 passed" ]
    # The verdict names the very intervals that the attacker touched.
    python3 - "$BATS_TEST_TMPDIR/out" <<'PY'
import json, re, sys
story = json.load(open(sys.argv[1] + "/run.json"))["attack"]["description"]
touched = set(re.findall(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", story))
offences = json.load(open(sys.argv[1] + "/audits/3.json"))["verdict"]["findings"]
named = {o["start"] for o in offences}
assert named and named <= touched, (named, touched)
PY
}

@test "a dropped reading fails the audit of that customer alone" { attack_is_named drop dropped; }
@test "a duplicated reading fails the audit of that customer alone" { attack_is_named duplicate duplicated; }
@test "an altered reading fails the audit of that customer alone" { attack_is_named alter altered; }
@test "a replayed reading fails the audit of that customer alone" { attack_is_named replay replayed; }
@test "reordered readings fail the audit of that customer alone" { attack_is_named reorder reordered; }

@test "a verdict can be checked by anybody, and a changed one is refused" {
    run securecloud demo --customers 2 --days 2 --seed 3 --out "$BATS_TEST_TMPDIR/out"
    [ "$status" = 0 ]
    auditor="$BATS_TEST_TMPDIR/out/system/services/auditor/cert.pem"
    run securecloud audit check "$BATS_TEST_TMPDIR/out/audits/1.json" --auditor "$auditor"
    echo "$output"
    [ "$status" = 0 ]
    sed 's/"passed": true/"passed": false/' "$BATS_TEST_TMPDIR/out/audits/1.json" > "$BATS_TEST_TMPDIR/forged.json"
    run securecloud audit check "$BATS_TEST_TMPDIR/forged.json" --auditor "$auditor"
    echo "$output"
    [ "$status" != 0 ]
}

rank_of() { # OUT CUSTOMER
    python3 - "$1" "$2" <<'PY'
import csv, sys
for row in csv.DictReader(open(sys.argv[1] + "/fraud/ranking.csv")):
    if row["client_id"] == sys.argv[2]:
        print(row["rank"])
PY
}

@test "a customer who steals rises in the ranking" {
    run securecloud demo --customers 16 --days 28 --seed 5 --out "$BATS_TEST_TMPDIR/honest"
    [ "$status" = 0 ]
    run securecloud demo --customers 16 --days 28 --seed 5 --attack steal:9 --out "$BATS_TEST_TMPDIR/theft"
    echo "$output"
    [ "$status" = 0 ]
    honest=$(rank_of "$BATS_TEST_TMPDIR/honest" 9)
    theft=$(rank_of "$BATS_TEST_TMPDIR/theft" 9)
    echo "rank $honest -> $theft"
    [ "$theft" -lt "$honest" ] || [ "$theft" = 1 ]
    [ "$theft" -le 3 ]
    # Nobody's audit fails: the meter's word is genuine, it is the customer who cheats.
    [[ "$(verdicts "$BATS_TEST_TMPDIR/theft")" != *failed* ]]
}
