/* cas/history.h - one version of a session in its history, and the judge of a whole history.
 *
 * Entry n binds entry n - 1 by its hash, the session's text, the time, and the signatures that let it in; so whoever has
 * the newest entry's hash from somewhere else can check everything before it, and nobody can take out, change or reorder
 * what came before.  Anyone with read right gets the entries and needs nothing else. */
#ifndef SC_CAS_HISTORY_H
#define SC_CAS_HISTORY_H

#include "cas/session.h"

struct sc_signature {
    char owner[64];     /* name among the owners that had to sign */
    struct sc_slice bytes;
};
struct sc_history_entry { /* slices borrow from what it was decoded from */
    uint64_t version;     /* from 1 */
    int64_t time_ms;
    struct sc_hash previous; /* entry hash of version - 1; zeros for the first */
    struct sc_slice text;
    struct sc_signature *signatures; /* owned: sc_history_entry_deinit() */
    size_t signature_count;
};
void sc_history_entry_deinit(struct sc_history_entry *e);
void sc_history_entry_encode(const struct sc_history_entry *e, struct sc_buf *out);
sc_err sc_history_entry_decode(struct sc_slice bytes, struct sc_history_entry *out, struct sc_diag *diag) SC_MUST_CHECK;
void sc_history_entry_hash(const struct sc_history_entry *e, struct sc_hash *out);

/* What owners sign: to let this version in, or to withdraw it while it is pending. */
enum sc_session_act { SC_ACT_APPROVE = 1, SC_ACT_WITHDRAW = 2 };
void sc_session_act_message(enum sc_session_act act, const struct sc_hash *session, struct sc_buf *out);
/* Is this owner's signature good?  SC_E_AUTH: no such owner, or not his. */
sc_err sc_session_act_check(const struct sc_session *by, enum sc_session_act act, const struct sc_hash *session,
                            const struct sc_signature *signature, struct sc_diag *diag) SC_MUST_CHECK;
/* Enough different owners of `by` have signed this version. */
sc_err sc_session_quorum_check(const struct sc_session *by, const struct sc_hash *session,
                               const struct sc_signature *signatures, size_t count, struct sc_diag *diag) SC_MUST_CHECK;

/* Judges entries one after another: chain, predecessors, names, signatures.  Whose signatures the first version needed
 * depends on its namespace (registry.h): they are checked where root is given, or when the session signs for itself. */
struct sc_history_judge {
    const struct sc_session *newest; /* of the entries so far; owned */
    struct sc_hash entry;
    uint64_t version;
};
void sc_history_judge_deinit(struct sc_history_judge *j);
/* root: the session whose owners let the first version in; NULL: its own. */
sc_err sc_history_judge_next(struct sc_history_judge *j, const struct sc_session *root,
                             const struct sc_history_entry *e, struct sc_diag *diag) SC_MUST_CHECK;

#endif
