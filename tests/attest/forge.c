#include "forge.h"

#include "base/clock.h"
#include "forge_pki.h"

#include <stdio.h>

#define ROOT_CN   "Forge SGX Root CA"
#define CA_CN     "Forge SGX PCK Platform CA"
#define PCK_CN    "Forge SGX PCK Certificate"
#define SIGNER_CN "Forge SGX TCB Signing"
enum serial { SERIAL_ROOT = 1, SERIAL_CA = 0x10002, SERIAL_PCK = 0x20003, SERIAL_SIGNER = 0x30004 };
#define CA_USAGE   "critical,keyCertSign,cRLSign"
#define LEAF_USAGE "critical,digitalSignature,nonRepudiation"

struct forge {
    EVP_PKEY *root, *ca, *pck, *signer, *attestation;
    EVP_PKEY *ark, *ask, *vek;
};

struct forge *forge_new(void)
{
    struct forge *f = calloc(1, sizeof *f);
    PKI_ASSERT(f != NULL);
    EVP_PKEY **const p256[] = {&f->root, &f->ca, &f->pck, &f->signer, &f->attestation};
    for (size_t i = 0; i < sizeof p256 / sizeof p256[0]; i++)
        *p256[i] = pki_key("EC", "P-256");
    f->ark = pki_key("RSA", NULL);
    f->ask = pki_key("RSA", NULL);
    f->vek = pki_key("EC", "P-384");
    return f;
}

void forge_free(struct forge *f)
{
    if (f == NULL)
        return;
    EVP_PKEY *const keys[] = {f->root, f->ca, f->pck, f->signer, f->attestation, f->ark, f->ask, f->vek};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        EVP_PKEY_free(keys[i]);
    free(f);
}

void forge_set_deinit(struct forge_set *s)
{
    struct sc_buf *const bufs[] = {&s->quote,    &s->tcb_info,      &s->qe_identity, &s->pck_crl,
                                   &s->root_crl, &s->signing_chain, &s->root_pem};
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++)
        sc_buf_deinit(bufs[i]);
}

/* ---- defaults: an up-to-date platform ---- */
static void default_platform(struct forge_spec *s)
{
    static const uint8_t svn[16] = {5, 5, 2, 2, 3, 1, 0, 3};
    memcpy(s->pck.svn, svn, 16);
    memcpy(s->pck.cpu_svn, svn, 16);
    s->pck.pce_svn = 11;
    memcpy(s->pck.fmspc, "\xaa\xbb\xcc\x00\x00\x00", 6);
    memset(s->pck.ppid, 0x77, 16);
    s->pck.sgx_type = 1;
    s->pck.has_instance = s->pck.dynamic_platform = true;
    memcpy(s->collateral_fmspc, s->pck.fmspc, 6);
}

static void default_collateral(struct forge_spec *s)
{
    s->tcb_version = 3;
    s->levels[0] = (struct forge_level){.pce_svn = 11, .status = "UpToDate"};
    memcpy(s->levels[0].sgx, s->pck.svn, 16);
    memcpy(s->levels[0].tdx, "\x05\x00\x06", 3);
    s->levels[1] = (struct forge_level){.pce_svn = 10, .status = "OutOfDate", .advisories = "\"INTEL-SA-00001\""};
    memcpy(s->levels[1].sgx, "\x04\x04\x02\x02\x03\x01\x00\x03", 8);
    memcpy(s->levels[1].tdx, "\x02\x00\x04", 3);
    s->level_count = 2;
    s->qe_levels[0] = (struct forge_svn_level){8, "UpToDate", NULL};
    s->qe_levels[1] = (struct forge_svn_level){6, "OutOfDate", "\"INTEL-SA-00002\",\"INTEL-SA-00001\""};
    s->qe_level_count = 2;
    s->modules[0].generation = 1;
    s->modules[0].levels[0] = (struct forge_svn_level){5, "UpToDate", NULL};
    s->modules[0].levels[1] = (struct forge_svn_level){3, "OutOfDate", "\"INTEL-SA-00003\""};
    s->modules[0].levels[2] = (struct forge_svn_level){1, "Revoked", NULL};
    s->modules[0].level_count = 3;
    s->module_count = 1;
}

