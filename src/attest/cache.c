#include "attest/cache.h"

#include "attest/snp_certs.h"
#include "attest/tcb.h"
#include "base/file.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#define REFRESH_BEFORE_S ((int64_t)5 * 86400)
#define PART_SIZE_MAX    ((size_t)8 << 20)
#define URL_SIZE         1024

enum { TCB_INFO, QE_IDENTITY, PCK_CRL, ROOT_CRL, SIGNING_CHAIN, VEK, AMD_CHAIN, AMD_CRL, FILE_COUNT };
static const char *const file_names[FILE_COUNT] = {
    "tcb_info.json",         "qe_identity.json", "pck_crl.der", "root_ca_crl.der",
    "tcb_signing_chain.pem", "vek.der",          "chain.pem",   "crl.der"};

/* What the evidence asks for. */
struct wanted {
    bool is_snp, is_tdx, is_platform_ca;
    char fmspc[13];
    const char *product;
    bool is_turin;
    char chip[2 * 64 + 1];
    struct sc_snp_tcb tcb;
    char key[SC_CACHE_KEY_SIZE];
};

/* A set of files in memory. */
struct set {
    struct sc_buf file[FILE_COUNT];
};

static void set_deinit(struct set *s)
{
    for (size_t i = 0; i < FILE_COUNT; i++)
        sc_buf_deinit(&s->file[i]);
}

/* ---- what is wanted ---- */
static sc_err pck_of_chain(struct sc_slice pem, struct wanted *w, struct sc_diag *diag)
{
    struct sc_cert *certs[3] = {NULL};
    struct sc_slice ext;
    struct sc_pck pck;
    size_t count = 0;
    bool found = false;
    SC_TRY(sc_certs_from_pem(pem, certs, 3, &count, diag));
    for (size_t i = 0; i < count; i++) {
        char issuer[SC_CERT_CN_SIZE_MAX];
        if (!found && sc_cert_extension(certs[i], SC_PCK_EXTENSION_OID, &ext) == SC_OK &&
            sc_pck_parse(ext, &pck, NULL) == SC_OK) {
            sc_hex_encode(sc_slice_of(pck.fmspc, sizeof pck.fmspc), w->fmspc);
            sc_cert_issuer_cn(certs[i], issuer);
            w->is_platform_ca = strstr(issuer, "Processor") == NULL;
            found = true;
        }
        sc_cert_free(certs[i]);
    }
    return found ? SC_OK : sc_fail(diag, SC_E_MALFORMED, "the quote has no PCK certificate with an SGX extension");
}

static sc_err want_snp(const struct sc_cache_options *opt, struct sc_slice evidence, struct wanted *w,
                       struct sc_diag *diag)
{
    struct sc_snp_report s;
    char tcb[17];
    if (sc_snp_report_parse(evidence, &s, diag) != SC_SNP_FINE)
        return sc_fail(diag, SC_E_MALFORMED, "the SNP report cannot be read");
    if (s.signing_key != SC_SNP_VCEK)
        return sc_fail(diag, SC_E_UNSUPPORTED, "signed by a VLEK: its certificate comes from the cloud provider");
    const enum sc_snp_product product =
        s.version >= 3 ? sc_snp_product_of_cpuid(s.cpuid_family, s.cpuid_model)
                       : sc_snp_product_of_name(opt->snp_product != NULL ? opt->snp_product : "Milan");
    if (product == SC_SNP_PRODUCT_UNKNOWN)
        return sc_fail(diag, SC_E_UNSUPPORTED, "the report is of no known product");
    w->product = sc_snp_product_name(product);
    w->is_turin = product == SC_SNP_TURIN;
    sc_hex_encode(sc_slice_of(s.chip_id, w->is_turin ? 8 : 64), w->chip);
    sc_hex_encode(sc_slice_of(s.reported_tcb, 8), tcb);
    sc_snp_tcb_parse(s.reported_tcb, w->is_turin, &w->tcb);
    snprintf(w->key, sizeof w->key, "vcek-%s-%s-%s", w->product, w->chip, tcb);
    return SC_OK;
}

static sc_err want(const struct sc_cache_options *opt, struct sc_slice evidence, struct wanted *w, struct sc_diag *diag)
{
    struct sc_quote q;
    *w = (struct wanted){.is_snp = sc_snp_looks_like(evidence)};
    if (w->is_snp)
        return want_snp(opt, evidence, w, diag);
    if (sc_quote_parse(evidence, &q, diag) != SC_QUOTE_FINE)
        return sc_fail(diag, SC_E_MALFORMED, "the quote cannot be read");
    SC_TRY(pck_of_chain(q.cert_data, w, diag));
    w->is_tdx = q.body != SC_BODY_SGX;
    snprintf(w->key, sizeof w->key, "%s-%s-%s", w->is_tdx ? "tdx" : "sgx", w->fmspc,
             w->is_platform_ca ? "platform" : "processor");
    return SC_OK;
}

