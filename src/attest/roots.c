#include "attest/roots.h"

#include "base/file.h"

#include <glob.h>

/* SHA-256 of the SubjectPublicKeyInfo of: the Intel SGX Root CA (both certificates); ARK-Milan, ARK-Genoa, ARK-Turin as
 * AMD's key distribution service hands them out. */
static const struct {
    enum sc_root_kind kind;
    const char *spki;
} builtin[] = {
    {SC_ROOT_INTEL, "a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e"},
    {SC_ROOT_AMD, "9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9"},
    {SC_ROOT_AMD, "429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831"},
    {SC_ROOT_AMD, "4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08"},
};

static sc_err add(struct sc_roots *roots, enum sc_root_kind kind, const struct sc_hash *spki)
{
    if (sc_roots_trust(roots, kind, spki))
        return SC_OK;
    if (roots->count == SC_ROOTS_MAX)
        return SC_E_LIMIT;
    roots->list[roots->count].kind = kind;
    roots->list[roots->count++].spki = *spki;
    return SC_OK;
}

void sc_roots_add_builtin(struct sc_roots *roots)
{
    for (size_t i = 0; i < sizeof builtin / sizeof builtin[0]; i++) {
        struct sc_hash spki;
        SC_ASSERT(sc_hex_decode(builtin[i].spki, spki.bytes, sizeof spki.bytes) == SC_OK);
        SC_ASSERT(add(roots, builtin[i].kind, &spki) == SC_OK);
    }
}

sc_err sc_roots_add_pem(struct sc_roots *roots, enum sc_root_kind kind, struct sc_slice pem, struct sc_diag *diag)
{
    struct sc_cert *certs[SC_ROOTS_MAX] = {NULL};
    size_t count = 0;
    SC_TRY(sc_certs_from_pem(pem, certs, SC_ROOTS_MAX, &count, diag));
    sc_err err = SC_OK;
    for (size_t i = 0; i < count; i++) {
        struct sc_cert_facts facts;
        if (err == SC_OK)
            err = sc_cert_facts(certs[i], &facts, diag);
        if (err == SC_OK && add(roots, kind, &facts.spki) != SC_OK)
            err = sc_fail(diag, SC_E_LIMIT, "more than %d trusted roots", SC_ROOTS_MAX);
        sc_cert_free(certs[i]);
    }
    return err;
}

static sc_err add_file(struct sc_roots *roots, enum sc_root_kind kind, const char *path, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf pem = {0};
    SC_TRY(sc_file_read(path, 1u << 20, &pem, diag));
    return sc_context(diag, sc_roots_add_pem(roots, kind, sc_buf_slice(&pem), diag), "%s", path);
}

sc_err sc_roots_add_files(struct sc_roots *roots, enum sc_root_kind kind, const char *pattern, struct sc_diag *diag)
{
    glob_t found = {0};
    const int rc = glob(pattern, 0, NULL, &found);
    if (rc != 0) {
        globfree(&found);
        return sc_fail(diag, rc == GLOB_NOMATCH ? SC_E_NOT_FOUND : SC_E_IO, "%s: no such root certificate", pattern);
    }
    sc_err err = SC_OK;
    for (size_t i = 0; err == SC_OK && i < found.gl_pathc; i++)
        err = add_file(roots, kind, found.gl_pathv[i], diag);
    globfree(&found);
    return err;
}

bool sc_roots_trust(const struct sc_roots *roots, enum sc_root_kind kind, const struct sc_hash *spki)
{
    for (size_t i = 0; i < roots->count; i++)
        if (roots->list[i].kind == kind && memcmp(roots->list[i].spki.bytes, spki->bytes, sizeof spki->bytes) == 0)
            return true;
    return false;
}
