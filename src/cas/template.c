/* Templates: text with {{secret.name}}, {{secret.name.part}} and {{service.id}} in it. */
#include "cas/session.h"

#include <stdio.h>

static bool part_known(const char *part)
{
    static const char *const known[] = {"", "key", "cert", "ca", "hex", "base64"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(part, known[i]) == 0)
            return true;
    return false;
}

static sc_err take_secret(struct sc_slice inside, struct sc_template_part *out, struct sc_diag *diag)
{
    const struct sc_slice rest = {inside.ptr + 7, inside.size - 7};
    const uint8_t *dot = memchr(rest.ptr, '.', rest.size);
    const size_t name_size = dot != NULL ? (size_t)(dot - rest.ptr) : rest.size;
    const size_t part_size = dot != NULL ? rest.size - name_size - 1 : 0;
    if (name_size == 0 || name_size >= sizeof out->secret || part_size >= sizeof out->part)
        return sc_fail(diag, SC_E_MALFORMED, "{{%.*s}}: {{secret.NAME}} or {{secret.NAME.PART}} expected",
                       (int)(inside.size < 80 ? inside.size : 80), (const char *)inside.ptr);
    memcpy(out->secret, rest.ptr, name_size);
    out->secret[name_size] = '\0';
    memcpy(out->part, rest.ptr + (dot != NULL ? name_size + 1 : 0), part_size);
    out->part[part_size] = '\0';
    if (!part_known(out->part))
        return sc_fail(diag, SC_E_MALFORMED, "{{secret.%s.%s}}: the parts are key, cert, ca, hex and base64",
                       out->secret, out->part);
    out->kind = SC_PART_SECRET;
    return SC_OK;
}

sc_err sc_template_next(struct sc_slice *rest, struct sc_template_part *out, struct sc_diag *diag)
{
    struct sc_template_part part = {.kind = SC_PART_TEXT};
    if (rest->size == 0)
        return SC_E_NOT_FOUND;
    const uint8_t *open = memmem(rest->ptr, rest->size, "{{", 2);
    if (open != rest->ptr) {
        const size_t size = open != NULL ? (size_t)(open - rest->ptr) : rest->size;
        part.text = sc_slice_of(rest->ptr, size);
        *rest = (struct sc_slice){rest->ptr + size, rest->size - size};
        *out = part;
        return SC_OK;
    }
    const struct sc_slice after = {rest->ptr + 2, rest->size - 2};
    const uint8_t *close = memmem(after.ptr, after.size, "}}", 2);
    if (close == NULL)
        return sc_fail(diag, SC_E_MALFORMED, "\"{{\" without \"}}\"");
    struct sc_slice inside = {after.ptr, (size_t)(close - after.ptr)};
    while (inside.size != 0 && inside.ptr[0] == ' ')
        inside = (struct sc_slice){inside.ptr + 1, inside.size - 1};
    while (inside.size != 0 && inside.ptr[inside.size - 1] == ' ')
        inside.size--;
    part.text = inside;
    if (sc_slice_eq(inside, sc_slice_str("service.id")))
        part.kind = SC_PART_SERVICE_ID;
    else if (inside.size > 7 && memcmp(inside.ptr, "secret.", 7) == 0)
        SC_TRY(take_secret(inside, &part, diag));
    else
        return sc_fail(diag, SC_E_MALFORMED, "{{%.*s}}: neither secret.NAME nor service.id",
                       (int)(inside.size < 80 ? inside.size : 80), (const char *)inside.ptr);
    *rest = (struct sc_slice){close + 2, after.size - (size_t)(close + 2 - after.ptr)};
    *out = part;
    return SC_OK;
}
