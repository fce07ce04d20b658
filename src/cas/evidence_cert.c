#include "cas/evidence_cert.h"

#include "crypto/pki.h"

#define DICE_OID         "2.23.133.5.4.9"
#define LEGACY_OID_TWICE "0.6.9.42.840.113741.1337.6" /* content bytes 06 09 2A 86 48 86 F8 4D 8A 39 06 */
#define LEGACY_OID       "1.2.840.113741.1337.6"
#define EVIDENCE_TAG     60000
#define PUBKEY_HASH      "pubkey-hash"
#define HASH_SHA256      1 /* IANA, named information hash algorithms */
#define CLAIMS_MAX       16

/* ---- CBOR (RFC 8949): definite lengths, shortest heads, no recursion ---- */
enum major { CBOR_UINT = 0, CBOR_BYTES = 2, CBOR_TEXT = 3, CBOR_ARRAY = 4, CBOR_MAP = 5, CBOR_TAG = 6 };

static void cbor_put_head(struct sc_buf *out, enum major major, size_t n)
{
    const uint8_t top = (uint8_t)(major << 5);
    SC_ASSERT(n <= UINT32_MAX);
    if (n < 24) {
        sc_buf_put_u8(out, (uint8_t)(top | n));
    } else if (n <= 0xff) {
        sc_buf_put_u8(out, top | 24);
        sc_buf_put_u8(out, (uint8_t)n);
    } else if (n <= 0xffff) {
        sc_buf_put_u8(out, top | 25);
        sc_buf_put_u16be(out, (uint16_t)n);
    } else {
        sc_buf_put_u8(out, top | 26);
        sc_buf_put_u32be(out, (uint32_t)n);
    }
}

static void cbor_put_bytes(struct sc_buf *out, enum major major, struct sc_slice s)
{
    cbor_put_head(out, major, s.size);
    sc_buf_put_bytes(out, s);
}

static sc_err cbor_get_head(struct sc_reader *r, enum major *major_out, uint32_t *n_out)
{
    uint8_t first = 0;
    uint8_t n8 = 0;
    uint16_t n16 = 0;
    SC_TRY(sc_reader_get_u8(r, &first));
    *major_out = (enum major)(first >> 5);
    const uint8_t low = first & 31;
    *n_out = low;
    switch (low) {
    case 24:
        SC_TRY(sc_reader_get_u8(r, &n8));
        *n_out = n8;
        return n8 >= 24 ? SC_OK : SC_E_MALFORMED;
    case 25:
        SC_TRY(sc_reader_get_u16be(r, &n16));
        *n_out = n16;
        return n16 > 0xff ? SC_OK : SC_E_MALFORMED;
    case 26:
        SC_TRY(sc_reader_get_u32be(r, n_out));
        return *n_out > 0xffff ? SC_OK : SC_E_MALFORMED;
    default:
        return low < 24 ? SC_OK : SC_E_MALFORMED; /* 64 bits, indefinite: nothing here needs them */
    }
}

static sc_err cbor_expect(struct sc_reader *r, enum major major, uint32_t *n_out)
{
    enum major got;
    SC_TRY(cbor_get_head(r, &got, n_out));
    return got == major ? SC_OK : SC_E_MALFORMED;
}

static sc_err cbor_expect_bytes(struct sc_reader *r, enum major major, struct sc_slice *out)
{
    uint32_t size = 0;
    SC_TRY(cbor_expect(r, major, &size));
    return sc_reader_get_bytes(r, size, out);
}

/* A claim that we do not know: a number, bytes or a text. */
static sc_err cbor_skip_simple(struct sc_reader *r)
{
    enum major major;
    uint32_t n = 0;
    struct sc_slice ignored;
    SC_TRY(cbor_get_head(r, &major, &n));
    if (major == CBOR_UINT)
        return SC_OK;
    return major == CBOR_BYTES || major == CBOR_TEXT ? sc_reader_get_bytes(r, n, &ignored) : SC_E_UNSUPPORTED;
}

/* ---- claims ---- */
static void claims_put(const uint8_t key_hash[static 32], struct sc_buf *out)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf hash = {0};
    cbor_put_head(&hash, CBOR_ARRAY, 2);
    cbor_put_head(&hash, CBOR_UINT, HASH_SHA256);
    cbor_put_bytes(&hash, CBOR_BYTES, sc_slice_of(key_hash, 32));
    if (hash.failed != SC_OK)
        out->failed = hash.failed;
    cbor_put_head(out, CBOR_MAP, 1);
    cbor_put_bytes(out, CBOR_TEXT, sc_slice_str(PUBKEY_HASH));
    cbor_put_bytes(out, CBOR_BYTES, sc_buf_slice(&hash));
}

