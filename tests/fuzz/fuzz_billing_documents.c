/* The JSON documents that billing reads from others: tariffs, bills, verdicts, proofs. */
#include "billing/audit.h"
#include "billing/proof.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A tariff that was accepted must price a month without tripping an assertion. */
static void use_tariff(const struct sc_tariff *t)
{
    const struct sc_contract k = { .client_id = 1, .meter = 1, .phases = 3,
                                   .contracted_w = { [SC_SLOT_OFF_PEAK] = 1000, [SC_SLOT_PEAK] = 1000 } };
    struct sc_usage_meter m;
    struct sc_charges c;
    sc_usage_init(&m, t);
    for (int64_t i = 0; i < 200; i++) {
        const struct sc_usage_interval in = { 1719792000000 + i * 1800000, 1800, i * 997, i * 551, i * 13 };
        if (sc_usage_add(&m, &in) != SC_OK)
            abort();
    }
    sc_usage_finish(&m);
    sc_ignore(sc_charges_compute(t, &k, &m.usage, &c, NULL)); /* absurd prices may be refused */
}

/* Verdict and proof against keys of our own: nothing that a fuzzer writes was signed by them. */
static struct sc_verifier *key;
static struct sc_cert *root;

static void make_keys(void)
{
    struct sc_key seed = { { 7 } };
    struct sc_signer *signer = NULL;
    const struct sc_cert_request req = { .common_name = "root", .is_ca = true, .not_after_ms = INT64_C(4102444800000) };
    struct sc_cert_request with_key = req;
    if (sc_signer_from_ed25519_seed(&seed, &signer) != SC_OK || sc_verifier_of_signer(signer, &key) != SC_OK)
        abort();
    with_key.subject_key = key;
    if (sc_cert_issue(&with_key, NULL, signer, &root, NULL) != SC_OK)
        abort();
    sc_signer_free(signer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (key == NULL)
        make_keys();
    SC_CLEANUP(sc_json_freep) json_t *doc = NULL;
    SC_CLEANUP(sc_freep) struct sc_tariff *tariff = calloc(1, sizeof *tariff);
    if (tariff == NULL || sc_json_parse(sc_slice_of(data, size), &doc, NULL) != SC_OK)
        return 0;
    struct sc_bill_claim claim;
    if (sc_tariff_parse(doc, tariff, NULL) == SC_OK)
        use_tariff(tariff);
    if (sc_bill_claim_parse(doc, &claim, NULL) == SC_OK && sc_bill_period_check(&claim.requested, NULL) != SC_OK)
        abort();
    bool passed;
    struct sc_proven proven;
    const struct sc_hash hash = { { 0 } };
    if (sc_verdict_check(doc, key, &passed, NULL) == SC_OK || sc_proof_check(doc, &hash, root, &proven, NULL) == SC_OK)
        abort();
    return 0;
}
