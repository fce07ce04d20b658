/* attest/tcb.h - Intel's TCB info and QE identity: reading them, and judging a platform, a TDX module and a QE by them.
 *
 * Both documents are JSON that is signed as it stands: sc_signed_json_split() finds the signed bytes, the signature is
 * checked over those, and only then the parsers below look inside. */
#ifndef SC_ATTEST_TCB_H
#define SC_ATTEST_TCB_H

#include "attest/pck.h"
#include "attest/quote.h"
#include "base/arena.h"

#define SC_TCB_ADVISORY_SIZE ((size_t)24)
#define SC_TCB_DOCUMENT_MAX  ((size_t)512 << 10) /* bytes; real ones have 10 KiB */
#define SC_TCB_LEVELS_MAX    256
#define SC_TCB_MODULES_MAX   64
#define SC_TCB_ADVISORIES_PER_LEVEL_MAX 64

enum sc_tcb_status {
    SC_TCB_NONE, /* not evaluated */
    SC_TCB_UP_TO_DATE,
    SC_TCB_SW_HARDENING_NEEDED,
    SC_TCB_CONFIGURATION_NEEDED,
    SC_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED,
    SC_TCB_OUT_OF_DATE,
    SC_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
    SC_TCB_TD_RELAUNCH_ADVISED,
    SC_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
    SC_TCB_REVOKED,
    SC_TCB_NOT_SUPPORTED,
    SC_TCB_STATUS_COUNT
};
const char *sc_tcb_status_name(enum sc_tcb_status status); /* "UpToDate"; "" for NONE */
sc_err sc_tcb_status_parse(const char *name, enum sc_tcb_status *out) SC_MUST_CHECK;

/* What every kind of level says. */
struct sc_tcb_fact {
    enum sc_tcb_status status;
    int64_t date_s;
    const char (*advisories)[SC_TCB_ADVISORY_SIZE];
    size_t advisory_count;
};
struct sc_tcb_level {
    struct sc_tcb_fact fact;
    uint8_t sgx[16], tdx[16];
    uint16_t pce_svn;
};
struct sc_tcb_svn_level { /* of a QE or of a TDX module */
    struct sc_tcb_fact fact;
    uint16_t isv_svn;
};
struct sc_tcb_svn_levels {
    struct sc_tcb_svn_level *list; /* newest first */
    size_t count;
};
struct sc_tdx_module {
    unsigned generation; /* 0: the tdxModule member, which has no levels */
    uint8_t mr_signer[48];
    uint8_t attributes[8], attributes_mask[8]; /* attributes are compared whole; the mask is of no account */
    struct sc_tcb_svn_levels levels;
};
struct sc_tcb_info {
    struct sc_arena arena;
    int version; /* 2 or 3 */
    bool is_tdx;
    int64_t issued_s, next_update_s;
    uint8_t fmspc[6];
    uint8_t pce_id[2];
    uint32_t evaluation_number;
    bool has_module;
    struct sc_tdx_module module;
    struct sc_tdx_module *modules;
    size_t module_count;
    struct sc_tcb_level *levels; /* newest first */
    size_t level_count;
};
struct sc_qe_identity {
    struct sc_arena arena;
    bool is_sgx, is_tdx; /* neither: of another enclave ("QVE"), which is no QE's */
    int64_t issued_s, next_update_s;
    uint32_t evaluation_number;
    uint32_t misc_select, misc_select_mask;
    uint64_t attributes, attributes_mask;
    uint64_t xfrm, xfrm_mask;
    uint8_t mr_signer[32];
    uint16_t prod_id;
    struct sc_tcb_svn_levels levels;
};

/* {"<name>":{...},"signature":"<128 hex digits>"}: the inner object's bytes as they stand (borrowed) and the signature.
 * Looks at nesting and strings only, does not recurse, and refuses further members. */
sc_err sc_signed_json_split(struct sc_slice document, const char *name, struct sc_slice *inner_out,
                            uint8_t signature_out[static 64], struct sc_diag *diag) SC_MUST_CHECK;
/* The inner objects.  out is to be freed with the deinit below, also when parsing failed. */
sc_err sc_tcb_info_parse(struct sc_slice inner, struct sc_tcb_info *out, struct sc_diag *diag) SC_MUST_CHECK;
void sc_tcb_info_deinit(struct sc_tcb_info *info);
sc_err sc_qe_identity_parse(struct sc_slice inner, struct sc_qe_identity *out, struct sc_diag *diag) SC_MUST_CHECK;
void sc_qe_identity_deinit(struct sc_qe_identity *id);

/* ---- judging ---- */
/* The first level that the SVN reaches; NULL: none (not supported). */
const struct sc_tcb_svn_level *sc_tcb_svn_level_of(const struct sc_tcb_svn_levels *levels, unsigned svn);
/* The module identity of this generation (TDX_nn); NULL: none. */
const struct sc_tdx_module *sc_tcb_module_of(const struct sc_tcb_info *info, unsigned generation);

struct sc_tcb_judgement {
    const struct sc_tcb_level *level;           /* NULL: no level is reached */
    const struct sc_tcb_level *sgx_level;       /* by the SGX part alone; for SGX the same */
    const struct sc_tcb_svn_level *module;      /* NULL: not judged, or none is reached */
    const struct sc_tcb_svn_level *qe;          /* NULL: none is reached */
    bool module_judged;
    bool loaded_module_unknown;                 /* the module loaded now has no identity: the evidence is to be refused */
    enum sc_tcb_status platform_status;         /* SC_TCB_NOT_SUPPORTED where no level is reached, as the next two */
    enum sc_tcb_status sgx_status, module_status, qe_status;
    enum sc_tcb_status status;                  /* all together */
};
/* td: NULL for SGX.  body tells whether the relaunch rule applies (TD report 1.5). */
void sc_tcb_judge(const struct sc_tcb_info *info, const struct sc_pck *pck, const struct sc_td_report *td,
                  enum sc_quote_body body, const struct sc_tcb_svn_level *qe, struct sc_tcb_judgement *out);

#endif
