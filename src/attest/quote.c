#include "attest/quote.h"

/* Intel's quoting enclave: 939a7233-f79c-4ca9-940a-0db3957f0607 */
const uint8_t sc_quote_vendor_intel[16] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                           0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};
const uint8_t sc_quote_vendor_simulation[16] = "SecureCloud SIM";

void sc_sgx_report_parse(const uint8_t bytes[static 384], struct sc_sgx_report *out)
{
    memcpy(out->cpu_svn, bytes, 16);
    out->misc_select = sc_load_u32le(bytes + 16);
    memcpy(out->ext_prod_id, bytes + 32, 16);
    out->attributes = sc_load_u64le(bytes + 48);
    out->xfrm = sc_load_u64le(bytes + 56);
    memcpy(out->mr_enclave, bytes + 64, 32);
    memcpy(out->mr_signer, bytes + 128, 32);
    memcpy(out->config_id, bytes + 192, 64);
    out->prod_id = sc_load_u16le(bytes + 256);
    out->svn = sc_load_u16le(bytes + 258);
    out->config_svn = sc_load_u16le(bytes + 260);
    memcpy(out->family_id, bytes + 304, 16);
    memcpy(out->report_data, bytes + 320, 64);
}

/* 584 bytes, or 648 of report 1.5 */
static void parse_td_report(const uint8_t *bytes, bool is_15, struct sc_td_report *out)
{
    memcpy(out->tee_tcb_svn, bytes, 16);
    memcpy(out->mr_seam, bytes + 16, 48);
    memcpy(out->mr_signer_seam, bytes + 64, 48);
    memcpy(out->seam_attributes, bytes + 112, 8);
    out->attributes = sc_load_u64le(bytes + 120);
    out->xfam = sc_load_u64le(bytes + 128);
    memcpy(out->mr_td, bytes + 136, 48);
    memcpy(out->mr_config_id, bytes + 184, 48);
    memcpy(out->mr_owner, bytes + 232, 48);
    memcpy(out->mr_owner_config, bytes + 280, 48);
    memcpy(out->rtmr, bytes + 328, sizeof out->rtmr);
    memcpy(out->report_data, bytes + 520, 64);
    if (is_15) {
        memcpy(out->tee_tcb_svn_2, bytes + 584, 16);
        memcpy(out->mr_service_td, bytes + 600, 48);
    }
}

static sc_err get_u16le(struct sc_reader *r, uint16_t *out)
{
    struct sc_slice s;
    SC_TRY(sc_reader_get_bytes(r, 2, &s));
    *out = sc_load_u16le(s.ptr);
    return SC_OK;
}

static sc_err get_u32le(struct sc_reader *r, uint32_t *out)
{
    struct sc_slice s;
    SC_TRY(sc_reader_get_bytes(r, 4, &s));
    *out = sc_load_u32le(s.ptr);
    return SC_OK;
}

/* Remembers the first flaw and its story. */
static enum sc_quote_flaw flaw(struct sc_diag *diag, enum sc_quote_flaw which, const char *where, unsigned long value)
{
    sc_ignore(sc_fail(diag, SC_E_MALFORMED, "%s (%lu)", where, value)); /* the flaw is the code here */
    return which;
}

static enum sc_quote_flaw parse_header(struct sc_reader *r, struct sc_quote *q, struct sc_diag *diag)
{
    struct sc_slice h;
    if (sc_reader_get_bytes(r, SC_QUOTE_HEADER_SIZE, &h) != SC_OK)
        return flaw(diag, SC_QUOTE_TRUNCATED, "shorter than a quote's header: bytes", sc_reader_left(r));
    q->version = sc_load_u16le(h.ptr);
    q->key_type = sc_load_u16le(h.ptr + 2);
    q->tee = sc_load_u32le(h.ptr + 4);
    q->qe_svn = sc_load_u16le(h.ptr + 8);
    q->pce_svn = sc_load_u16le(h.ptr + 10);
    memcpy(q->vendor, h.ptr + 12, 16);
    memcpy(q->user_data, h.ptr + 28, 20);
    if (q->version < 3 || q->version > 5)
        return flaw(diag, SC_QUOTE_BAD_VERSION, "quote of version", q->version);
    if (q->key_type != SC_QUOTE_KEY_ECDSA_P256)
        return flaw(diag, SC_QUOTE_BAD_KEY_TYPE, "attestation key of type", q->key_type);
    if (q->version > 3 && q->tee != SC_TEE_SGX && q->tee != SC_TEE_TDX)
        return flaw(diag, SC_QUOTE_BAD_TEE, "TEE of type", q->tee);
    return SC_QUOTE_FINE;
}