void forge_spec_default(struct forge_spec *s, uint16_t version, enum sc_quote_body body)
{
    const struct forge_dates years = {FORGE_NOW_S - 365 * FORGE_DAY_S, FORGE_NOW_S + 3650 * FORGE_DAY_S};
    const struct forge_dates month = {FORGE_NOW_S - 15 * FORGE_DAY_S, FORGE_NOW_S + 15 * FORGE_DAY_S};
    const bool tdx = body != SC_BODY_SGX;
    *s = (struct forge_spec){.version = version,
                             .key_type = SC_QUOTE_KEY_ECDSA_P256,
                             .tee = tdx ? SC_TEE_TDX : SC_TEE_SGX,
                             .body = body,
                             .cert_type = SC_QUOTE_CERTS_PCK_CHAIN,
                             .collateral_tdx = tdx,
                             .pck_extension = SC_SLICE_EMPTY,
                             .cert = years,
                             .ca_cert = years,
                             .root_cert = years,
                             .signer_cert = years,
                             .pck_crl = month,
                             .root_crl = month,
                             .tcb_info = month,
                             .qe_identity = month};
    default_platform(s);
    default_collateral(s);
    memset(s->sgx.mr_enclave, 0xe1, 32);
    memset(s->sgx.mr_signer, 0x51, 32);
    s->sgx.attributes = SC_SGX_ATTR_INIT | SC_SGX_ATTR_MODE64;
    s->sgx.xfrm = 0xe7;
    s->sgx.prod_id = 7;
    s->sgx.svn = 3;
    memset(s->sgx.report_data, 0xda, 64);
    memcpy(s->td.tee_tcb_svn, "\x05\x01\x06", 3);
    memcpy(s->td.tee_tcb_svn_2, "\x05\x01\x06", 3);
    memset(s->td.mr_td, 0x7d, 48);
    s->td.attributes = SC_TD_ATTR_SEPT_VE_DISABLE;
    memset(s->td.report_data, 0xda, 64);
    s->qe.svn = 8;
    s->qe.prod_id = tdx ? 2 : 1;
    s->qe.attributes = 0x11;
    s->qe.xfrm = 0xe7;
    memset(s->qe.mr_signer, 0x9e, 32);
    s->qe_expected = s->qe;
}

/* ---- little-endian fields ---- */
static void put_le(struct sc_buf *out, uint64_t v, size_t size)
{
    for (size_t i = 0; i < size; i++)
        sc_buf_put_u8(out, (uint8_t)(v >> 8 * i));
}

static void put(struct sc_buf *out, const void *bytes, size_t size)
{
    sc_buf_put_bytes(out, sc_slice_of(bytes, size));
}

static void put_zeros(struct sc_buf *out, size_t size)
{
    if (size != 0)
        memset(sc_buf_extend(out, size), 0, size);
}

static void put_sgx(struct sc_buf *out, const struct sc_sgx_report *r)
{
    put(out, r->cpu_svn, 16);
    put_le(out, r->misc_select, 4);
    put_zeros(out, 12);
    put(out, r->ext_prod_id, 16);
    put_le(out, r->attributes, 8);
    put_le(out, r->xfrm, 8);
    put(out, r->mr_enclave, 32);
    put_zeros(out, 32);
    put(out, r->mr_signer, 32);
    put_zeros(out, 32);
    put(out, r->config_id, 64);
    put_le(out, r->prod_id, 2);
    put_le(out, r->svn, 2);
    put_le(out, r->config_svn, 2);
    put_zeros(out, 42);
    put(out, r->family_id, 16);
    put(out, r->report_data, 64);
}

static void put_td(struct sc_buf *out, const struct sc_td_report *r, bool is_15)
{
    put(out, r->tee_tcb_svn, 16);
    put(out, r->mr_seam, 48);
    put(out, r->mr_signer_seam, 48);
    put(out, r->seam_attributes, 8);
    put_le(out, r->attributes, 8);
    put_le(out, r->xfam, 8);
    put(out, r->mr_td, 48);
    put(out, r->mr_config_id, 48);
    put(out, r->mr_owner, 48);
    put(out, r->mr_owner_config, 48);
    put(out, r->rtmr, sizeof r->rtmr);
    put(out, r->report_data, 64);
    if (is_15) {
        put(out, r->tee_tcb_svn_2, 16);
        put(out, r->mr_service_td, 48);
    }
}

