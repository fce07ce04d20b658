#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

_Noreturn void sc_assert_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "securecloud: assertion failed: %s (%s:%d)\n", cond, file, line);
    abort();
}

const char *sc_err_name(sc_err err)
{
    switch (err) {
    case SC_OK:
        return "ok";
    case SC_E_AGAIN:
        return "temporarily unavailable";
    case SC_E_NOMEM:
        return "out of memory";
    case SC_E_IO:
        return "input/output error";
    case SC_E_MALFORMED:
        return "malformed";
    case SC_E_AUTH:
        return "not authentic";
    case SC_E_LIMIT:
        return "limit exceeded";
    case SC_E_NOT_FOUND:
        return "not found";
    case SC_E_EXISTS:
        return "exists already";
    case SC_E_CONFLICT:
        return "conflict";
    case SC_E_USAGE:
        return "wrong usage";
    case SC_E_UNSUPPORTED:
        return "not supported";
    }
    return "unknown error";
}

static sc_err fail_va(struct sc_diag *diag, sc_err code, int saved_errno, const char *fmt, va_list ap)
{
    if (diag == NULL || diag->code != SC_OK)
        return code;
    diag->code = code;
    int n = vsnprintf(diag->text, sizeof diag->text, fmt, ap);
    if (n < 0)
        n = 0;
    if (saved_errno != 0 && (size_t)n < sizeof diag->text)
        snprintf(diag->text + n, sizeof diag->text - (size_t)n, ": %s", strerror(saved_errno));
    return code;
}

sc_err sc_fail(struct sc_diag *diag, sc_err code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fail_va(diag, code, 0, fmt, ap);
    va_end(ap);
    return code;
}

sc_err sc_fail_errno(struct sc_diag *diag, sc_err code, const char *fmt, ...)
{
    const int saved = errno;
    va_list ap;
    va_start(ap, fmt);
    fail_va(diag, code, saved, fmt, ap);
    va_end(ap);
    return code;
}

sc_err sc_context(struct sc_diag *diag, sc_err err, const char *fmt, ...)
{
    if (diag == NULL || err == SC_OK)
        return err;
    char old[sizeof diag->text];
    memcpy(old, sc_diag_text(diag, err), strlen(sc_diag_text(diag, err)) + 1);
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(diag->text, sizeof diag->text, fmt, ap);
    va_end(ap);
    diag->code = err;
    if (n >= 0 && (size_t)n < sizeof diag->text)
        snprintf(diag->text + n, sizeof diag->text - (size_t)n, ": %s", old);
    return err;
}

const char *sc_diag_text(const struct sc_diag *diag, sc_err err)
{
    return diag != NULL && diag->text[0] != '\0' ? diag->text : sc_err_name(err);
}