static sc_err key_hash_get(struct sc_slice bytes, uint8_t out[static 32])
{
    struct sc_reader r = sc_reader_of(bytes);
    uint32_t n = 0;
    struct sc_slice hash;
    SC_TRY(cbor_expect(&r, CBOR_ARRAY, &n));
    if (n != 2)
        return SC_E_MALFORMED;
    SC_TRY(cbor_expect(&r, CBOR_UINT, &n));
    SC_TRY(cbor_expect_bytes(&r, CBOR_BYTES, &hash));
    SC_TRY(sc_reader_expect_end(&r));
    if (n != HASH_SHA256)
        return SC_E_UNSUPPORTED;
    if (hash.size != 32)
        return SC_E_MALFORMED;
    memcpy(out, hash.ptr, 32);
    return SC_OK;
}

static sc_err claims_get(struct sc_slice claims, uint8_t key_hash_out[static 32])
{
    struct sc_reader r = sc_reader_of(claims);
    uint32_t count = 0;
    bool found = false;
    SC_TRY(cbor_expect(&r, CBOR_MAP, &count));
    if (count > CLAIMS_MAX)
        return SC_E_LIMIT;
    for (uint32_t i = 0; i < count; i++) {
        struct sc_slice name;
        struct sc_slice value;
        SC_TRY(cbor_expect_bytes(&r, CBOR_TEXT, &name));
        if (!sc_slice_eq(name, sc_slice_str(PUBKEY_HASH))) {
            SC_TRY(cbor_skip_simple(&r));
            continue;
        }
        if (found) /* two of them: which one counts would be a matter of taste */
            return SC_E_MALFORMED;
        found = true;
        SC_TRY(cbor_expect_bytes(&r, CBOR_BYTES, &value));
        SC_TRY(key_hash_get(value, key_hash_out));
    }
    SC_TRY(sc_reader_expect_end(&r));
    return found ? SC_OK : SC_E_MALFORMED;
}

static void report_data_of(struct sc_slice hashed, uint8_t out[static 64])
{
    struct sc_hash hash;
    sc_hash_of(hashed, &hash);
    memset(out, 0, 64);
    memcpy(out, hash.bytes, 32);
}

/* ---- making ---- */
static sc_err dice_value(const struct sc_evidence_cert_options *opt, const struct sc_hash *spki, struct sc_buf *out,
                         struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf claims = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf evidence = {0};
    uint8_t report_data[64];
    claims_put(spki->bytes, &claims);
    SC_TRY(sc_buf_status(&claims));
    report_data_of(sc_buf_slice(&claims), report_data);
    SC_TRY(opt->evidence(opt->evidence_arg, report_data, &evidence, diag));
    cbor_put_head(out, CBOR_TAG, EVIDENCE_TAG);
    cbor_put_head(out, CBOR_ARRAY, 2);
    cbor_put_bytes(out, CBOR_BYTES, sc_buf_slice(&evidence));
    cbor_put_bytes(out, CBOR_BYTES, sc_buf_slice(&claims));
    return sc_buf_status(out);
}

static sc_err legacy_value(const struct sc_evidence_cert_options *opt, const struct sc_hash *spki, struct sc_buf *out,
                           struct sc_diag *diag)
{
    uint8_t report_data[64] = {0};
    memcpy(report_data, spki->bytes, 32);
    return opt->evidence(opt->evidence_arg, report_data, out, diag);
}

sc_err sc_evidence_cert_issue(const struct sc_evidence_cert_options *opt, const struct sc_signer *key,
                              struct sc_cert **out, struct sc_diag *diag)
{
    struct sc_cert_extension extensions[8];
    struct sc_cert_request req = opt->request;
    struct sc_hash spki;
    SC_CLEANUP(sc_verifier_freep) struct sc_verifier *public_key = NULL;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf der = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf value = {0};
    SC_ASSERT(req.extension_count < sizeof extensions / sizeof extensions[0]);
    SC_TRY(sc_verifier_of_signer(key, &public_key));
    SC_TRY(sc_verifier_to_spki(public_key, &der));
    sc_hash_of(sc_buf_slice(&der), &spki);
    const bool dice = opt->form == SC_EVIDENCE_DICE;
    SC_TRY(dice ? dice_value(opt, &spki, &value, diag) : legacy_value(opt, &spki, &value, diag));
    if (req.extension_count != 0)
        memcpy(extensions, req.extensions, req.extension_count * sizeof extensions[0]);
    extensions[req.extension_count++] =
        (struct sc_cert_extension){dice ? DICE_OID : LEGACY_OID_TWICE, sc_buf_slice(&value)};
    req.extensions = extensions;
    req.subject_key = public_key;
    return sc_cert_issue(&req, opt->issuer_cert, opt->issuer_cert != NULL ? opt->issuer_key : key, out, diag);
}