sc_err sc_cache_key(const struct sc_cache_options *opt, struct sc_slice evidence, char out[static SC_CACHE_KEY_SIZE],
                    struct sc_diag *diag)
{
    struct wanted w;
    SC_TRY(want(opt, evidence, &w, diag));
    memcpy(out, w.key, sizeof w.key);
    return SC_OK;
}

/* ---- a set's times ---- */
struct times {
    int64_t issued_s, expires_s; /* the oldest issue, the first to run out */
};

static void narrow(struct times *t, int64_t issued_s, int64_t expires_s)
{
    t->issued_s = issued_s < t->issued_s ? issued_s : t->issued_s;
    t->expires_s = expires_s < t->expires_s ? expires_s : t->expires_s;
}

static sc_err narrow_by_crl(struct times *t, const struct sc_buf *bytes, struct sc_diag *diag)
{
    SC_CLEANUP(sc_crl_freep) struct sc_crl *crl = NULL;
    SC_TRY(sc_crl_parse(sc_buf_slice(bytes), &crl, diag));
    narrow(t, sc_crl_this_update_s(crl), sc_crl_next_update_s(crl));
    return SC_OK;
}

static sc_err narrow_by_tcb_info(struct times *t, const struct sc_buf *bytes, struct sc_diag *diag)
{
    struct sc_slice inner;
    uint8_t signature[64];
    struct sc_tcb_info info;
    SC_TRY(sc_signed_json_split(sc_buf_slice(bytes), "tcbInfo", &inner, signature, diag));
    const sc_err err = sc_tcb_info_parse(inner, &info, diag);
    if (err == SC_OK)
        narrow(t, info.issued_s, info.next_update_s);
    sc_tcb_info_deinit(&info);
    return err;
}

static sc_err narrow_by_qe_identity(struct times *t, const struct sc_buf *bytes, struct sc_diag *diag)
{
    struct sc_slice inner;
    uint8_t signature[64];
    struct sc_qe_identity id;
    SC_TRY(sc_signed_json_split(sc_buf_slice(bytes), "enclaveIdentity", &inner, signature, diag));
    const sc_err err = sc_qe_identity_parse(inner, &id, diag);
    if (err == SC_OK)
        narrow(t, id.issued_s, id.next_update_s);
    sc_qe_identity_deinit(&id);
    return err;
}

/* The signing certificate may run out before what it signed. */
static sc_err narrow_by_chain(struct times *t, const struct sc_buf *pem, struct sc_diag *diag)
{
    struct sc_cert *certs[2] = {NULL};
    struct sc_cert_facts facts;
    size_t count = 0;
    sc_err err = sc_certs_from_pem(sc_buf_slice(pem), certs, 2, &count, diag);
    for (size_t i = 0; i < count; i++) {
        if (err == SC_OK)
            err = sc_cert_facts(certs[i], &facts, diag);
        if (err == SC_OK && facts.not_after_s < t->expires_s)
            t->expires_s = facts.not_after_s;
        sc_cert_free(certs[i]);
    }
    return err;
}

static sc_err times_of(const struct wanted *w, const struct set *s, struct times *out, struct sc_diag *diag)
{
    *out = (struct times){INT64_MAX, INT64_MAX};
    if (w->is_snp) {
        SC_TRY(narrow_by_chain(out, &s->file[AMD_CHAIN], diag));
        return s->file[AMD_CRL].size != 0 ? narrow_by_crl(out, &s->file[AMD_CRL], diag) : SC_OK;
    }
    SC_TRY(narrow_by_tcb_info(out, &s->file[TCB_INFO], diag));
    SC_TRY(narrow_by_qe_identity(out, &s->file[QE_IDENTITY], diag));
    SC_TRY(narrow_by_crl(out, &s->file[PCK_CRL], diag));
    SC_TRY(narrow_by_crl(out, &s->file[ROOT_CRL], diag));
    return narrow_by_chain(out, &s->file[SIGNING_CHAIN], diag);
}

