/* DCAP quotes: the parser, the words, and the judge up to where collateral begins. */
#include "attest/attest.h"
#include "attest/describe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_inside(struct sc_slice part, struct sc_slice whole)
{
    if (part.size != 0 && (part.ptr < whole.ptr || part.ptr + part.size > whole.ptr + whole.size))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sc_roots roots;
    static struct sc_attest_result r;
    const struct sc_slice bytes = sc_slice_of(data, size);
    struct sc_quote q;
    if (sc_quote_parse(bytes, &q, NULL) == SC_QUOTE_FINE) {
        const struct sc_slice parts[] = {q.signed_part,         q.signature, q.attestation_key, q.qe_report_bytes,
                                         q.qe_report_signature, q.auth_data, q.cert_data};
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
            expect_inside(parts[i], bytes);
        if (q.size > size || q.signature.size != 64 || q.attestation_key.size != 64)
            abort();
    }
    SC_CLEANUP(sc_buf_deinit) struct sc_buf text = {0};
    sc_ignore(sc_describe_evidence(bytes, &text, NULL)); /* whatever it is, describing it must not crash */
    SC_CLEANUP(sc_attest_verifier_freep) struct sc_attest_verifier *v = NULL;
    const struct sc_attest_request req = {.evidence = bytes, .depth = SC_ATTEST_SIGNATURES, .now_s = 1738368000};
    if (sc_attest_verifier_new(&roots, &v) != SC_OK)
        abort();
    if (sc_attest_verify(v, &req, &r) == SC_OK && r.reason == SC_ATTEST_OK) /* no root is trusted */
        abort();
    return 0;
}
