#include "tee/platform.h"

#include "base/clock.h"
#include "base/file.h"

#include <stdio.h>

#define DAY_MS        INT64_C(86400000)
#define CERT_DAYS     3650
#define REPORT_SIZE   ((size_t)384)
#define TCB_SVN       1
#define PCE_SVN       1
#define QE_ATTRIBUTES 0x15 /* INIT, MODE64BIT, PROVISIONKEY: as Intel's quoting enclave has them */
#define XFRM          0x03

/* As sc_quote_vendor_simulation of attest/quote.h: what verifiers tell simulated quotes by. */
static const uint8_t vendor[16] = "SecureCloud SIM";
static const uint8_t fmspc[6] = {0x51, 0x4d, 0x00, 0x00, 0x00, 0x00};
static const uint8_t auth_data[32] = "SIMULATED quoting enclave";

enum { ROOT, CA, PCK, SIGNER, CERT_COUNT, ATTESTATION = CERT_COUNT, KEY_COUNT };

struct tee_platform {
    struct sc_signer *keys[KEY_COUNT];
    struct sc_cert *certs[CERT_COUNT];
};

void tee_platform_free(struct tee_platform *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < KEY_COUNT; i++)
        sc_signer_free(p->keys[i]);
    for (size_t i = 0; i < CERT_COUNT; i++)
        sc_cert_free(p->certs[i]);
    free(p);
}

void tee_platform_freep(struct tee_platform **p)
{
    tee_platform_free(*p);
}

/* ---- DER of the PCK certificate's extension (docs/attestation.md; Intel's specification of PCK certificates, 1.3.5)
 * ---- */
static void der_put(struct sc_buf *out, uint8_t tag, struct sc_slice content)
{
    SC_ASSERT(content.size <= 0xffff);
    sc_buf_put_u8(out, tag);
    if (content.size > 0xff)
        sc_buf_put_u8(out, 0x82);
    else if (content.size > 0x7f)
        sc_buf_put_u8(out, 0x81);
    if (content.size > 0xff)
        sc_buf_put_u16be(out, (uint16_t)content.size);
    else
        sc_buf_put_u8(out, (uint8_t)content.size);
    sc_buf_put_bytes(out, content);
}

/* SEQUENCE { 1.2.840.113741.1.13.1.<arc[.sub]>, value } */
static void member_put(struct sc_buf *out, uint8_t arc, uint8_t sub, uint8_t tag, struct sc_slice value)
{
    const uint8_t oid[] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01, arc, sub};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf pair = {0};
    der_put(&pair, 0x06, sc_slice_of(oid, sub != 0 ? sizeof oid : sizeof oid - 1));
    der_put(&pair, tag, value);
    der_put(out, 0x30, sc_buf_slice(&pair));
}

static void pck_extension(struct sc_buf *out)
{
    static const uint8_t zeros[16];
    static const uint8_t svn = TCB_SVN;
    static const uint8_t pce_svn = PCE_SVN;
    uint8_t cpu_svn[16];
    SC_CLEANUP(sc_buf_deinit) struct sc_buf tcb = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf all = {0};
    memset(cpu_svn, TCB_SVN, sizeof cpu_svn);
    for (uint8_t i = 1; i <= 16; i++)
        member_put(&tcb, 2, i, 0x02, sc_slice_of(&svn, 1));
    member_put(&tcb, 2, 17, 0x02, sc_slice_of(&pce_svn, 1));
    member_put(&tcb, 2, 18, 0x04, sc_slice_of(cpu_svn, sizeof cpu_svn));
    member_put(&all, 1, 0, 0x04, sc_slice_of(zeros, 16)); /* PPID */
    member_put(&all, 2, 0, 0x30, sc_buf_slice(&tcb));
    member_put(&all, 3, 0, 0x04, sc_slice_of(zeros, 2)); /* PCE id */
    member_put(&all, 4, 0, 0x04, sc_slice_of(fmspc, sizeof fmspc));
    member_put(&all, 5, 0, 0x0a, sc_slice_of(zeros, 1)); /* type: standard */
    der_put(out, 0x30, sc_buf_slice(&all));
}

/* ---- making ---- */
static sc_err issue(struct tee_platform *p, int which, int issuer, struct sc_cert_request *req, int64_t now_ms,
                    struct sc_diag *diag)
{
    SC_CLEANUP(sc_verifier_freep) struct sc_verifier *key = NULL;
    SC_TRY(sc_verifier_of_signer(p->keys[which], &key));
    req->subject_key = key;
    req->not_before_ms = now_ms - DAY_MS;
    req->not_after_ms = now_ms + CERT_DAYS * DAY_MS;
    return sc_cert_issue(req, issuer != which ? p->certs[issuer] : NULL, p->keys[issuer], &p->certs[which], diag);
}

