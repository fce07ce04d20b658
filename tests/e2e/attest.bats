#!/usr/bin/env bats
# The front door to attestation, on recorded evidence of real machines where it is at hand.
load common

@test "every recorded case is judged as expected, none skipped" {
    need_shared vectors/attestation/cases.tsv
    run securecloud attest verify --cases "$SC_SHARED/vectors/attestation/cases.tsv"
    echo "$output"
    [ "$status" = 0 ]
    [[ "${lines[-1]}" =~ ^[0-9]+\ passed,\ 0\ failed$ ]]
    [ "${lines[-1]%% *}" = "$(grep -vc '^#' "$SC_SHARED/vectors/attestation/cases.tsv")" ]
}

@test "a real TDX quote is accepted at its time, refused after it, and shown" {
    need_shared vectors/attestation/cases.tsv
    V="$SC_SHARED/vectors/attestation"
    run securecloud attest verify "$V/tdx/v4_b0c0_phala.bin" --collateral "$V/collateral/tdx-b0c06f000000-2025-06" --at 2025-07-01
    echo "$output"
    [ "$status" = 0 ]
    [ "${lines[0]}" = ACCEPTED ]
    run securecloud attest verify "$V/tdx/v4_b0c0_phala.bin" --collateral "$V/collateral/tdx-b0c06f000000-2025-06"
    [ "$status" = 3 ]
    [[ "$output" == *EXPIRED* ]]
    run securecloud attest show "$V/tdx/v4_b0c0_phala.bin"
    [ "$status" = 0 ]
    [[ "$output" == *mr_td* ]]
}

@test "a real debug report is genuine and yet refused" {
    need_shared vectors/attestation/cases.tsv
    V="$SC_SHARED/vectors/attestation/snp/milan_gsev"
    run securecloud attest verify "$V/report.bin" --collateral "$V" --at 2023-06-01
    echo "$output"
    [ "$status" = 3 ]
    [[ "$output" == *"verdict        OK"* ]]
    [[ "$output" == *"  debug "* ]]
}

@test "what is no evidence is said to be none" {
    head -c 1000 /dev/urandom > "$BATS_TEST_TMPDIR/noise"
    run securecloud attest verify "$BATS_TEST_TMPDIR/noise"
    [ "$status" = 3 ]
    [[ "$output" == *E_FORMAT* || "$output" == *E_UNSUPPORTED* ]]
    run securecloud attest show "$BATS_TEST_TMPDIR/noise"
    [ "$status" = 1 ]
}
