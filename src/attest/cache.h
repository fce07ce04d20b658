/* attest/cache.h - collateral on disk: got from a folder or from a service with Intel's and AMD's URL layout, refreshed
 * before it runs out, usable without either.
 *
 * Only bytes are kept: what they are worth is judged at each verification.  A set that cannot be read, or that is older
 * than the one that is there, never takes its place.  Layout:
 *   DIR/<key>/current      the name of the set in use
 *   DIR/<key>/<n>/         a set, in the files of attest/collateral.h
 * with the keys sgx-<fmspc>-<platform|processor>, tdx-..., vcek-<product>-<chip>-<tcb>.
 * A cache may be shared by processes: sets are whole before they are named.  An object belongs to one thread at a time. */
#ifndef SC_ATTEST_CACHE_H
#define SC_ATTEST_CACHE_H

#include "attest/collateral.h"

#define SC_CACHE_PCS_URL      "https://api.trustedservices.intel.com"
#define SC_CACHE_ROOT_CRL_URL "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"
#define SC_CACHE_KDS_URL      "https://kdsintf.amd.com"

/* Gets url.  Appends the body, and to chain_out (not NULL where chain_header names it) the value of a header; the header
 * has two names, of which the second is the older. */
typedef sc_err (*sc_cache_fetch)(void *arg, const char *url, const char *const chain_header[2],
                                 struct sc_buf *chain_out, struct sc_buf *body_out, struct sc_diag *diag);

struct sc_cache_options {
    const char *dir;
    const char *source_dir; /* NULL: none.  Folders <key>/ with sets; asked before the service */
    sc_cache_fetch fetch;   /* NULL: no service (offline) */
    void *fetch_arg;
    const char *pcs_url;      /* NULL: Intel's */
    const char *root_crl_url; /* NULL: Intel's, or <pcs_url>/IntelSGXRootCA.der where that is another's */
    const char *kds_url;      /* NULL: AMD's */
    const char *snp_product;  /* for reports of version 2, which do not tell it; NULL: "Milan" */
    int64_t refresh_before_s; /* refresh when this close to running out; 0: 5 days */
};

/* The collateral for this evidence.  Refreshes where it is time; where that fails, what is there is used, and note_out
 * (may be NULL; emptied first) says why it is old.
 *   SC_E_NOT_FOUND    nothing is cached, and neither folder nor service has it, or there is none;
 *   SC_E_MALFORMED    the evidence cannot be read as far as this needs;
 *   SC_E_UNSUPPORTED  evidence signed by a VLEK: its certificate comes from the cloud provider, not from AMD's service. */
sc_err sc_cache_get(const struct sc_cache_options *opt, struct sc_slice evidence, int64_t now_s,
                    struct sc_collateral **out, struct sc_diag *note_out, struct sc_diag *diag) SC_MUST_CHECK;
/* The key of this evidence's set. */
#define SC_CACHE_KEY_SIZE ((size_t)224)
sc_err sc_cache_key(const struct sc_cache_options *opt, struct sc_slice evidence, char out[static SC_CACHE_KEY_SIZE],
                    struct sc_diag *diag) SC_MUST_CHECK;

#endif
