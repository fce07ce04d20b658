/* Certificate paths of exactly three: leaf, CA, root. */
#include "attest/internal.h"
#include "base/clock.h"

#include <inttypes.h>

void attest_cert_deinit(struct attest_cert *c)
{
    sc_pubkey_free(c->key);
    sc_cert_free(c->cert);
    *c = (struct attest_cert){0};
}

sc_err attest_cert_init(struct attest_cert *c, struct sc_cert *cert, struct sc_diag *diag)
{
    *c = (struct attest_cert){.cert = cert};
    sc_err err = sc_cert_facts(cert, &c->facts, diag);
    if (err == SC_OK)
        err = sc_cert_pubkey(cert, &c->key, diag);
    if (err != SC_OK)
        attest_cert_deinit(c);
    return err;
}

static sc_err name_it(const struct attest_cert *c, struct sc_diag *diag, const char *what)
{
    char cn[SC_CERT_CN_SIZE_MAX];
    sc_cert_subject_cn(c->cert, cn);
    return sc_fail(diag, SC_E_AUTH, "\"%s\" %s", cn, what);
}

enum sc_attest_reason attest_cert_dates(const struct attest_cert *c, int64_t now_s, struct sc_diag *diag)
{
    char cn[SC_CERT_CN_SIZE_MAX];
    char at[SC_TIME_TEXT_SIZE];
    const bool early = now_s < c->facts.not_before_s;
    if (!early && now_s <= c->facts.not_after_s)
        return SC_ATTEST_OK;
    sc_cert_subject_cn(c->cert, cn);
    sc_time_text((early ? c->facts.not_before_s : c->facts.not_after_s) * 1000, at);
    sc_ignore(
        sc_fail(diag, SC_E_AUTH, "\"%s\" is valid %s %s", cn, early ? "from" : "until", at)); /* the reason tells */
    return early ? SC_ATTEST_CERT_NOT_YET : SC_ATTEST_CERT_EXPIRED;
}

sc_err attest_cert_issued_by(const struct attest_cert *cert, const struct attest_cert *issuer, long below,
                             struct sc_diag *diag)
{
    if (!sc_cert_names_issuer(cert->cert, issuer->cert))
        return name_it(cert, diag, "names another issuer");
    if (!issuer->facts.is_ca || (issuer->facts.usages & SC_CERT_SIGNS_CERTS) == 0)
        return name_it(issuer, diag, "may not issue certificates");
    if (issuer->facts.path_len >= 0 && below > issuer->facts.path_len)
        return name_it(issuer, diag, "may not issue to a certificate authority");
    if (sc_cert_signed_by(cert->cert, issuer->key) != SC_OK)
        return name_it(cert, diag, "has a wrong signature");
    return SC_OK;
}

void attest_path_deinit(struct attest_path *p)
{
    for (size_t i = 0; i < PATH_SIZE; i++)
        attest_cert_deinit(&p->cert[i]);
}

/* Which place a certificate takes: the self-issued one is the root, the other CA the CA, the one that is none the leaf.
 */
static sc_err place(struct attest_path *p, struct attest_cert *c, struct sc_diag *diag)
{
    const size_t at = c->facts.self_issued ? PATH_ROOT : c->facts.is_ca ? PATH_CA : PATH_LEAF;
    static const char *const names[PATH_SIZE] = {"leaf certificates", "intermediate CAs", "roots"};
    if (p->cert[at].cert != NULL)
        return sc_fail(diag, SC_E_MALFORMED, "two %s", names[at]);
    p->cert[at] = *c;
    *c = (struct attest_cert){0};
    return SC_OK;
}

static sc_err place_all(struct attest_path *p, struct sc_cert *certs[static PATH_SIZE], struct sc_diag *diag)
{
    sc_err err = SC_OK;
    for (size_t i = 0; i < PATH_SIZE; i++) {
        SC_CLEANUP(attest_cert_deinit) struct attest_cert c = {0};
        if (err != SC_OK) {
            sc_cert_free(certs[i]);
            continue;
        }
        err = attest_cert_init(&c, certs[i], diag);
        if (err == SC_OK)
            err = place(p, &c, diag);
    }
    return err;
}

static sc_err check_keys(const struct attest_path *p, enum sc_pubkey_kind kind, struct sc_diag *diag)
{
    for (size_t i = 0; i < PATH_SIZE; i++)
        if (kind != SC_PUBKEY_OTHER && sc_pubkey_kind(p->cert[i].key) != kind)
            return name_it(&p->cert[i], diag, "has a key of another kind");
    return SC_OK;
}

static sc_err check_path(const struct attest_path *p, struct sc_diag *diag)
{
    SC_TRY(attest_cert_issued_by(&p->cert[PATH_LEAF], &p->cert[PATH_CA], 0, diag));
    SC_TRY(attest_cert_issued_by(&p->cert[PATH_CA], &p->cert[PATH_ROOT], 1, diag));
    SC_TRY(attest_cert_issued_by(&p->cert[PATH_ROOT], &p->cert[PATH_ROOT], 0, diag));
    if ((p->cert[PATH_LEAF].facts.usages & SC_CERT_SIGNS_DATA) == 0)
        return name_it(&p->cert[PATH_LEAF], diag, "may not sign data");
    return SC_OK;
}

sc_err attest_path_build(struct attest_path *p, struct sc_cert *certs[static PATH_SIZE], enum sc_pubkey_kind key_kind,
                         struct sc_diag *diag)
{
    *p = (struct attest_path){0};
    sc_err err = place_all(p, certs, diag);
    if (err == SC_OK)
        err = check_keys(p, key_kind, diag);
    if (err == SC_OK)
        err = check_path(p, diag);
    if (err != SC_OK)
        attest_path_deinit(p);
    return err;
}

enum sc_attest_reason attest_path_dates(const struct attest_path *p, int64_t now_s, struct sc_diag *diag)
{
    for (size_t i = 0; i < PATH_SIZE; i++) {
        const enum sc_attest_reason reason = attest_cert_dates(&p->cert[i], now_s, diag);
        if (reason != SC_ATTEST_OK)
            return reason;
    }
    return SC_ATTEST_OK;
}