/* ---- certificates ---- */
static void pck_entry(struct sc_buf *out, const uint8_t *tail, size_t tail_size, uint8_t tag, struct sc_slice value)
{
    static const uint8_t base[] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf pair = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf oid = {0};
    put(&oid, base, sizeof base);
    put(&oid, tail, tail_size);
    pki_der_put(&pair, 0x06, sc_buf_slice(&oid));
    pki_der_put(&pair, tag, value);
    pki_der_put(out, 0x30, sc_buf_slice(&pair));
}

static void pck_int(struct sc_buf *out, const uint8_t *tail, size_t tail_size, unsigned v)
{
    const uint8_t bytes[3] = {0, (uint8_t)(v >> 8), (uint8_t)v};
    const size_t from = v > 0x7fff ? 0 : v > 0x7f ? 1 : 2; /* the fewest bytes that keep it positive */
    pck_entry(out, tail, tail_size, 0x02, sc_slice_of(bytes + from, 3 - from));
}

void forge_pck_extension(const struct sc_pck *p, struct sc_buf *out)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf all = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf tcb = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf conf = {0};
    const bool flags[] = {p->dynamic_platform, p->cached_keys, p->smt_enabled};
    pck_entry(&all, (const uint8_t[]){1}, 1, 0x04, sc_slice_of(p->ppid, 16));
    for (uint8_t i = 0; i < 16; i++)
        pck_int(&tcb, (const uint8_t[]){2, (uint8_t)(i + 1)}, 2, p->svn[i]);
    pck_int(&tcb, (const uint8_t[]){2, 17}, 2, p->pce_svn);
    pck_entry(&tcb, (const uint8_t[]){2, 18}, 2, 0x04, sc_slice_of(p->cpu_svn, 16));
    pck_entry(&all, (const uint8_t[]){2}, 1, 0x30, sc_buf_slice(&tcb));
    pck_entry(&all, (const uint8_t[]){3}, 1, 0x04, sc_slice_of(p->pce_id, 2));
    pck_entry(&all, (const uint8_t[]){4}, 1, 0x04, sc_slice_of(p->fmspc, 6));
    pck_entry(&all, (const uint8_t[]){5}, 1, 0x0a, sc_slice_of(&p->sgx_type, 1));
    if (p->has_instance) {
        pck_entry(&all, (const uint8_t[]){6}, 1, 0x04, sc_slice_of(p->instance_id, 16));
        for (uint8_t i = 0; i < 3; i++)
            pck_entry(&conf, (const uint8_t[]){7, (uint8_t)(i + 1)}, 2, 0x01,
                      sc_slice_of(flags[i] ? "\xff" : "\x00", 1));
        pck_entry(&all, (const uint8_t[]){7}, 1, 0x30, sc_buf_slice(&conf));
    }
    pki_der_put(out, 0x30, sc_buf_slice(&all));
}

static void make_root(struct forge *f, const struct forge_spec *s, struct sc_buf *der)
{
    const struct pki_cert c = {.cn = ROOT_CN, .key = f->root, .issuer_cn = ROOT_CN, .issuer_key = f->root,
                               .serial = SERIAL_ROOT, .from_s = s->root_cert.from_s, .until_s = s->root_cert.until_s,
                               .is_ca = true, .path_len = 1, .usage = CA_USAGE};
    pki_cert_der(&c, der);
}

static void make_chain(struct forge *f, const struct forge_spec *s, struct sc_slice root_der, struct sc_buf *pem)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf ext = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf leaf_der = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf ca_der = {0};
    forge_pck_extension(&s->pck, &ext);
    const struct pki_extension extension = {SC_PCK_EXTENSION_OID,
                                            s->pck_extension.size != 0 ? s->pck_extension : sc_buf_slice(&ext)};
    const struct pki_cert ca = {.cn = CA_CN, .key = f->ca, .issuer_cn = ROOT_CN, .issuer_key = f->root,
                                .serial = SERIAL_CA, .from_s = s->ca_cert.from_s, .until_s = s->ca_cert.until_s,
                                .is_ca = !s->ca_is_leaf, .path_len = 0,
                                .usage = s->ca_is_leaf ? LEAF_USAGE : CA_USAGE};
    const struct pki_cert leaf = {.cn = PCK_CN, .key = f->pck, .issuer_cn = CA_CN, .issuer_key = f->ca,
                                  .serial = SERIAL_PCK, .from_s = s->cert.from_s, .until_s = s->cert.until_s,
                                  .path_len = -1,
                                  .usage = s->pck_may_not_sign ? "critical,keyEncipherment" : LEAF_USAGE,
                                  .extensions = &extension, .extension_count = 1};
    pki_cert_der(&ca, &ca_der);
    pki_cert_der(&leaf, &leaf_der);
    pki_der_to_pem(sc_buf_slice(&leaf_der), pem);
    if (s->chain_reordered)
        pki_der_to_pem(root_der, pem);
    pki_der_to_pem(sc_buf_slice(&ca_der), pem);
    if (!s->chain_reordered && !s->chain_without_root)
        pki_der_to_pem(root_der, pem);
    if (s->chain_zero_ended)
        sc_buf_put_u8(pem, 0);
}

