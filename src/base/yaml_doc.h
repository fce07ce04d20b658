/* base/yaml_doc.h - reading YAML documents into a small tree, with errors that say line and column.
 *
 * For configuration that people write: one document; mappings with distinct scalar keys, sequences, scalars.  Anchors,
 * aliases, tags and further documents are refused, and so is what is deeper or larger than the limits below: a file
 * cannot make more of itself than it is long.  Scalars are text; who reads a number parses it with the getters here.
 *
 * The tree is freed as a whole; nodes and their text live as long as it.  Immutable, so it may be shared. */
#ifndef SC_BASE_YAML_DOC_H
#define SC_BASE_YAML_DOC_H

#include "base/bytes.h"

#define SC_YAML_DEPTH_MAX 16
#define SC_YAML_NODES_MAX ((size_t)20000)
#define SC_YAML_MEMBERS_MAX ((size_t)1000) /* of one mapping */
#define SC_YAML_SIZE_MAX  ((size_t)1 << 20)

enum sc_yaml_kind { SC_YAML_SCALAR, SC_YAML_SEQUENCE, SC_YAML_MAPPING };
struct sc_yaml_node {
    enum sc_yaml_kind kind;
    unsigned line, column;            /* from 1 */
    const char *text;                 /* scalar: its value, without NUL inside */
    bool quoted;                      /* scalar: "5" and '5' are text, 5 may be a number */
    const struct sc_yaml_node *key;   /* of a mapping's member; else NULL */
    const struct sc_yaml_node *first; /* of a sequence or mapping */
    const struct sc_yaml_node *next;  /* its neighbour */
    size_t count;                     /* of elements or members */
};
struct sc_yaml; /* owns the nodes */
void sc_yaml_free(struct sc_yaml *y);
void sc_yaml_freep(struct sc_yaml **y);
/* SC_E_MALFORMED, SC_E_LIMIT or SC_E_UNSUPPORTED; diag: "line 3, column 7: ...". */
sc_err sc_yaml_parse(struct sc_slice text, struct sc_yaml **out, struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_yaml_read(const char *path, struct sc_yaml **out, struct sc_diag *diag) SC_MUST_CHECK; /* "path: line ..." */
const struct sc_yaml_node *sc_yaml_root(const struct sc_yaml *y);

/* Fills diag with "line L, column C: " and the text, and returns code. */
sc_err sc_yaml_fail(const struct sc_yaml_node *at, struct sc_diag *diag, sc_err code, const char *fmt, ...)
    SC_PRINTF(4, 5);
/* NULL: the mapping has no such member, or node is no mapping. */
const struct sc_yaml_node *sc_yaml_get(const struct sc_yaml_node *mapping, const char *name);
/* node must be of this kind; mapping members must be among names (NULL-terminated), so that a slip of the pen is found. */
sc_err sc_yaml_expect(const struct sc_yaml_node *node, enum sc_yaml_kind kind, struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_yaml_expect_members(const struct sc_yaml_node *node, const char *const *names, struct sc_diag *diag)
    SC_MUST_CHECK;
/* Scalars.  Numbers are decimal, or hexadecimal after 0x; truth is true or false. */
sc_err sc_yaml_get_text(const struct sc_yaml_node *node, const char **out, struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_yaml_get_uint(const struct sc_yaml_node *node, uint64_t max, uint64_t *out, struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_yaml_get_bool(const struct sc_yaml_node *node, bool *out, struct sc_diag *diag) SC_MUST_CHECK;
/* "90s", "15m", "12h", "30d": seconds */
sc_err sc_yaml_get_duration_s(const struct sc_yaml_node *node, int64_t *out, struct sc_diag *diag) SC_MUST_CHECK;
/* Exactly size bytes in hexadecimal. */
sc_err sc_yaml_get_hex(const struct sc_yaml_node *node, uint8_t *out, size_t size, struct sc_diag *diag) SC_MUST_CHECK;

#endif