sc_err tee_platform_new(int64_t now_ms, struct tee_platform **out, struct sc_diag *diag)
{
    SC_CLEANUP(tee_platform_freep) struct tee_platform *p = calloc(1, sizeof *p);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf extension = {0};
    if (p == NULL)
        return sc_fail(diag, SC_E_NOMEM, "simulated platform");
    for (size_t i = 0; i < KEY_COUNT; i++)
        SC_TRY(sc_signer_generate(SC_SIGN_P256, &p->keys[i], diag));
    pck_extension(&extension);
    SC_TRY(sc_buf_status(&extension));
    const struct sc_cert_extension pck = {"1.2.840.113741.1.13.1", sc_buf_slice(&extension)};
    struct sc_cert_request root = {.common_name = "SIMULATED SGX Root CA", .is_ca = true, .path_len = 1};
    struct sc_cert_request ca = {.common_name = "SIMULATED SGX PCK Platform CA", .is_ca = true};
    struct sc_cert_request leaf = {
        .common_name = "SIMULATED SGX PCK Certificate", .extensions = &pck, .extension_count = 1};
    struct sc_cert_request signer = {.common_name = "SIMULATED SGX TCB Signing"};
    SC_TRY(issue(p, ROOT, ROOT, &root, now_ms, diag));
    SC_TRY(issue(p, CA, ROOT, &ca, now_ms, diag));
    SC_TRY(issue(p, PCK, CA, &leaf, now_ms, diag));
    SC_TRY(issue(p, SIGNER, ROOT, &signer, now_ms, diag));
    *out = SC_TAKE(p);
    return SC_OK;
}

sc_err tee_platform_encode(const struct tee_platform *p, struct sc_buf *out)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        SC_CLEANUP(sc_buf_wipe) struct sc_buf pem = {0};
        SC_TRY(sc_signer_to_pem(p->keys[i], &pem));
        sc_buf_put_lv16(out, sc_buf_slice(&pem));
    }
    for (size_t i = 0; i < CERT_COUNT; i++) {
        SC_CLEANUP(sc_buf_deinit) struct sc_buf der = {0};
        SC_TRY(sc_cert_to_der(p->certs[i], &der));
        sc_buf_put_lv16(out, sc_buf_slice(&der));
    }
    return sc_buf_status(out);
}

sc_err tee_platform_decode(struct sc_slice bytes, struct tee_platform **out, struct sc_diag *diag)
{
    SC_CLEANUP(tee_platform_freep) struct tee_platform *p = calloc(1, sizeof *p);
    struct sc_reader r = sc_reader_of(bytes);
    struct sc_slice part;
    if (p == NULL)
        return sc_fail(diag, SC_E_NOMEM, "simulated platform");
    for (size_t i = 0; i < KEY_COUNT; i++) {
        SC_TRY(sc_reader_get_lv16(&r, &part));
        SC_TRY(sc_signer_from_pem(part, &p->keys[i], diag));
    }
    for (size_t i = 0; i < CERT_COUNT; i++) {
        SC_TRY(sc_reader_get_lv16(&r, &part));
        SC_TRY(sc_cert_from_der(part, &p->certs[i], diag));
    }
    SC_TRY(sc_reader_expect_end(&r));
    *out = SC_TAKE(p);
    return SC_OK;
}

/* ---- quotes: little-endian ---- */
static void put_u16le(struct sc_buf *out, uint16_t v)
{
    sc_buf_put_u8(out, (uint8_t)v);
    sc_buf_put_u8(out, (uint8_t)(v >> 8));
}

static void put_u32le(struct sc_buf *out, uint32_t v)
{
    put_u16le(out, (uint16_t)v);
    put_u16le(out, (uint16_t)(v >> 16));
}

static void report_body(const struct tee_report *r, uint8_t attributes, uint8_t out[static REPORT_SIZE])
{
    memset(out, 0, REPORT_SIZE);
    memset(out, TCB_SVN, 16);
    out[48] = attributes;
    out[56] = XFRM;
    memcpy(out + 64, r->measurement.bytes, 32);
    memcpy(out + 128, r->signer.bytes, 32);
    out[256] = (uint8_t)r->product_id;
    out[257] = (uint8_t)(r->product_id >> 8);
    out[258] = (uint8_t)r->svn;
    out[259] = (uint8_t)(r->svn >> 8);
    memcpy(out + 320, r->report_data, 64);
}

static void qe_report(struct tee_report *out)
{
    *out = (struct tee_report){.product_id = 1, .svn = 1};
    sc_hash_of(sc_slice_str("SecureCloud SIMULATED quoting enclave"), &out->measurement);
    sc_hash_of(sc_slice_str("SecureCloud SIMULATED quoting enclave's signer"), &out->signer);
}

