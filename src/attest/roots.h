/* attest/roots.h - whom to trust: the root keys of makers of processors, and simulation roots.
 *
 * A root is trusted by its key (SHA-256 of the SubjectPublicKeyInfo), not by one certificate: two certificates of Intel's
 * root with one key exist, and quotes carry either. */
#ifndef SC_ATTEST_ROOTS_H
#define SC_ATTEST_ROOTS_H

#include "crypto/pki.h"

enum sc_root_kind { SC_ROOT_INTEL, SC_ROOT_AMD, SC_ROOT_SIMULATION };
#define SC_ROOTS_MAX 64

struct sc_roots {
    struct {
        enum sc_root_kind kind;
        struct sc_hash spki;
    } list[SC_ROOTS_MAX];
    size_t count;
};

/* Intel's SGX root key, and AMD's root keys of Milan, Genoa and Turin.  No simulation root is built in. */
void sc_roots_add_builtin(struct sc_roots *roots);
/* Every certificate of a PEM text, whose keys are then trusted.  SC_E_LIMIT: more than SC_ROOTS_MAX in all. */
sc_err sc_roots_add_pem(struct sc_roots *roots, enum sc_root_kind kind, struct sc_slice pem,
                        struct sc_diag *diag) SC_MUST_CHECK;
/* The files that the pattern names ("roots/amd_ark_*.pem").  SC_E_NOT_FOUND: none. */
sc_err sc_roots_add_files(struct sc_roots *roots, enum sc_root_kind kind, const char *pattern,
                          struct sc_diag *diag) SC_MUST_CHECK;
bool sc_roots_trust(const struct sc_roots *roots, enum sc_root_kind kind, const struct sc_hash *spki);

#endif
