/* attest/describe.h - every field of evidence, in words: what `securecloud attest show` prints, and the "evidence" member
 * of a result's JSON.  Nothing is judged here. */
#ifndef SC_ATTEST_DESCRIBE_H
#define SC_ATTEST_DESCRIBE_H

#include "attest/quote.h"
#include "attest/snp_report.h"

/* Called for each field, group by group; the strings live for the call only. */
typedef void (*sc_describe_fn)(void *arg, const char *group, const char *name, const char *value);
void sc_describe_quote(const struct sc_quote *q, sc_describe_fn fn, void *arg);
/* The certificates in the certification data, as far as they can be read: subject, issuer, dates, SGX extension. */
void sc_describe_certificates(struct sc_slice pem, sc_describe_fn fn, void *arg);
void sc_describe_snp(const struct sc_snp_report *s, sc_describe_fn fn, void *arg);
/* Evidence of any kind as lines of text.  SC_E_MALFORMED: only what came before the flaw was described. */
sc_err sc_describe_evidence(struct sc_slice evidence, struct sc_buf *out, struct sc_diag *diag) SC_MUST_CHECK;

#endif