/* ---- reading ---- */
static sc_err dice_get(struct sc_slice value, struct sc_carried_evidence *out)
{
    struct sc_reader r = sc_reader_of(value);
    struct sc_slice claims;
    uint32_t n = 0;
    SC_TRY(cbor_expect(&r, CBOR_TAG, &n));
    if (n != EVIDENCE_TAG)
        return SC_E_UNSUPPORTED;
    SC_TRY(cbor_expect(&r, CBOR_ARRAY, &n));
    if (n != 2)
        return SC_E_MALFORMED;
    SC_TRY(cbor_expect_bytes(&r, CBOR_BYTES, &out->evidence));
    SC_TRY(cbor_expect_bytes(&r, CBOR_BYTES, &claims));
    SC_TRY(sc_reader_expect_end(&r));
    SC_TRY(claims_get(claims, out->key_hash));
    report_data_of(claims, out->report_data);
    return SC_OK;
}

sc_err sc_evidence_dice_parse(struct sc_slice value, struct sc_carried_evidence *out, struct sc_diag *diag)
{
    struct sc_carried_evidence e = {.form = SC_EVIDENCE_DICE};
    const sc_err err = dice_get(value, &e);
    if (err != SC_OK)
        return sc_fail(diag, err, "evidence extension: %s",
                       err == SC_E_UNSUPPORTED ? "another tag, hash or kind of claim than is known here"
                                               : "not of its form");
    *out = e;
    return SC_OK;
}

static sc_err legacy_read(const struct sc_cert *cert, struct sc_carried_evidence *out, struct sc_diag *diag)
{
    struct sc_carried_evidence e = {.form = SC_EVIDENCE_LEGACY};
    struct sc_cert_facts facts;
    sc_err err = sc_cert_extension(cert, LEGACY_OID_TWICE, &e.evidence);
    if (err == SC_E_NOT_FOUND)
        err = sc_cert_extension(cert, LEGACY_OID, &e.evidence);
    if (err != SC_OK)
        return sc_fail(diag, err,
                       err == SC_E_NOT_FOUND ? "the certificate carries no evidence"
                                             : "the certificate carries evidence twice");
    SC_TRY(sc_cert_facts(cert, &facts, diag));
    memcpy(e.key_hash, facts.spki.bytes, 32);
    memcpy(e.report_data, facts.spki.bytes, 32);
    *out = e;
    return SC_OK;
}

sc_err sc_evidence_cert_read(const struct sc_cert *cert, struct sc_carried_evidence *out, struct sc_diag *diag)
{
    struct sc_slice value;
    const sc_err err = sc_cert_extension(cert, DICE_OID, &value);
    if (err == SC_OK)
        return sc_evidence_dice_parse(value, out, diag);
    if (err != SC_E_NOT_FOUND)
        return sc_fail(diag, err, "the certificate carries evidence twice");
    return legacy_read(cert, out, diag);
}

sc_err sc_evidence_cert_verify(const struct sc_cert *cert, struct sc_attest_verifier *v,
                               struct sc_collateral *collateral, int64_t now_s, struct sc_attest_result *result,
                               struct sc_diag *diag)
{
    struct sc_carried_evidence e;
    struct sc_cert_facts facts;
    SC_TRY(sc_evidence_cert_read(cert, &e, diag));
    const struct sc_attest_request req = {
        .evidence = e.evidence, .collateral = collateral, .depth = SC_ATTEST_FULL, .now_s = now_s};
    SC_TRY(sc_attest_verify(v, &req, result));
    if (result->reason != SC_ATTEST_OK)
        return sc_fail(diag, SC_E_AUTH, "evidence: %s%s%s", sc_attest_reason_text(result->reason),
                       result->detail[0] != '\0' ? ": " : "", result->detail);
    if (!sc_ct_equal(result->report_data, e.report_data, sizeof e.report_data))
        return sc_fail(diag, SC_E_AUTH, "the evidence is over other claims than the certificate's");
    SC_TRY(sc_cert_facts(cert, &facts, diag));
    if (!sc_ct_equal(facts.spki.bytes, e.key_hash, sizeof e.key_hash))
        return sc_fail(diag, SC_E_AUTH, "the evidence vouches for another key than the certificate's");
    return SC_OK;
}
