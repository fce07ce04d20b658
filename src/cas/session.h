/* cas/session.h - a session: the policy that says which code becomes which service, what it gets, and who may say so.
 *
 * A YAML document (docs/services/cas.md).  A mistake in it is an error with line and column, and an unknown member is a
 * mistake; what can be decided by looking at the document alone is decided here: names, references, templates, cycles.
 * The model borrows from the session and is immutable, so it may be shared. */
#ifndef SC_CAS_SESSION_H
#define SC_CAS_SESSION_H

#include "attest/attest.h"
#include "crypto/crypto.h"

#define SC_SESSION_SIZE_MAX   ((size_t)256 << 10)
#define SC_SESSION_NAME_MAX   ((size_t)128) /* "namespace/name" */
#define SC_SESSION_LIST_MAX   ((size_t)256) /* owners, services, secrets, files of a service, ... */
#define SC_SESSION_SECRET_SIZE_MAX ((size_t)65536)

struct sc_session_owner {
    const char *name;
    const struct sc_verifier *key;
    struct sc_hash id; /* SHA-256 of the key's SubjectPublicKeyInfo */
};

enum sc_secret_kind {
    SC_SECRET_RANDOM,   /* `size` bytes */
    SC_SECRET_PASSWORD, /* `size` characters of letters and digits */
    SC_SECRET_KEY,      /* a private key, PEM (PKCS#8) */
    SC_SECRET_CA,       /* a certificate authority: parts key, cert */
    SC_SECRET_CERT,     /* a key and its certificate under `issuer`: parts key, cert, ca */
    SC_SECRET_VALUE,    /* `value`, as it stands in the policy */
    SC_SECRET_IMPORT    /* secret `from_secret` of the session `from_session` */
};
const char *sc_secret_kind_name(enum sc_secret_kind kind);
struct sc_session_secret {
    const char *name;
    enum sc_secret_kind kind;
    size_t size;
    enum sc_sign_alg algorithm; /* KEY, CA, CERT */
    const char *common_name;    /* CA, CERT */
    const char *dns;            /* CERT; NULL: none */
    int64_t days;               /* CA, CERT: validity */
    const struct sc_session_secret *issuer; /* CERT: a CA of this session */
    const char *value;
    const char *from_session, *from_secret;
    const char **exports; /* sessions that may import it */
    size_t export_count;
    bool is_public; /* exported to everybody */
    unsigned line;
};

struct sc_session_file {
    const char *path;    /* absolute, without "." and ".." */
    const char *content; /* with {{secret.<name>[.<part>]}} and {{service.id}} in it */
    unsigned line;
};
struct sc_session_volume {
    const char *name;
    const struct sc_session_secret *key; /* RANDOM, 32 bytes */
    bool counter;                        /* CAS keeps its freshness counter */
};
struct sc_session_service {
    const char *name;
    /* identity: one of the measurements, or the signer with product and a minimum version */
    uint8_t (*measurements)[48];
    uint8_t *measurement_sizes; /* 32 or 48 */
    size_t measurement_count;
    uint8_t signer[48];
    size_t signer_size; /* 0: by measurement */
    uint32_t product_id, svn_min;
    const char *working_directory; /* NULL: not said */
    const char **arguments;
    size_t argument_count;
    const char **environment; /* name, value, name, value ... */
    size_t environment_count; /* of pairs */
    struct sc_session_file *files;
    size_t file_count;
    struct sc_session_volume *volumes;
    size_t volume_count;
    const struct sc_session_secret **secrets; /* handed over by name */
    size_t secret_count;
    const char **talks_to; /* SPIFFE IDs, or names of services of this session */
    size_t talk_count;
    int64_t certificate_s; /* lifetime of its certificate */
    unsigned line;
};

struct sc_session {
    const char *name;  /* "namespace/name" */
    const char *space; /* "namespace" */
    bool has_predecessor;
    struct sc_hash predecessor;
    struct sc_hash hash; /* SHA-256 of the document as it stands: what an owner signs, what a successor names */
    struct sc_slice text;
    struct sc_session_owner *owners;
    size_t owner_count, threshold;
    const char **readers; /* names of owners, SPIFFE IDs of services; owners read always */
    size_t reader_count;
    bool kinds[SC_ATTEST_SOFTWARE + 1];
    bool statuses[SC_TCB_STATUS_COUNT];
    bool allow_debug;
    struct sc_session_service *services;
    size_t service_count;
    struct sc_session_secret *secrets;
    size_t secret_count;
};

sc_err sc_session_parse(struct sc_slice yaml, const struct sc_session **out, struct sc_diag *diag) SC_MUST_CHECK;
sc_err sc_session_read(const char *path, const struct sc_session **out, struct sc_diag *diag) SC_MUST_CHECK;
void sc_session_free(const struct sc_session *s); /* NULL is fine */
void sc_session_freep(const struct sc_session **s);
const struct sc_session_service *sc_session_service_find(const struct sc_session *s, const char *name);
const struct sc_session_secret *sc_session_secret_find(const struct sc_session *s, const char *name);
/* "namespace/name", each [a-z0-9-]+ (starting with a letter). */
bool sc_session_name_valid(const char *name);

/* ---- lint: what is allowed and still looks like a mistake, or deserves a second look ---- */
typedef void (*sc_session_note_fn)(void *arg, unsigned line, const char *text);
/* Returns how many notes were made. */
size_t sc_session_lint(const struct sc_session *s, sc_session_note_fn note, void *arg);
/* Who can get what: for people, line by line. */
void sc_session_explain(const struct sc_session *s, struct sc_buf *out);
/* What the newer one changes, line by line ("+ ...", "- ...", "~ ..."); returns the number of changes. */
size_t sc_session_diff(const struct sc_session *older, const struct sc_session *newer, struct sc_buf *out);

/* ---- templates: the {{...}} in a file's content ---- */
enum sc_part_kind { SC_PART_TEXT, SC_PART_SECRET, SC_PART_SERVICE_ID };
struct sc_template_part {
    enum sc_part_kind kind;
    struct sc_slice text;   /* TEXT; else what stands between the braces */
    char secret[64];        /* SECRET */
    char part[16];          /* "", "key", "cert", "ca", "hex" or "base64" */
};
/* The next part of *rest, which is moved behind it; SC_E_NOT_FOUND at the end; SC_E_MALFORMED: diag says what. */
sc_err sc_template_next(struct sc_slice *rest, struct sc_template_part *out, struct sc_diag *diag) SC_MUST_CHECK;

#endif