static void make_signer(struct forge *f, const struct forge_spec *s, struct sc_slice root_der, struct sc_buf *pem)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf der = {0};
    const struct pki_cert c = {.cn = SIGNER_CN, .key = f->signer, .issuer_cn = s->signer_by_ca ? CA_CN : ROOT_CN,
                               .issuer_key = s->signer_by_ca ? f->ca : f->root, .serial = SERIAL_SIGNER,
                               .from_s = s->signer_cert.from_s, .until_s = s->signer_cert.until_s,
                               .is_ca = s->signer_is_ca, .path_len = -1,
                               .usage = s->signer_is_ca ? "critical,digitalSignature,keyCertSign" : LEAF_USAGE};
    pki_cert_der(&c, &der);
    pki_der_to_pem(sc_buf_slice(&der), pem);
    pki_der_to_pem(root_der, pem);
}

static void make_crls(struct forge *f, const struct forge_spec *s, struct forge_set *out)
{
    const uint32_t pck_serials[] = {0x111, SERIAL_PCK, 0x7fffffff};
    uint32_t root_serials[3] = {0x222};
    size_t root_count = 1;
    if (s->ca_revoked)
        root_serials[root_count++] = SERIAL_CA;
    if (s->signer_revoked)
        root_serials[root_count++] = SERIAL_SIGNER;
    pki_crl_der(s->pck_crl_by_root ? ROOT_CN : CA_CN, s->pck_crl_by_root ? f->root : f->ca, s->pck_crl.from_s,
                s->pck_crl.until_s, pck_serials, s->pck_revoked ? 3 : 1, &out->pck_crl);
    pki_crl_der(s->root_crl_by_ca ? CA_CN : ROOT_CN, s->root_crl_by_ca ? f->ca : f->root, s->root_crl.from_s,
                s->root_crl.until_s, root_serials, root_count, &out->root_crl);
}

/* ---- the quote ---- */
static void put_qe_part(struct forge *f, const struct forge_spec *s, struct sc_slice chain, const uint8_t key[64],
                        struct sc_buf *out)
{
    static const uint8_t auth[32] = "the quoting enclave's own data";
    struct sc_sgx_report qe = s->qe;
    struct sc_hash binding;
    uint8_t rs[64];
    const struct sc_slice parts[] = {sc_slice_of(key, 64), sc_slice_of(auth, sizeof auth)};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf report = {0};
    sc_hash_of_parts(parts, 2, &binding);
    memcpy(qe.report_data, binding.bytes, 32);
    qe.report_data[0] ^= s->wrong_key_binding;
    qe.report_data[40] ^= s->report_data_tail;
    put_sgx(&report, &qe);
    pki_sign_raw(f->pck, "SHA256", sc_buf_slice(&report), 32, rs);
    sc_buf_put_bytes(out, sc_buf_slice(&report));
    put(out, rs, 64);
    put_le(out, sizeof auth, 2);
    put(out, auth, sizeof auth);
    put_le(out, s->cert_type, 2);
    put_le(out, chain.size, 4);
    sc_buf_put_bytes(out, chain);
}

static void put_signed_part(const struct forge_spec *s, struct sc_buf *out)
{
    static const size_t sizes[] = {0, SC_SGX_REPORT_SIZE, SC_TD_REPORT_10_SIZE, SC_TD_REPORT_15_SIZE};
    const uint8_t *vendor = s->simulated ? sc_quote_vendor_simulation : sc_quote_vendor_intel;
    put_le(out, s->version, 2);
    put_le(out, s->key_type, 2);
    put_le(out, s->tee, 4);
    put_zeros(out, 4);
    put(out, s->vendor != NULL ? s->vendor : vendor, 16);
    put_zeros(out, 20);
    if (s->version == 5) {
        put_le(out, (uint64_t)s->body, 2);
        put_le(out, sizes[s->body], 4);
    }
    if (s->body == SC_BODY_SGX)
        put_sgx(out, &s->sgx);
    else
        put_td(out, &s->td, s->body == SC_BODY_TD15);
}