/* ---- sets on disk ---- */
static sc_err read_set(const char *dir, struct set *out, struct sc_diag *diag)
{
    for (size_t i = 0; i < FILE_COUNT; i++) {
        struct sc_diag why = {0};
        SC_CLEANUP(sc_freep) char *path = sc_path_join(dir, file_names[i]);
        if (path == NULL)
            return sc_fail(diag, SC_E_NOMEM, "%s", dir);
        out->file[i].size_max = PART_SIZE_MAX;
        const sc_err err = sc_file_read(path, PART_SIZE_MAX, &out->file[i], &why);
        if (err != SC_OK && err != SC_E_NOT_FOUND)
            return sc_fail(diag, err, "%s", sc_diag_text(&why, err));
    }
    return SC_OK;
}

/* The folder of the current set, or SC_E_NOT_FOUND. */
static sc_err current_dir(const char *key_dir, char **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_freep) char *path = sc_path_join(key_dir, "current");
    SC_CLEANUP(sc_buf_deinit) struct sc_buf name = {.size_max = 64};
    if (path == NULL)
        return sc_fail(diag, SC_E_NOMEM, "%s", key_dir);
    SC_TRY(sc_file_read(path, 32, &name, diag));
    const char *text = sc_buf_cstr(&name);
    if (strspn(text, "0123456789") != name.size || name.size == 0)
        return sc_fail(diag, SC_E_MALFORMED, "%s: a number expected", path);
    *out = sc_path_join(key_dir, text);
    return *out != NULL ? SC_OK : sc_fail(diag, SC_E_NOMEM, "%s", key_dir);
}

static sc_err write_files(const char *dir, const struct set *s, struct sc_diag *diag)
{
    SC_TRY(sc_dir_make(dir, 0755, diag));
    for (size_t i = 0; i < FILE_COUNT; i++) {
        SC_CLEANUP(sc_freep) char *path = sc_path_join(dir, file_names[i]);
        if (path == NULL)
            return sc_fail(diag, SC_E_NOMEM, "%s", dir);
        if (s->file[i].size != 0)
            SC_TRY(sc_file_write(path, sc_buf_slice(&s->file[i]), 0644, diag));
    }
    return SC_OK;
}

/* The whole set first, then its name; the set before goes when nobody can be asking for it by name any more. */
static sc_err write_set(const char *key_dir, const struct set *s, int64_t now_s, const char *old_dir,
                        struct sc_diag *diag)
{
    char name[40];
    uint32_t unique;
    sc_random(&unique, sizeof unique);
    snprintf(name, sizeof name, "%lld%010u", (long long)now_s, unique);
    SC_CLEANUP(sc_freep) char *dir = sc_path_join(key_dir, name);
    SC_CLEANUP(sc_freep) char *current = sc_path_join(key_dir, "current");
    if (dir == NULL || current == NULL)
        return sc_fail(diag, SC_E_NOMEM, "%s", key_dir);
    SC_TRY(write_files(dir, s, diag));
    SC_TRY(sc_file_write(current, sc_slice_str(name), 0644, diag));
    if (old_dir != NULL)
        sc_ignore(sc_dir_remove(old_dir, NULL)); /* an old set that stays does no harm */
    return SC_OK;
}

/* ---- from a service ---- */
/* A header's percent-encoded PEM. */
static sc_err percent_decode(const struct sc_buf *in, struct sc_buf *out, struct sc_diag *diag)
{
    for (size_t i = 0; i < in->size; i++) {
        char hex[3] = {0};
        uint8_t byte = in->ptr[i];
        if (byte == '%') {
            if (in->size - i < 3)
                return sc_fail(diag, SC_E_MALFORMED, "issuer chain: cut short in an escape");
            memcpy(hex, in->ptr + i + 1, 2);
            if (sc_hex_decode(hex, &byte, 1) != SC_OK)
                return sc_fail(diag, SC_E_MALFORMED, "issuer chain: a wrong escape");
            i += 2;
        }
        sc_buf_put_u8(out, byte);
    }
    return sc_buf_status(out);
}

/* Some services hand out lists as the hexadecimal digits of their DER. */
static sc_err normalise_crl(struct sc_buf *crl, struct sc_diag *diag)
{
    size_t size = crl->size;
    while (size != 0 && isspace(crl->ptr[size - 1]))
        size--;
    if (size < 4 || size % 2 != 0 || strncasecmp((const char *)crl->ptr, "30", 2) != 0)
        return SC_OK;
    for (size_t i = 0; i < size; i++)
        if (!isxdigit(crl->ptr[i]))
            return SC_OK;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf der = {0};
    crl->size = size;
    const char *text = sc_buf_cstr(crl);
    uint8_t *bytes = sc_buf_extend(&der, size / 2);
    if (bytes == NULL || sc_buf_status(crl) != SC_OK || sc_hex_decode(text, bytes, size / 2) != SC_OK)
        return sc_fail(diag, SC_E_NOMEM, "CRL");
    sc_buf_reset(crl);
    sc_buf_put_bytes(crl, sc_buf_slice(&der));
    return sc_buf_status(crl);
}