/* Version 5 tells body type and size; before, they follow from version and TEE.  (In version 3 the TEE's bytes are
 * reserved: whoever changes them breaks the signature, and the judge looks at them after it.) */
static enum sc_quote_flaw parse_body_kind(struct sc_reader *r, struct sc_quote *q, uint32_t *size, struct sc_diag *diag)
{
    static const size_t sizes[] = {[SC_BODY_SGX] = SC_SGX_REPORT_SIZE,
                                   [SC_BODY_TD10] = SC_TD_REPORT_10_SIZE,
                                   [SC_BODY_TD15] = SC_TD_REPORT_15_SIZE};
    uint16_t type;
    if (q->version < 5) {
        q->body = q->version == 4 && q->tee == SC_TEE_TDX ? SC_BODY_TD10 : SC_BODY_SGX;
        *size = (uint32_t)sizes[q->body];
        return SC_QUOTE_FINE;
    }
    if (get_u16le(r, &type) != SC_OK || get_u32le(r, size) != SC_OK)
        return flaw(diag, SC_QUOTE_TRUNCATED, "cut short before the body's type and size", 0);
    if (type < SC_BODY_SGX || type > SC_BODY_TD15)
        return flaw(diag, SC_QUOTE_BAD_BODY, "body of type", type);
    q->body = (enum sc_quote_body)type;
    if (*size != sizes[type])
        return flaw(diag, SC_QUOTE_BAD_BODY, "body of a size that its type has not", *size);
    if ((type == SC_BODY_SGX) != (q->tee == SC_TEE_SGX))
        return flaw(diag, SC_QUOTE_BAD_TEE, "the body's type is not of this TEE", q->tee);
    return SC_QUOTE_FINE;
}

static enum sc_quote_flaw parse_body(struct sc_reader *r, struct sc_quote *q, struct sc_diag *diag)
{
    uint32_t size = 0;
    struct sc_slice body;
    const enum sc_quote_flaw kind = parse_body_kind(r, q, &size, diag);
    if (kind != SC_QUOTE_FINE)
        return kind;
    if (sc_reader_get_bytes(r, size, &body) != SC_OK)
        return flaw(diag, SC_QUOTE_TRUNCATED, "cut short in the body; bytes left", sc_reader_left(r));
    if (q->body == SC_BODY_SGX)
        sc_sgx_report_parse(body.ptr, &q->report.sgx);
    else
        parse_td_report(body.ptr, q->body == SC_BODY_TD15, &q->report.td);
    return SC_QUOTE_FINE;
}

/* QE report, its signature, authentication data, certification data: to the last byte of what encloses them */
static enum sc_quote_flaw parse_qe_part(struct sc_reader *r, struct sc_quote *q, struct sc_diag *diag)
{
    uint16_t auth_size;
    uint32_t cert_size;
    if (sc_reader_get_bytes(r, SC_SGX_REPORT_SIZE, &q->qe_report_bytes) != SC_OK ||
        sc_reader_get_bytes(r, 64, &q->qe_report_signature) != SC_OK)
        return flaw(diag, SC_QUOTE_TRUNCATED, "cut short in the QE report; bytes left", sc_reader_left(r));
    sc_sgx_report_parse(q->qe_report_bytes.ptr, &q->qe_report);
    if (get_u16le(r, &auth_size) != SC_OK || sc_reader_get_bytes(r, auth_size, &q->auth_data) != SC_OK)
        return flaw(diag, SC_QUOTE_TRUNCATED, "the QE's authentication data do not fit; bytes left", sc_reader_left(r));
    if (get_u16le(r, &q->cert_type) != SC_OK || get_u32le(r, &cert_size) != SC_OK ||
        sc_reader_get_bytes(r, cert_size, &q->cert_data) != SC_OK)
        return flaw(diag, SC_QUOTE_TRUNCATED, "the certification data do not fit; bytes left", sc_reader_left(r));
    if (sc_reader_expect_end(r) != SC_OK)
        return flaw(diag, SC_QUOTE_TRUNCATED, "bytes after the certification data", sc_reader_left(r));
    if (q->cert_type != SC_QUOTE_CERTS_PCK_CHAIN)
        return flaw(diag, SC_QUOTE_BAD_CERT_DATA, "certification data of type", q->cert_type);
    return SC_QUOTE_FINE;
}

