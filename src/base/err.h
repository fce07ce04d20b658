/* base/err.h - one idiom for errors.
 *
 * A fallible function returns sc_err and nothing else; results leave through arguments ending in _out, written only on
 * success.  The code says what the *caller* can do; an optional sc_diag tells a human what happened, where and why. */
#ifndef SC_BASE_ERR_H
#define SC_BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>

typedef enum sc_err {
    SC_OK = 0,
    SC_E_AGAIN = -1,       /* transient: nothing changed, try later */
    SC_E_NOMEM = -2,       /* ours: a budget or the heap is spent */
    SC_E_IO = -3,          /* environment: kernel, device or network said no */
    SC_E_MALFORMED = -4,   /* peer or disk: bytes break the format */
    SC_E_AUTH = -5,        /* hostile: a tag, signature, certificate or right is wrong */
    SC_E_LIMIT = -6,       /* policy: well formed, more than we accept */
    SC_E_NOT_FOUND = -7,   /* the thing named does not exist */
    SC_E_EXISTS = -8,      /* the thing named exists already */
    SC_E_CONFLICT = -9,    /* somebody else changed it first: start over */
    SC_E_USAGE = -10,      /* the caller's request makes no sense as asked */
    SC_E_UNSUPPORTED = -11 /* sensible, but not offered */
} sc_err;

/* What happened, for a human.  Zero-initialise (`struct sc_diag diag = {0}`); the first failure wins. */
struct sc_diag {
    sc_err code;
    char text[508];
};

#define SC_MUST_CHECK  __attribute__((warn_unused_result))
#define SC_CLEANUP(fn) __attribute__((cleanup(fn)))
#define SC_PRINTF(a, b) __attribute__((format(printf, a, b)))
#define SC_TRY(expr)                                                                                                   \
    do {                                                                                                               \
        const sc_err try_ = (expr);                                                                                    \
        if (try_ != SC_OK)                                                                                             \
            return try_;                                                                                               \
    } while (0)
#define SC_TAKE(p)                                                                                                     \
    __extension__({                                                                                                    \
        __typeof__(p) take_ = (p);                                                                                     \
        (p) = NULL;                                                                                                    \
        take_;                                                                                                         \
    })

/* Our own mistakes, never bad input; stays on in release builds and aborts. */
#define SC_ASSERT(cond) ((cond) ? (void)0 : sc_assert_failed(#cond, __FILE__, __LINE__))
_Noreturn void sc_assert_failed(const char *cond, const char *file, int line);

/* Drops an error on purpose; say why beside it. */
static inline void sc_ignore(sc_err err)
{
    (void)err;
}

/* Short English name of a code ("malformed"); never NULL. */
const char *sc_err_name(sc_err err);

/* Fills diag (may be NULL; kept if already filled) and returns code. */
sc_err sc_fail(struct sc_diag *diag, sc_err code, const char *fmt, ...) SC_PRINTF(3, 4);

/* As sc_fail(), with ": strerror(errno)" appended. */
sc_err sc_fail_errno(struct sc_diag *diag, sc_err code, const char *fmt, ...) SC_PRINTF(3, 4);

/* Puts "context: " before diag's text (e.g. the file a leaf did not know) and returns err unchanged.
 * With an empty diag the text becomes "context: <name of err>".  Does nothing when err is SC_OK. */
sc_err sc_context(struct sc_diag *diag, sc_err err, const char *fmt, ...) SC_PRINTF(3, 4);

/* diag's text, or the code's name when nobody told a story. */
const char *sc_diag_text(const struct sc_diag *diag, sc_err err);

/* cleanup helper: SC_CLEANUP(sc_freep) char *s */
static inline void sc_freep(void *pp)
{
    free(*(void **)pp);
}

#endif