static void make_quote(struct forge *f, const struct forge_spec *s, struct sc_slice chain, struct sc_buf *out)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf qe_part = {0};
    uint8_t rs[64];
    uint8_t key[64];
    put_signed_part(s, out);
    pki_sign_raw(f->attestation, "SHA256", sc_buf_slice(out), 32, rs);
    pki_point(f->attestation, 32, key);
    put_qe_part(f, s, chain, key, &qe_part);
    put_le(out, 128 + (s->version == 3 ? 0 : 6) + qe_part.size, 4);
    put(out, rs, 64);
    put(out, key, 64);
    if (s->version != 3) {
        put_le(out, SC_QUOTE_CERTS_QE_REPORT, 2);
        put_le(out, qe_part.size, 4);
    }
    sc_buf_put_bytes(out, sc_buf_slice(&qe_part));
    put_zeros(out, s->padding);
}

/* ---- TCB info and QE identity ---- */
static void json_hex(struct sc_buf *out, const char *name, const void *bytes, size_t size)
{
    char text[129];
    sc_hex_encode(sc_slice_of(bytes, size), text);
    sc_buf_put_fmt(out, "\"%s\":\"%s\"", name, text);
}

static void json_dates(struct sc_buf *out, const struct forge_dates *d)
{
    char from[SC_TIME_TEXT_SIZE];
    char until[SC_TIME_TEXT_SIZE];
    sc_buf_put_fmt(out, "\"issueDate\":\"%s\",\"nextUpdate\":\"%s\"", sc_time_text(d->from_s * 1000, from),
                   sc_time_text(d->until_s * 1000, until));
}

static void json_fact(struct sc_buf *out, const char *status, const char *advisories)
{
    sc_buf_put_fmt(out, ",\"tcbDate\":\"2024-11-13T00:00:00Z\",\"tcbStatus\":\"%s\"", status);
    if (advisories != NULL)
        sc_buf_put_fmt(out, ",\"advisoryIDs\":[%s]", advisories);
}

static void json_components(struct sc_buf *out, const char *name, const uint8_t svn[16])
{
    sc_buf_put_fmt(out, "\"%s\":[", name);
    for (size_t i = 0; i < 16; i++)
        sc_buf_put_fmt(out, "%s{\"svn\":%u}", i != 0 ? "," : "", svn[i]);
    sc_buf_put_str(out, "]");
}

static void json_level(struct sc_buf *out, const struct forge_spec *s, const struct forge_level *l)
{
    sc_buf_put_str(out, "{\"tcb\":{");
    if (s->tcb_version == 2) {
        for (int i = 0; i < 16; i++)
            sc_buf_put_fmt(out, "%s\"sgxtcbcomp%02dsvn\":%u", i != 0 ? "," : "", i + 1, l->sgx[i]);
    } else {
        json_components(out, "sgxtcbcomponents", l->sgx);
    }
    sc_buf_put_fmt(out, ",\"pcesvn\":%u", l->pce_svn);
    if (s->collateral_tdx) {
        sc_buf_put_str(out, ",");
        json_components(out, "tdxtcbcomponents", l->tdx);
    }
    sc_buf_put_str(out, "}");
    json_fact(out, l->status, l->advisories);
    sc_buf_put_str(out, "}");
}

static void json_svn_levels(struct sc_buf *out, const struct forge_svn_level *levels, size_t count)
{
    sc_buf_put_str(out, "\"tcbLevels\":[");
    for (size_t i = 0; i < count; i++) {
        sc_buf_put_fmt(out, "%s{\"tcb\":{\"isvsvn\":%u}", i != 0 ? "," : "", levels[i].svn);
        json_fact(out, levels[i].status, levels[i].advisories);
        sc_buf_put_str(out, "}");
    }
    sc_buf_put_str(out, "]");
}

static void json_module(struct sc_buf *out, const struct forge_spec *s)
{
    json_hex(out, "mrsigner", s->module_signer, 48);
    sc_buf_put_str(out, ",");
    json_hex(out, "attributes", s->module_attributes, 8);
    sc_buf_put_str(out, ",\"attributesMask\":\"FFFFFFFFFFFFFFFF\"");
}

