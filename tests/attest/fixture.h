/* tests/attest/fixture.h - a forge and a verifier that trusts it. */
#ifndef TESTS_ATTEST_FIXTURE_H
#define TESTS_ATTEST_FIXTURE_H

#include "attest/attest.h"
#include "attest/snp_certs.h"
#include "forge.h"
#include "test.h"

struct fixture {
    struct forge *forge;
    struct sc_attest_result r;
};

static inline int fixture_make(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->forge = forge_new();
    *state = f;
    return 0;
}

static inline int fixture_drop(void **state)
{
    struct fixture *f = *state;
    forge_free(f->forge);
    free(f);
    return 0;
}

/* The verdict on bytes as they stand, under the root that came with them. */
static inline enum sc_attest_reason fixture_judge_bytes(struct fixture *f, const struct forge_set *s,
                                                        enum sc_root_kind kind, struct sc_slice quote,
                                                        enum sc_attest_depth depth, int64_t now_s)
{
    struct sc_roots roots = { 0 };
    struct sc_collateral_bytes b;
    SC_CLEANUP(sc_collateral_freep) struct sc_collateral *c = NULL;
    SC_CLEANUP(sc_attest_verifier_freep) struct sc_attest_verifier *v = NULL;
    assert_ok(sc_roots_add_pem(&roots, kind, sc_buf_slice(&s->root_pem), NULL));
    forge_collateral_bytes(s, &b);
    assert_ok(sc_collateral_new(&b, &c, NULL));
    assert_ok(sc_attest_verifier_new(&roots, &v));
    const struct sc_attest_request req = { .evidence = quote, .collateral = c, .depth = depth, .now_s = now_s };
    assert_ok(sc_attest_verify(v, &req, &f->r));
    return f->r.reason;
}

static inline enum sc_attest_reason fixture_judge(struct fixture *f, const struct forge_spec *spec)
{
    SC_CLEANUP(forge_set_deinit) struct forge_set s;
    forge_make(f->forge, spec, &s);
    return fixture_judge_bytes(f, &s, spec->simulated ? SC_ROOT_SIMULATION : SC_ROOT_INTEL, sc_buf_slice(&s.quote),
                               SC_ATTEST_FULL, FORGE_NOW_S);
}

static inline enum sc_attest_reason fixture_judge_snp(struct fixture *f, const struct forge_snp_spec *spec, int64_t now_s)
{
    SC_CLEANUP(forge_snp_set_deinit) struct forge_snp_set s;
    SC_CLEANUP(sc_collateral_freep) struct sc_collateral *c = NULL;
    SC_CLEANUP(sc_attest_verifier_freep) struct sc_attest_verifier *v = NULL;
    struct sc_roots roots = { 0 };
    struct sc_collateral_bytes b;
    forge_snp_make(f->forge, spec, &s);
    assert_ok(sc_roots_add_pem(&roots, SC_ROOT_AMD, sc_buf_slice(&s.root_pem), NULL));
    sc_collateral_bytes_init(&b);
    b.vek = sc_buf_slice(&s.vek);
    b.amd_chain = sc_buf_slice(&s.chain);
    b.amd_crl = sc_buf_slice(&s.crl);
    assert_ok(sc_collateral_new(&b, &c, NULL));
    assert_ok(sc_attest_verifier_new(&roots, &v));
    const struct sc_attest_request req = {
        .evidence = sc_buf_slice(&s.report), .collateral = c, .kind = SC_ATTEST_SNP, .now_s = now_s
    };
    assert_ok(sc_attest_verify(v, &req, &f->r));
    return f->r.reason;
}

#define assert_reason(got, want)                                                                                       \
    do {                                                                                                               \
        const enum sc_attest_reason got_ = (got);                                                                      \
        if (got_ != (want))                                                                                            \
            fail_msg("%s: %s, not %s", #got, sc_attest_reason_name(got_), sc_attest_reason_name(want));                \
    } while (0)

#endif