/* The signature part: over head, by a key that the quoting enclave's report binds. */
static sc_err put_signature(const struct tee_platform *p, struct sc_slice signed_part, struct sc_buf *out)
{
    uint8_t raw[64];
    uint8_t key[64];
    uint8_t body[REPORT_SIZE];
    struct tee_report qe;
    struct sc_hash binding;
    SC_TRY(sc_signer_sign_raw(p->keys[ATTESTATION], signed_part, raw));
    SC_TRY(sc_signer_point(p->keys[ATTESTATION], key));
    sc_buf_put_bytes(out, sc_slice_of(raw, 64));
    sc_buf_put_bytes(out, sc_slice_of(key, 64));
    const struct sc_slice parts[] = {sc_slice_of(key, 64), sc_slice_of(auth_data, sizeof auth_data)};
    sc_hash_of_parts(parts, 2, &binding);
    qe_report(&qe);
    memcpy(qe.report_data, binding.bytes, 32);
    report_body(&qe, QE_ATTRIBUTES, body);
    SC_TRY(sc_signer_sign_raw(p->keys[PCK], sc_slice_of(body, sizeof body), raw));
    sc_buf_put_bytes(out, sc_slice_of(body, sizeof body));
    sc_buf_put_bytes(out, sc_slice_of(raw, 64));
    put_u16le(out, sizeof auth_data);
    sc_buf_put_bytes(out, sc_slice_of(auth_data, sizeof auth_data));
    return sc_buf_status(out);
}

static sc_err put_chain(const struct tee_platform *p, struct sc_buf *out)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf pem = {0};
    static const int order[] = {PCK, CA, ROOT};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        SC_TRY(sc_cert_to_pem(p->certs[order[i]], &pem));
    put_u16le(out, 5); /* PCK certificate chain */
    put_u32le(out, (uint32_t)pem.size);
    sc_buf_put_bytes(out, sc_buf_slice(&pem));
    return sc_buf_status(out);
}

sc_err tee_platform_quote(const struct tee_platform *p, const struct tee_report *report, struct sc_buf *out,
                          struct sc_diag *diag)
{
    uint8_t body[REPORT_SIZE];
    static const uint8_t zeros[20];
    SC_CLEANUP(sc_buf_deinit) struct sc_buf head = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf tail = {0};
    put_u16le(&head, 3);
    put_u16le(&head, 2); /* ECDSA with P-256 */
    put_u32le(&head, 0);
    put_u16le(&head, 1); /* QE SVN */
    put_u16le(&head, PCE_SVN);
    sc_buf_put_bytes(&head, sc_slice_of(vendor, sizeof vendor));
    sc_buf_put_bytes(&head, sc_slice_of(zeros, 20));
    report_body(report, (uint8_t)(0x05 | (report->debug ? 0x02 : 0)), body); /* INIT, MODE64BIT, DEBUG */
    sc_buf_put_bytes(&head, sc_slice_of(body, sizeof body));
    SC_TRY(sc_buf_status(&head));
    SC_TRY(sc_context(diag, put_signature(p, sc_buf_slice(&head), &tail), "signing a quote"));
    SC_TRY(put_chain(p, &tail));
    sc_buf_put_bytes(out, sc_buf_slice(&head));
    put_u32le(out, (uint32_t)tail.size);
    sc_buf_put_bytes(out, sc_buf_slice(&tail));
    return sc_buf_status(out);
}

/* ---- collateral ---- */
static void json_hex(struct sc_buf *out, const char *name, const void *bytes, size_t size)
{
    char text[2 * 32 + 1];
    SC_ASSERT(size <= 32);
    sc_hex_encode(sc_slice_of(bytes, size), text);
    sc_buf_put_fmt(out, "\"%s\":\"%s\"", name, text);
}

static void json_dates(struct sc_buf *out, int64_t now_ms)
{
    char from[SC_TIME_TEXT_SIZE];
    char until[SC_TIME_TEXT_SIZE];
    const int64_t start_ms = now_ms / 1000 * 1000;
    sc_buf_put_fmt(out, "\"issueDate\":\"%s\",\"nextUpdate\":\"%s\",\"tcbEvaluationDataNumber\":1,",
                   sc_time_text(start_ms, from), sc_time_text(start_ms + TEE_COLLATERAL_DAYS * DAY_MS, until));
}