static void json_modules(struct sc_buf *out, const struct forge_spec *s)
{
    sc_buf_put_str(out, ",\"tdxModule\":{");
    json_module(out, s);
    sc_buf_put_str(out, "},\"tdxModuleIdentities\":[");
    for (size_t i = 0; i < s->module_count; i++) {
        sc_buf_put_fmt(out, "%s{\"id\":\"TDX_%02X\",", i != 0 ? "," : "", s->modules[i].generation);
        json_module(out, s);
        sc_buf_put_str(out, ",");
        json_svn_levels(out, s->modules[i].levels, s->modules[i].level_count);
        sc_buf_put_str(out, "}");
    }
    sc_buf_put_str(out, "]");
}

static void tcb_info_text(const struct forge_spec *s, struct sc_buf *out)
{
    sc_buf_put_str(out, "{");
    if (s->tcb_version == 3)
        sc_buf_put_fmt(out, "\"id\":\"%s\",", s->collateral_tdx ? "TDX" : "SGX");
    sc_buf_put_fmt(out, "\"version\":%d,", s->tcb_version);
    json_dates(out, &s->tcb_info);
    sc_buf_put_str(out, ",");
    json_hex(out, "fmspc", s->collateral_fmspc, 6);
    sc_buf_put_str(out, ",");
    json_hex(out, "pceId", s->collateral_pce_id, 2);
    sc_buf_put_str(out, ",\"tcbType\":0,\"tcbEvaluationDataNumber\":20");
    if (s->collateral_tdx)
        json_modules(out, s);
    sc_buf_put_str(out, ",\"tcbLevels\":[");
    for (size_t i = 0; i < s->level_count; i++) {
        sc_buf_put_str(out, i != 0 ? "," : "");
        json_level(out, s, &s->levels[i]);
    }
    sc_buf_put_str(out, "]}");
}

static void qe_identity_text(const struct forge_spec *s, struct sc_buf *out)
{
    const struct sc_sgx_report *qe = &s->qe_expected;
    char attributes[40];
    sc_buf_put_fmt(out, "{\"id\":\"%s\",\"version\":2,", s->collateral_tdx ? "TD_QE" : "QE");
    json_dates(out, &s->qe_identity);
    snprintf(attributes, sizeof attributes, "%02X00000000000000%02X00000000000000", (unsigned)(qe->attributes & 0xff),
             (unsigned)(qe->xfrm & 0xff));
    sc_buf_put_fmt(out,
                   ",\"tcbEvaluationDataNumber\":20,\"miscselect\":\"%02x000000\",\"miscselectMask\":\"FFFFFFFF\","
                   "\"attributes\":\"%s\",\"attributesMask\":\"FBFFFFFFFFFFFFFFFF00000000000000\",",
                   (unsigned)(qe->misc_select & 0xff), attributes);
    json_hex(out, "mrsigner", qe->mr_signer, 32);
    sc_buf_put_fmt(out, ",\"isvprodid\":%u,", qe->prod_id);
    json_svn_levels(out, s->qe_levels, s->qe_level_count);
    sc_buf_put_str(out, "}");
}

void forge_sign_json(struct forge *f, const char *name, const char *inner, struct sc_buf *out)
{
    uint8_t rs[64];
    char hex[129];
    pki_sign_raw(f->signer, "SHA256", sc_slice_str(inner), 32, rs);
    sc_hex_encode(sc_slice_of(rs, 64), hex);
    sc_buf_put_fmt(out, "{\"%s\":%s,\"signature\":\"%s\"}", name, inner, hex);
}

static void make_documents(struct forge *f, const struct forge_spec *s, struct forge_set *out)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf info = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf identity = {0};
    tcb_info_text(s, &info);
    qe_identity_text(s, &identity);
    forge_sign_json(f, "tcbInfo", s->tcb_info_text != NULL ? s->tcb_info_text : sc_buf_cstr(&info), &out->tcb_info);
    forge_sign_json(f, "enclaveIdentity", s->qe_identity_text != NULL ? s->qe_identity_text : sc_buf_cstr(&identity),
                    &out->qe_identity);
}

void forge_make(struct forge *f, const struct forge_spec *s, struct forge_set *out)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf root_der = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf chain = {0};
    *out = (struct forge_set){0};
    make_root(f, s, &root_der);
    pki_der_to_pem(sc_buf_slice(&root_der), &out->root_pem);
    make_chain(f, s, sc_buf_slice(&root_der), &chain);
    make_quote(f, s, sc_buf_slice(&chain), &out->quote);
    make_signer(f, s, sc_buf_slice(&root_der), &out->signing_chain);
    make_crls(f, s, out);
    make_documents(f, s, out);
}

