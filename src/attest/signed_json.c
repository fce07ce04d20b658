/* Finds the bytes that were signed inside a signed JSON document.
 *
 * The signature covers the inner object's bytes exactly as they were sent, so nothing here parses and writes again: a
 * scanner that knows strings and nesting finds where the object ends.  Whether it is good JSON inside is the parser's
 * business, after the signature. */
#include "attest/tcb.h"

#define NESTING_MAX 32

static void skip_space(struct sc_reader *r)
{
    while (r->cur != r->end && (*r->cur == ' ' || *r->cur == '\t' || *r->cur == '\n' || *r->cur == '\r'))
        r->cur++;
}

static bool take(struct sc_reader *r, char c)
{
    skip_space(r);
    if (r->cur == r->end || *r->cur != (uint8_t)c)
        return false;
    r->cur++;
    return true;
}

/* What is between the quotes, escapes and all. */
static bool take_string(struct sc_reader *r, struct sc_slice *out)
{
    if (!take(r, '"'))
        return false;
    const uint8_t *start = r->cur;
    for (; r->cur != r->end; r->cur++) {
        if (*r->cur == '"') {
            *out = sc_slice_of(start, (size_t)(r->cur - start));
            r->cur++;
            return true;
        }
        if (*r->cur == '\\' && ++r->cur == r->end)
            return false;
    }
    return false;
}

/* An object, braces included: to the brace that closes the first one. */
static bool take_object(struct sc_reader *r, struct sc_slice *out)
{
    char open[NESTING_MAX];
    size_t depth = 0;
    struct sc_slice ignored;
    skip_space(r);
    const uint8_t *start = r->cur;
    if (r->cur == r->end || *r->cur != '{')
        return false;
    do {
        const uint8_t c = *r->cur;
        if (c == '"') {
            if (!take_string(r, &ignored))
                return false;
            continue;
        }
        if (c == '{' || c == '[') {
            if (depth == NESTING_MAX)
                return false;
            open[depth++] = (char)(c == '{' ? '}' : ']');
        } else if (c == '}' || c == ']') {
            if (open[--depth] != (char)c)
                return false;
        }
        r->cur++;
    } while (depth != 0 && r->cur != r->end);
    *out = sc_slice_of(start, (size_t)(r->cur - start));
    return depth == 0;
}

static sc_err decode_signature(struct sc_slice hex, uint8_t out[static 64])
{
    char text[129];
    if (hex.size != 128)
        return SC_E_MALFORMED;
    memcpy(text, hex.ptr, 128);
    text[128] = '\0';
    return sc_hex_decode(text, out, 64);
}

sc_err sc_signed_json_split(struct sc_slice document, const char *name, struct sc_slice *inner_out,
                            uint8_t signature_out[static 64], struct sc_diag *diag)
{
    struct sc_reader r = sc_reader_of(document);
    struct sc_slice inner = SC_SLICE_EMPTY;
    struct sc_slice signature = SC_SLICE_EMPTY;
    struct sc_slice member;
    if (document.size > SC_TCB_DOCUMENT_MAX)
        return sc_fail(diag, SC_E_LIMIT, "document of %zu bytes", document.size);
    bool ok = take(&r, '{');
    for (int i = 0; ok && i < 2; i++) {
        ok = (i == 0 || take(&r, ',')) && take_string(&r, &member) && take(&r, ':');
        if (ok && sc_slice_eq(member, sc_slice_str(name)) && inner.size == 0)
            ok = take_object(&r, &inner);
        else if (ok && sc_slice_eq(member, sc_slice_str("signature")) && signature.size == 0)
            ok = take_string(&r, &signature);
        else
            ok = false;
    }
    ok = ok && inner.size != 0 && take(&r, '}');
    skip_space(&r);
    if (!ok || sc_reader_left(&r) != 0)
        return sc_fail(diag, SC_E_MALFORMED, "byte %zu: {\"%s\":{...},\"signature\":\"...\"} expected",
                       (size_t)(r.cur - document.ptr), name);
    if (decode_signature(signature, signature_out) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "signature: 128 hexadecimal digits expected");
    *inner_out = inner;
    return SC_OK;
}