static void tcb_info(int64_t now_ms, struct sc_buf *out)
{
    sc_buf_put_str(out, "{\"id\":\"SGX\",\"version\":3,");
    json_dates(out, now_ms);
    json_hex(out, "fmspc", fmspc, sizeof fmspc);
    sc_buf_put_str(out, ",\"pceId\":\"0000\",\"tcbType\":0,\"tcbLevels\":[{\"tcb\":{\"sgxtcbcomponents\":[");
    for (int i = 0; i < 16; i++)
        sc_buf_put_fmt(out, "%s{\"svn\":%d}", i != 0 ? "," : "", TCB_SVN);
    sc_buf_put_fmt(out, "],\"pcesvn\":%d},\"tcbDate\":\"2026-01-01T00:00:00Z\",\"tcbStatus\":\"UpToDate\"}]}", PCE_SVN);
}

static void qe_identity(int64_t now_ms, struct sc_buf *out)
{
    struct tee_report qe;
    qe_report(&qe);
    sc_buf_put_str(out, "{\"id\":\"QE\",\"version\":2,");
    json_dates(out, now_ms);
    sc_buf_put_fmt(out,
                   "\"miscselect\":\"00000000\",\"miscselectMask\":\"FFFFFFFF\","
                   "\"attributes\":\"%02X00000000000000%02X00000000000000\","
                   "\"attributesMask\":\"FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF\",",
                   QE_ATTRIBUTES, XFRM);
    json_hex(out, "mrsigner", qe.signer.bytes, 32);
    sc_buf_put_str(out, ",\"isvprodid\":1,\"tcbLevels\":[{\"tcb\":{\"isvsvn\":1},"
                        "\"tcbDate\":\"2026-01-01T00:00:00Z\",\"tcbStatus\":\"UpToDate\"}]}");
}

static sc_err write_signed(const struct tee_platform *p, const char *path, const char *name, const struct sc_buf *inner,
                           struct sc_diag *diag)
{
    uint8_t raw[64];
    char hex[129];
    SC_CLEANUP(sc_buf_deinit) struct sc_buf text = {0};
    SC_TRY(sc_buf_status(inner));
    SC_TRY(sc_signer_sign_raw(p->keys[SIGNER], sc_buf_slice(inner), raw));
    sc_hex_encode(sc_slice_of(raw, sizeof raw), hex);
    sc_buf_put_fmt(&text, "{\"%s\":", name);
    sc_buf_put_bytes(&text, sc_buf_slice(inner));
    sc_buf_put_fmt(&text, ",\"signature\":\"%s\"}", hex);
    SC_TRY(sc_buf_status(&text));
    return sc_file_write(path, sc_buf_slice(&text), 0644, diag);
}

static sc_err write_crl(const struct tee_platform *p, const char *path, int issuer, int64_t now_ms,
                        struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf der = {0};
    SC_TRY(sc_crl_issue_empty(p->certs[issuer], p->keys[issuer], now_ms / 1000,
                              (now_ms + TEE_COLLATERAL_DAYS * DAY_MS) / 1000, &der, diag));
    return sc_file_write(path, sc_buf_slice(&der), 0644, diag);
}

sc_err tee_platform_publish(const struct tee_platform *p, int64_t now_ms, const char *dir, struct sc_diag *diag)
{
    char path[4096];
    SC_CLEANUP(sc_buf_deinit) struct sc_buf info = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf identity = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf chain = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf root = {0};
    if (strlen(dir) > sizeof path - 64)
        return sc_fail(diag, SC_E_LIMIT, "%s: too long", dir);
    snprintf(path, sizeof path, "%s/collateral", dir);
    SC_TRY(sc_dir_make(path, 0755, diag));
    tcb_info(now_ms, &info);
    qe_identity(now_ms, &identity);
    SC_TRY(sc_cert_to_pem(p->certs[SIGNER], &chain));
    SC_TRY(sc_cert_to_pem(p->certs[ROOT], &chain));
    SC_TRY(sc_cert_to_pem(p->certs[ROOT], &root));
    snprintf(path, sizeof path, "%s/collateral/tcb_info.json", dir);
    SC_TRY(write_signed(p, path, "tcbInfo", &info, diag));
    snprintf(path, sizeof path, "%s/collateral/qe_identity.json", dir);
    SC_TRY(write_signed(p, path, "enclaveIdentity", &identity, diag));
    snprintf(path, sizeof path, "%s/collateral/pck_crl.der", dir);
    SC_TRY(write_crl(p, path, CA, now_ms, diag));
    snprintf(path, sizeof path, "%s/collateral/root_ca_crl.der", dir);
    SC_TRY(write_crl(p, path, ROOT, now_ms, diag));
    snprintf(path, sizeof path, "%s/collateral/tcb_signing_chain.pem", dir);
    SC_TRY(sc_file_write(path, sc_buf_slice(&chain), 0644, diag));
    snprintf(path, sizeof path, "%s/root.pem", dir);
    return sc_file_write(path, sc_buf_slice(&root), 0644, diag);
}
