/* Reading collateral; what is broken or absent is remembered and told when it is come to. */
#include "attest/internal.h"
#include "base/file.h"

#include <sys/stat.h>

#define PART_SIZE_MAX ((size_t)8 << 20) /* a revocation list may grow */

void sc_collateral_bytes_init(struct sc_collateral_bytes *bytes)
{
    bytes->tcb_info = bytes->qe_identity = bytes->pck_crl = bytes->root_ca_crl = bytes->tcb_signing_chain = bytes->vek =
        bytes->amd_chain = bytes->amd_crl = SC_SLICE_EMPTY;
}

void attest_collateral_forget(struct sc_collateral *c)
{
    if (c->tcb_info_parsed)
        sc_tcb_info_deinit(&c->tcb_info);
    if (c->qe_identity_parsed)
        sc_qe_identity_deinit(&c->qe_identity);
    c->tcb_info_parsed = c->qe_identity_parsed = c->judged = false;
}

void sc_collateral_free(struct sc_collateral *c)
{
    if (c == NULL)
        return;
    attest_collateral_forget(c);
    sc_buf_deinit(&c->tcb_info_bytes);
    sc_buf_deinit(&c->qe_identity_bytes);
    sc_crl_free(c->root_crl);
    sc_crl_free(c->pck_crl);
    sc_crl_free(c->amd_crl);
    attest_cert_deinit(&c->signer);
    attest_cert_deinit(&c->signer_root);
    attest_path_deinit(&c->amd_path);
    free(c);
}

void sc_collateral_freep(struct sc_collateral **c)
{
    sc_collateral_free(*c);
}

/* SC_E_NOMEM ends everything; any other error is the finding's story. */
static sc_err remember(struct attest_finding *f, sc_err err, enum sc_attest_reason reason)
{
    if (err == SC_E_NOMEM)
        return err;
    if (err != SC_OK)
        f->reason = reason;
    return SC_OK;
}

static sc_err take_crl(struct sc_slice bytes, struct sc_crl **out, struct attest_finding *f, const char *name)
{
    if (bytes.size == 0) {
        f->reason = SC_ATTEST_CRL_MISSING;
        sc_ignore(sc_fail(&f->diag, SC_E_NOT_FOUND, "%s", name)); /* the reason tells */
        return SC_OK;
    }
    return remember(f, sc_context(&f->diag, sc_crl_parse(bytes, out, &f->diag), "%s", name), SC_ATTEST_CRL_FORMAT);
}

/* The TCB signing certificate and the root, in any order. */
static sc_err read_signer(struct sc_collateral *c, struct sc_slice pem, struct sc_diag *diag)
{
    struct sc_cert *certs[2] = {NULL, NULL};
    size_t count = 0;
    sc_err err = sc_certs_from_pem(pem, certs, 2, &count, diag);
    for (size_t i = 0; i < count; i++) {
        struct attest_cert cert = {0};
        if (err == SC_OK)
            err = attest_cert_init(&cert, certs[i], diag);
        else
            sc_cert_free(certs[i]);
        if (cert.cert == NULL)
            continue;
        struct attest_cert *place = cert.facts.self_issued ? &c->signer_root : &c->signer;
        if (place->cert != NULL) {
            attest_cert_deinit(&cert);
            err = sc_fail(diag, SC_E_MALFORMED, "two certificates for one place");
            continue;
        }
        *place = cert;
    }
    if (err == SC_OK && (c->signer.cert == NULL || c->signer_root.cert == NULL))
        err = sc_fail(diag, SC_E_MALFORMED, "signing certificate and root expected");
    return err;
}

/* DER, or PEM with one certificate */
static sc_err read_one(struct sc_slice bytes, struct sc_cert **out, struct sc_diag *diag)
{
    size_t count = 0;
    if (bytes.size > 10 && memcmp(bytes.ptr, "-----BEGIN", 10) == 0)
        return sc_certs_from_pem(bytes, out, 1, &count, diag);
    return sc_cert_from_der(bytes, out, diag);
}

static sc_err read_amd_path(struct sc_collateral *c, const struct sc_collateral_bytes *b, struct sc_diag *diag)
{
    struct sc_cert *certs[PATH_SIZE] = {NULL};
    size_t count = 0;
    SC_TRY(sc_context(diag, sc_certs_from_pem(b->amd_chain, certs, 2, &count, diag), "chain"));
    sc_err err = count == 2 ? SC_OK : sc_fail(diag, SC_E_MALFORMED, "chain: ASK or ASVK, and ARK expected");
    if (err == SC_OK)
        err = sc_context(diag, read_one(b->vek, &certs[2], diag), "VCEK or VLEK");
    if (err != SC_OK) {
        for (size_t i = 0; i < count; i++)
            sc_cert_free(certs[i]);
        return err;
    }
    return attest_path_build(&c->amd_path, certs, SC_PUBKEY_OTHER, diag);
}