static enum sc_quote_flaw parse_signature_data(struct sc_reader *r, struct sc_quote *q, struct sc_diag *diag)
{
    uint16_t type;
    uint32_t size;
    struct sc_slice inner;
    if (sc_reader_get_bytes(r, 64, &q->signature) != SC_OK || sc_reader_get_bytes(r, 64, &q->attestation_key) != SC_OK)
        return flaw(diag, SC_QUOTE_TRUNCATED, "cut short in signature or attestation key", sc_reader_left(r));
    if (q->version == 3)
        return parse_qe_part(r, q, diag);
    if (get_u16le(r, &type) != SC_OK || get_u32le(r, &size) != SC_OK)
        return flaw(diag, SC_QUOTE_TRUNCATED, "cut short before the certification data", sc_reader_left(r));
    if (type != SC_QUOTE_CERTS_QE_REPORT)
        return flaw(diag, SC_QUOTE_BAD_CERT_DATA, "outer certification data of type", type);
    if (sc_reader_get_bytes(r, size, &inner) != SC_OK || sc_reader_expect_end(r) != SC_OK)
        return flaw(diag, SC_QUOTE_TRUNCATED, "outer certification data of a size that does not fit", size);
    struct sc_reader in = sc_reader_of(inner);
    return parse_qe_part(&in, q, diag);
}

enum sc_quote_flaw sc_quote_parse(struct sc_slice bytes, struct sc_quote *out, struct sc_diag *diag)
{
    struct sc_reader r = sc_reader_of(bytes);
    uint32_t size;
    struct sc_slice signature_data;
    *out = (struct sc_quote){0};
    out->signed_part = out->signature = out->attestation_key = out->qe_report_bytes = out->qe_report_signature =
        out->auth_data = out->cert_data = SC_SLICE_EMPTY;
    if (bytes.size > SC_QUOTE_SIZE_MAX)
        return flaw(diag, SC_QUOTE_TRUNCATED, "more bytes than a quote has", bytes.size);
    enum sc_quote_flaw f = parse_header(&r, out, diag);
    if (f == SC_QUOTE_FINE)
        f = parse_body(&r, out, diag);
    if (f != SC_QUOTE_FINE)
        return f;
    out->signed_part = sc_slice_of(bytes.ptr, (size_t)(r.cur - bytes.ptr));
    if (get_u32le(&r, &size) != SC_OK || sc_reader_get_bytes(&r, size, &signature_data) != SC_OK)
        return flaw(diag, SC_QUOTE_TRUNCATED, "the signature data do not fit; bytes left", sc_reader_left(&r));
    out->size = (size_t)(r.cur - bytes.ptr);
    struct sc_reader in = sc_reader_of(signature_data);
    return parse_signature_data(&in, out, diag);
}

bool sc_quote_looks_like(struct sc_slice bytes)
{
    if (bytes.size < SC_QUOTE_HEADER_SIZE)
        return false;
    const uint16_t version = sc_load_u16le(bytes.ptr);
    const uint16_t key_type = sc_load_u16le(bytes.ptr + 2);
    return version >= 3 && version <= 5 && (key_type == 2 || key_type == 3);
}
