#!/usr/bin/env bats
# Being an enclave, and sessions, through the front door.
load common

setup() {
    OUT="$BATS_TEST_TMPDIR"
}

teardown() {
    if [ -f "$OUT/quotingd.pid" ]; then
        kill "$(cat "$OUT/quotingd.pid")"
    fi
}

start_quotingd() {
    [ "$(id -u)" = 0 ] || skip "the quoting daemon needs root"
    securecloud quotingd --state "$OUT/state" --socket "$OUT/run/socket" --user 64123 2> "$OUT/quotingd.log" 3>&- &
    echo $! > "$OUT/quotingd.pid"
    for _ in $(seq 100); do
        securecloud tee identity --backend software --root "$OUT/run/socket" > "$OUT/identity" 2>&1 && return 0
        sleep 0.1
    done
    cat "$OUT/quotingd.log" "$OUT/identity"
    return 1
}

@test "evidence of a running program is judged by the verifier for hardware, and called SIMULATED" {
    chmod 755 "$OUT"
    start_quotingd
    grep -q "^kind *SIMULATED" "$OUT/identity"
    measurement="$(securecloud tee measure "$(command -v securecloud-tee)")"
    grep -q "^measurement *$measurement" "$OUT/identity"
    securecloud tee evidence "$OUT/quote" --backend software --root "$OUT/run/socket"
    printf 'version: 1\nkinds: [software]\ncode:\n  - measurement: %s\n' "$measurement" > "$OUT/policy.yaml"
    run securecloud attest verify "$OUT/quote" --simulation-root "$OUT/state/public/root.pem" \
        --collateral "$OUT/state/public/collateral" --policy "$OUT/policy.yaml"
    echo "$output"
    [ "$status" = 0 ]
    [[ "$output" == *SIMULATED* ]]
    run securecloud attest verify "$OUT/quote" --collateral "$OUT/state/public/collateral" --policy "$OUT/policy.yaml"
    [ "$status" != 0 ] # nobody trusts this root who was not told to
}

@test "one byte of an executable flipped is another measurement" {
    cp "$(readlink -f "$(command -v securecloud-tee)")" "$OUT/program"
    before="$(securecloud tee measure "$OUT/program")"
    printf x >> "$OUT/program"
    [ "$(securecloud tee measure "$OUT/program")" != "$before" ]
}

@test "a session is checked, explained and compared" {
    session="$BATS_TEST_DIRNAME/../cas/session.yaml"
    run securecloud cas check "$session"
    echo "$output"
    [ "$status" = 0 ]
    [[ "$output" == *"session utility/mdc: 2 services, 7 secrets"* ]]
    run securecloud cas explain "$session"
    [[ "$output" == *"secret db-password, in the file /run/mdc/config.json"* ]]
    sed 's/minimum_svn: 2/minimum_svn: 3/' "$session" > "$OUT/newer.yaml"
    run securecloud cas diff "$session" "$OUT/newer.yaml"
    [ "$status" = 1 ]
    [[ "$output" == *"+ service store: product 7, version 3 and later"* ]]
    sed 's/kind: random/kind: randon/' "$session" > "$OUT/typo.yaml"
    run securecloud cas check "$OUT/typo.yaml"
    [ "$status" = 1 ]
    [[ "$output" == *"typo.yaml: line 18, column "* ]]
}