static sc_err take_intel(struct sc_collateral *c, const struct sc_collateral_bytes *b)
{
    struct attest_finding *signer = &c->parsed[PART_SIGNER];
    SC_TRY(take_crl(b->root_ca_crl, &c->root_crl, &c->parsed[PART_ROOT_CRL], "root CRL"));
    SC_TRY(take_crl(b->pck_crl, &c->pck_crl, &c->parsed[PART_PCK_CRL], "PCK CRL"));
    SC_TRY(remember(signer,
                    sc_context(&signer->diag, read_signer(c, b->tcb_signing_chain, &signer->diag), "TCB signing chain"),
                    SC_ATTEST_TCB_SIGNER));
    sc_buf_put_bytes(&c->tcb_info_bytes, b->tcb_info);
    sc_buf_put_bytes(&c->qe_identity_bytes, b->qe_identity);
    SC_TRY(sc_buf_status(&c->tcb_info_bytes));
    return sc_buf_status(&c->qe_identity_bytes);
}

static sc_err take_amd(struct sc_collateral *c, const struct sc_collateral_bytes *b)
{
    struct attest_finding *vek = &c->vek_parsed;
    if (b->vek.size == 0 && b->amd_chain.size == 0) {
        vek->reason = SC_ATTEST_SNP_CHAIN;
        sc_ignore(sc_fail(&vek->diag, SC_E_NOT_FOUND, "no VCEK or VLEK given")); /* the reason tells */
    } else {
        SC_TRY(remember(vek, read_amd_path(c, b, &vek->diag), SC_ATTEST_SNP_CHAIN));
    }
    if (b->amd_crl.size == 0)
        return SC_OK;
    return take_crl(b->amd_crl, &c->amd_crl, &c->amd_crl_parsed, "AMD CRL");
}

sc_err sc_collateral_new(const struct sc_collateral_bytes *bytes, struct sc_collateral **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_collateral_freep) struct sc_collateral *c = calloc(1, sizeof *c);
    if (c == NULL || take_intel(c, bytes) != SC_OK || take_amd(c, bytes) != SC_OK)
        return sc_fail(diag, SC_E_NOMEM, "collateral");
    *out = SC_TAKE(c);
    return SC_OK;
}

static sc_err read_part(const char *dir, const char *name, struct sc_buf *out, struct sc_diag *diag)
{
    struct sc_diag why = {0};
    SC_CLEANUP(sc_freep) char *path = sc_path_join(dir, name);
    if (path == NULL)
        return sc_fail(diag, SC_E_NOMEM, "%s/%s", dir, name);
    const sc_err err = sc_file_read(path, PART_SIZE_MAX, out, &why);
    return err == SC_OK || err == SC_E_NOT_FOUND ? SC_OK : sc_fail(diag, err, "%s", sc_diag_text(&why, err));
}

sc_err sc_collateral_read(const char *dir, struct sc_collateral **out, struct sc_diag *diag)
{
    struct sc_collateral_bytes b;
    const struct {
        const char *name;
        struct sc_slice *place;
    } parts[] = {{"tcb_info.json", &b.tcb_info},
                 {"qe_identity.json", &b.qe_identity},
                 {"pck_crl.der", &b.pck_crl},
                 {"root_ca_crl.der", &b.root_ca_crl},
                 {"tcb_signing_chain.pem", &b.tcb_signing_chain},
                 {"vek.der", &b.vek},
                 {"chain.pem", &b.amd_chain},
                 {"crl.der", &b.amd_crl}};
    enum { PARTS = sizeof parts / sizeof parts[0] };
    struct sc_buf content[PARTS] = {{0}};
    struct stat st;
    if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode))
        return sc_fail(diag, SC_E_NOT_FOUND, "%s: no such folder", dir);
    sc_collateral_bytes_init(&b);
    sc_err err = SC_OK;
    for (size_t i = 0; i < PARTS && err == SC_OK; i++) {
        err = read_part(dir, parts[i].name, &content[i], diag);
        *parts[i].place = sc_buf_slice(&content[i]);
    }
    if (err == SC_OK)
        err = sc_collateral_new(&b, out, diag);
    for (size_t i = 0; i < PARTS; i++)
        sc_buf_deinit(&content[i]);
    return err;
}