static sc_err get(const struct sc_cache_options *opt, const char *url, const char *const chain_header[2],
                  struct sc_buf *chain, struct sc_buf *body, struct sc_diag *diag)
{
    body->size_max = PART_SIZE_MAX;
    return opt->fetch(opt->fetch_arg, url, chain_header, chain, body, diag);
}

static sc_err fetch_intel(const struct sc_cache_options *opt, const struct wanted *w, struct set *s,
                          struct sc_diag *diag)
{
    static const char *const chain_header[2] = {"TCB-Info-Issuer-Chain", "SGX-TCB-Info-Issuer-Chain"};
    const char *base = opt->pcs_url != NULL ? opt->pcs_url : SC_CACHE_PCS_URL;
    const char *tee = w->is_tdx ? "tdx" : "sgx";
    SC_CLEANUP(sc_buf_deinit) struct sc_buf chain = {.size_max = 65536};
    char url[URL_SIZE];
    snprintf(url, sizeof url, "%s/%s/certification/v4/tcb?fmspc=%s", base, tee, w->fmspc);
    SC_TRY(get(opt, url, chain_header, &chain, &s->file[TCB_INFO], diag));
    if (chain.size == 0)
        return sc_fail(diag, SC_E_MALFORMED, "%s: no header %s", url, chain_header[0]);
    SC_TRY(percent_decode(&chain, &s->file[SIGNING_CHAIN], diag));
    snprintf(url, sizeof url, "%s/%s/certification/v4/qe/identity", base, tee);
    SC_TRY(get(opt, url, NULL, NULL, &s->file[QE_IDENTITY], diag));
    snprintf(url, sizeof url, "%s/sgx/certification/v4/pckcrl?ca=%s&encoding=der", base,
             w->is_platform_ca ? "platform" : "processor");
    SC_TRY(get(opt, url, NULL, NULL, &s->file[PCK_CRL], diag));
    SC_TRY(normalise_crl(&s->file[PCK_CRL], diag));
    if (opt->root_crl_url != NULL)
        snprintf(url, sizeof url, "%s", opt->root_crl_url);
    else if (opt->pcs_url == NULL)
        snprintf(url, sizeof url, "%s", SC_CACHE_ROOT_CRL_URL);
    else
        snprintf(url, sizeof url, "%s/IntelSGXRootCA.der", base);
    SC_TRY(get(opt, url, NULL, NULL, &s->file[ROOT_CRL], diag));
    return normalise_crl(&s->file[ROOT_CRL], diag);
}

static sc_err fetch_amd(const struct sc_cache_options *opt, const struct wanted *w, struct set *s, struct sc_diag *diag)
{
    const char *base = opt->kds_url != NULL ? opt->kds_url : SC_CACHE_KDS_URL;
    char url[URL_SIZE];
    char fmc[24] = "";
    if (w->is_turin)
        snprintf(fmc, sizeof fmc, "fmcSPL=%u&", w->tcb.fmc);
    snprintf(url, sizeof url, "%s/vcek/v1/%s/%s?%sblSPL=%02u&teeSPL=%02u&snpSPL=%02u&ucodeSPL=%02u", base, w->product,
             w->chip, fmc, w->tcb.boot_loader, w->tcb.tee, w->tcb.snp, w->tcb.microcode);
    SC_TRY(get(opt, url, NULL, NULL, &s->file[VEK], diag));
    snprintf(url, sizeof url, "%s/vcek/v1/%s/cert_chain", base, w->product);
    SC_TRY(get(opt, url, NULL, NULL, &s->file[AMD_CHAIN], diag));
    snprintf(url, sizeof url, "%s/vcek/v1/%s/crl", base, w->product);
    return get(opt, url, NULL, NULL, &s->file[AMD_CRL], diag);
}