void forge_collateral_bytes(const struct forge_set *s, struct sc_collateral_bytes *out)
{
    sc_collateral_bytes_init(out);
    out->tcb_info = sc_buf_slice(&s->tcb_info);
    out->qe_identity = sc_buf_slice(&s->qe_identity);
    out->pck_crl = sc_buf_slice(&s->pck_crl);
    out->root_ca_crl = sc_buf_slice(&s->root_crl);
    out->tcb_signing_chain = sc_buf_slice(&s->signing_chain);
}

/* ---- AMD ---- */
void forge_snp_set_deinit(struct forge_snp_set *s)
{
    sc_buf_deinit(&s->report);
    sc_buf_deinit(&s->vek);
    sc_buf_deinit(&s->chain);
    sc_buf_deinit(&s->crl);
    sc_buf_deinit(&s->root_pem);
}

void forge_snp_spec_default(struct forge_snp_spec *s, const char *product, bool vlek)
{
    const bool turin = strcmp(product, "Turin") == 0;
    static const uint8_t tcb[8] = {3, 0, 0, 0, 0, 0, 8, 0x73};
    static const uint8_t turin_tcb[8] = {1, 2, 3, 4, 0, 0, 0, 0x45};
    *s = (struct forge_snp_spec){.version = 3, .algorithm = 1, .guest_svn = 4, .policy = 0x30000, .product = product,
                                 .family = turin ? 0x1a : 0x19,
                                 .model = strcmp(product, "Genoa") == 0 ? 0x11 : 0x01, .vlek = vlek,
                                 .signing_key = -1};
    s->cert = s->ca_cert = (struct forge_dates){FORGE_NOW_S - 100 * FORGE_DAY_S, FORGE_NOW_S + 200 * FORGE_DAY_S};
    s->crl = (struct forge_dates){FORGE_NOW_S - 10 * FORGE_DAY_S, FORGE_NOW_S + 20 * FORGE_DAY_S};
    memcpy(s->reported_tcb, turin ? turin_tcb : tcb, 8);
    memcpy(s->current_tcb, s->reported_tcb, 8);
    memcpy(s->certified_tcb, s->reported_tcb, 8);
    if (!vlek)
        memset(s->chip_id, 0xc1, turin ? 8 : 64);
    memcpy(s->hardware_id, s->chip_id, 64);
}

static void make_report(struct forge *f, const struct forge_snp_spec *s, struct sc_buf *out)
{
    uint8_t rs[96];
    const unsigned key = s->signing_key >= 0 ? (unsigned)s->signing_key : s->vlek ? 1 : 0;
    uint8_t *b = sc_buf_extend(out, SC_SNP_REPORT_SIZE);
    memset(b, 0, SC_SNP_REPORT_SIZE);
    b[0] = (uint8_t)s->version;
    b[4] = (uint8_t)s->guest_svn;
    for (int i = 0; i < 8; i++)
        b[8 + i] = (uint8_t)(s->policy >> 8 * i);
    b[0x30] = (uint8_t)s->vmpl;
    b[0x34] = (uint8_t)s->algorithm;
    memcpy(b + 0x38, s->current_tcb, 8);
    b[0x48] = (uint8_t)((s->masked ? 2u : 0u) | key << 2);
    memset(b + 0x50, 0xda, 64);
    memset(b + 0x90, 0x3e, 48);
    memset(b + 0xc0, 0x40, 32);
    memset(b + 0xe0, 0x1d, 48);
    memcpy(b + 0x180, s->reported_tcb, 8);
    b[0x188] = s->family;
    b[0x189] = s->model;
    memcpy(b + 0x1a0, s->chip_id, 64);
    memcpy(b + 0x1e0, s->reported_tcb, 8);
    memcpy(b + 0x1f0, s->reported_tcb, 8);
    pki_sign_raw(f->vek, "SHA384", sc_slice_of(b, SC_SNP_SIGNED_SIZE), 48, rs);
    for (int i = 0; i < 48; i++) {
        b[0x2a0 + i] = rs[47 - i];
        b[0x2a0 + 72 + i] = rs[95 - i];
    }
}

#define AMD "1.3.6.1.4.1.3704.1"

