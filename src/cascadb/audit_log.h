/* cascadb/audit_log.h - the audit log: one JSON object a line, each with the SHA-256 of the line before.
 *
 *   {"n":7,"time_ms":1764072000123,"who":"spiffe://...","statement":"SELECT ...","rows":3,"state":"00000","us":412,"prev":"<hex>"}
 *   {"n":8,"time_ms":...,"checkpoint":{"certificate":"<base64>","signature":"<base64>"},"prev":"<hex>"}
 *
 * A checkpoint signs n, time_ms and prev with the server's key: at start, every AUDIT_CHECKPOINT_RECORDS lines, and at the end.  So
 * nobody can change, drop, insert or reorder lines before a checkpoint without the key; lines behind the last one can be
 * cut off, but then the server's own count and head (log, metrics) say so.
 * The log is thread-safe. */
#ifndef SC_CASCADB_AUDIT_LOG_H
#define SC_CASCADB_AUDIT_LOG_H

#include "crypto/x509.h"

#define AUDIT_CHECKPOINT_RECORDS 1000

struct audit_log;
/* Opens path, or makes it; goes on with the chain that is there, whose last line must be whole (SC_E_MALFORMED).  signer
 * and certificate are borrowed. */
sc_err audit_log_open(const char *path, const struct sc_signer *signer, const struct sc_cert *certificate,
                      struct audit_log **out, struct sc_diag *diag) SC_MUST_CHECK;
/* With a checkpoint; tells the last count and head as audit_log_head() does. */
void audit_log_close(struct audit_log *a, uint64_t *count_out, char hex_out[static 2 * SC_HASH_SIZE + 1]);

struct audit_record {
    const char *who;
    const char *statement; /* its shape */
    const char *sqlstate;
    int64_t rows, duration_us;
};
/* SC_E_IO: not written; from then on the log is broken and every call fails. */
sc_err audit_log_put(struct audit_log *a, const struct audit_record *r) SC_MUST_CHECK;
bool audit_log_broken(const struct audit_log *a);
/* How many lines there are, and the hash of the last, in hex. */
void audit_log_head(struct audit_log *a, uint64_t *count_out, char hex_out[static 2 * SC_HASH_SIZE + 1]);

struct audit_verdict {
    uint64_t count, checkpoints;
    uint64_t signed_count;              /* lines up to the last checkpoint */
    char head[2 * SC_HASH_SIZE + 1];
};
/* Checks the file: chain and numbers; with a root also certificates (bearing signer_id) and signatures.  SC_E_AUTH: a line
 * is not what was written, diag says which. */
sc_err audit_log_check(const char *path, const struct sc_cert *root, const char *signer_id, struct audit_verdict *out,
                       struct sc_diag *diag) SC_MUST_CHECK;

#endif
