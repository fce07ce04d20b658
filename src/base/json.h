/* base/json.h - reading JSON documents (jansson's tree) with errors that name the member, and writing them durably.
 * Getters borrow from the document.  jansson stays usable directly for building trees. */
#ifndef SC_BASE_JSON_H
#define SC_BASE_JSON_H

#include "base/bytes.h"

#include <jansson.h>

void sc_json_freep(json_t **doc); /* cleanup helper: json_decref */

/* Parses a whole file of at most size_max bytes; errors carry path, line and column. */
sc_err sc_json_read(const char *path, size_t size_max, json_t **doc_out, struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_json_parse(struct sc_slice text, json_t **doc_out, struct sc_diag *diag) SC_MUST_CHECK;
/* Writes doc (indented, key order kept) as sc_file_write() does. */
sc_err sc_json_write(const char *path, const json_t *doc, struct sc_diag *diag) SC_MUST_CHECK;

/* Required members: SC_E_MALFORMED names what is missing or has another type. */
sc_err sc_json_get_str(const json_t *obj, const char *name, const char **out, struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_json_get_int(const json_t *obj, const char *name, int64_t min, int64_t max, int64_t *out,
                       struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_json_get_num(const json_t *obj, const char *name, double *out, struct sc_diag *diag) SC_MUST_CHECK;
/* As above, but an absent member leaves *out as it is. */
sc_err sc_json_opt_str(const json_t *obj, const char *name, const char **out, struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_json_opt_int(const json_t *obj, const char *name, int64_t min, int64_t max, int64_t *out,
                       struct sc_diag *diag) SC_MUST_CHECK;

#endif
