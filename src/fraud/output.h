/* fraud/output.h - a ranking as files: ranking.csv and ranking.json (docs/formats/ranking.md).  Pure but for the writes. */
#ifndef SC_FRAUD_OUTPUT_H
#define SC_FRAUD_OUTPUT_H

#include "base/bytes.h"
#include "base/json.h"
#include "fraud/fraud.h"

enum sc_fraud_grade { SC_FRAUD_UNJUDGED, SC_FRAUD_NOTHING, SC_FRAUD_WEAK, SC_FRAUD_STRONG };
enum sc_fraud_grade sc_fraud_grade(const struct sc_fraud_finding *finding);
const char *sc_fraud_grade_name(enum sc_fraud_grade g); /* "unjudged", "nothing", "weak", "strong" */

/* Sentences that say why: the change of level, then the most telling features.  Returns an array of strings, NULL without memory. */
json_t *sc_fraud_reasons(const struct sc_fraud *f, const struct sc_fraud_finding *finding);

/* RFC 4180.  A text that a spreadsheet would take for a formula gets a ' in front. */
void sc_fraud_csv_text(struct sc_buf *out, const char *text);
void sc_fraud_csv(const struct sc_fraud *f, struct sc_buf *out);
/* Curves of the first detail_count customers only: they are most of the file. */
sc_err sc_fraud_json(const struct sc_fraud *f, size_t detail_count, uint64_t seed, json_t **out) SC_MUST_CHECK;

#endif