static void make_vek(struct forge *f, const struct forge_snp_spec *s, const char *ca_cn, struct sc_buf *out)
{
    struct sc_snp_tcb t;
    const bool turin = strcmp(s->product, "Turin") == 0;
    sc_snp_tcb_parse(s->certified_tcb, turin, &t);
    const uint8_t svn[] = {t.boot_loader, t.tee, t.snp, t.microcode, t.fmc};
    static const char *const oids[] = {AMD ".3.1", AMD ".3.2", AMD ".3.3", AMD ".3.8", AMD ".3.9"};
    struct pki_extension ext[8];
    struct sc_buf values[8] = {{0}};
    const char *name = s->product_extension != NULL ? s->product_extension : s->product;
    const size_t id_size = turin ? 8 : 64;
    size_t n = 0;
    for (size_t i = 0; i < (turin ? 5u : 4u); i++) {
        const uint8_t number[2] = {0, svn[i]};
        const size_t skip = svn[i] < 0x80;
        pki_der_put(&values[n], 0x02, sc_slice_of(number + skip, 2 - skip));
        ext[n].oid = oids[i];
        n++;
    }
    if (name[0] != '\0') {
        pki_der_put(&values[n], 0x16, sc_slice_str(name));
        ext[n++].oid = AMD ".2";
    }
    if (!s->vlek) {
        if (s->hardware_id_wrapped)
            pki_der_put(&values[n], 0x04, sc_slice_of(s->hardware_id, id_size));
        else
            sc_buf_put_bytes(&values[n], sc_slice_of(s->hardware_id, id_size));
        ext[n++].oid = AMD ".4";
    }
    for (size_t i = 0; i < n; i++)
        ext[i].value = sc_buf_slice(&values[i]);
    const struct pki_cert c = {.cn = s->vlek ? "SEV-VLEK" : "SEV-VCEK", .key = f->vek, .issuer_cn = ca_cn,
                               .issuer_key = f->ask, .from_s = s->cert.from_s, .until_s = s->cert.until_s,
                               .bare = true, .path_len = -1, .extensions = ext, .extension_count = n};
    pki_cert_der(&c, out);
    for (size_t i = 0; i < n; i++)
        sc_buf_deinit(&values[i]);
}

void forge_snp_make(struct forge *f, const struct forge_snp_spec *s, struct forge_snp_set *out)
{
    char ca_cn[64];
    char given_cn[64];
    char root_cn[64];
    SC_CLEANUP(sc_buf_deinit) struct sc_buf ca_der = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf root_der = {0};
    const char *ca_product = s->ca_product != NULL ? s->ca_product : s->product;
    *out = (struct forge_snp_set){0};
    snprintf(ca_cn, sizeof ca_cn, "SEV-%s%s", s->vlek ? "VLEK-" : "", s->product);
    snprintf(given_cn, sizeof given_cn, "SEV-%s%s", s->vlek != s->ca_for_other_kind ? "VLEK-" : "", ca_product);
    snprintf(root_cn, sizeof root_cn, "ARK-%s", s->root_product != NULL ? s->root_product : s->product);
    const struct pki_cert root = {.cn = root_cn, .key = f->ark, .issuer_cn = root_cn, .issuer_key = f->ark, .serial = 1,
                                  .from_s = s->ca_cert.from_s, .until_s = s->ca_cert.until_s, .is_ca = true,
                                  .path_len = -1, .usage = CA_USAGE};
    const struct pki_cert ca = {.cn = given_cn, .key = f->ask, .issuer_cn = root_cn, .issuer_key = f->ark, .serial = 2,
                                .from_s = s->ca_cert.from_s, .until_s = s->ca_cert.until_s, .is_ca = true,
                                .path_len = 0, .usage = "critical,keyCertSign"};
    const uint32_t serials[] = {77, 2};
    make_report(f, s, &out->report);
    make_vek(f, s, ca_cn, &out->vek);
    pki_cert_der(&ca, &ca_der);
    pki_cert_der(&root, &root_der);
    pki_der_to_pem(sc_buf_slice(&ca_der), &out->chain);
    pki_der_to_pem(sc_buf_slice(&root_der), &out->chain);
    pki_der_to_pem(sc_buf_slice(&root_der), &out->root_pem);
    if (s->with_crl)
        pki_crl_der(s->crl_by_ca ? given_cn : root_cn, s->crl_by_ca ? f->ask : f->ark, s->crl.from_s, s->crl.until_s,
                    serials, s->ca_revoked ? 2 : 1, &out->crl);
}