/* From the folder where it has the set, else from the service. */
static sc_err obtain(const struct sc_cache_options *opt, const struct wanted *w, struct set *s, struct sc_diag *diag)
{
    if (opt->source_dir != NULL) {
        SC_CLEANUP(sc_freep) char *dir = sc_path_join(opt->source_dir, w->key);
        struct stat st;
        if (dir == NULL)
            return sc_fail(diag, SC_E_NOMEM, "%s", opt->source_dir);
        if (stat(dir, &st) == 0 && S_ISDIR(st.st_mode))
            return read_set(dir, s, diag);
        if (opt->fetch == NULL)
            return sc_fail(diag, SC_E_NOT_FOUND, "%s: no such folder, and no service to ask", dir);
    }
    if (opt->fetch == NULL)
        return sc_fail(diag, SC_E_NOT_FOUND, "no collateral for %s, and no service to ask", w->key);
    return w->is_snp ? fetch_amd(opt, w, s, diag) : fetch_intel(opt, w, s, diag);
}

/* ---- the whole ---- */
static sc_err collateral_of(const struct set *s, struct sc_collateral **out, struct sc_diag *diag)
{
    const struct sc_collateral_bytes b = {.tcb_info = sc_buf_slice(&s->file[TCB_INFO]),
                                          .qe_identity = sc_buf_slice(&s->file[QE_IDENTITY]),
                                          .pck_crl = sc_buf_slice(&s->file[PCK_CRL]),
                                          .root_ca_crl = sc_buf_slice(&s->file[ROOT_CRL]),
                                          .tcb_signing_chain = sc_buf_slice(&s->file[SIGNING_CHAIN]),
                                          .vek = sc_buf_slice(&s->file[VEK]),
                                          .amd_chain = sc_buf_slice(&s->file[AMD_CHAIN]),
                                          .amd_crl = sc_buf_slice(&s->file[AMD_CRL])};
    return sc_collateral_new(&b, out, diag);
}

/* A fresh set in the place of the cached one (cached_times NULL: of none), or the reason why not. */
static sc_err refresh(const struct sc_cache_options *opt, const struct wanted *w, const char *key_dir,
                      const char *old_dir, const struct times *cached, int64_t now_s, struct set *fresh,
                      struct sc_diag *diag)
{
    struct times t;
    SC_TRY(obtain(opt, w, fresh, diag));
    SC_TRY(sc_context(diag, times_of(w, fresh, &t, diag), "what was got for %s", w->key));
    if (cached != NULL && t.expires_s < cached->expires_s)
        return sc_fail(diag, SC_E_CONFLICT, "what was got for %s runs out before what is cached", w->key);
    return write_set(key_dir, fresh, now_s, old_dir, diag);
}

/* Twice, since another process may put a newer set in its place between reading its name and its files. */
static bool load_cached(const struct wanted *w, const char *key_dir, char **dir_out, struct set *s, struct times *t)
{
    for (int i = 0; i < 2; i++) {
        free(*dir_out);
        *dir_out = NULL;
        set_deinit(s);
        *s = (struct set){0};
        if (current_dir(key_dir, dir_out, NULL) == SC_OK && read_set(*dir_out, s, NULL) == SC_OK &&
            times_of(w, s, t, NULL) == SC_OK)
            return true;
    }
    return false;
}

sc_err sc_cache_get(const struct sc_cache_options *opt, struct sc_slice evidence, int64_t now_s,
                    struct sc_collateral **out, struct sc_diag *note_out, struct sc_diag *diag)
{
    SC_CLEANUP(set_deinit) struct set cached = {0};
    SC_CLEANUP(set_deinit) struct set fresh = {0};
    SC_CLEANUP(sc_freep) char *dir = NULL;
    struct wanted w;
    struct times t;
    struct sc_diag note = {0};
    if (note_out != NULL)
        *note_out = note;
    SC_TRY(want(opt, evidence, &w, diag));
    SC_CLEANUP(sc_freep) char *key_dir = sc_path_join(opt->dir, w.key);
    if (key_dir == NULL)
        return sc_fail(diag, SC_E_NOMEM, "%s", opt->dir);
    const bool have = load_cached(&w, key_dir, &dir, &cached, &t);
    const int64_t before_s = opt->refresh_before_s != 0 ? opt->refresh_before_s : REFRESH_BEFORE_S;
    if (have && now_s < t.expires_s - before_s)
        return collateral_of(&cached, out, diag);
    const sc_err err = refresh(opt, &w, key_dir, dir, have ? &t : NULL, now_s, &fresh, &note);
    if (err == SC_OK)
        return collateral_of(&fresh, out, diag);
    if (!have)
        return sc_fail(diag, err, "%s", sc_diag_text(&note, err));
    if (note_out != NULL)
        *note_out = note;
    return collateral_of(&cached, out, diag);
}
