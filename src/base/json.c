#include "base/json.h"

#include "base/file.h"

#include <inttypes.h>

void sc_json_freep(json_t **doc)
{
    json_decref(*doc);
}

sc_err sc_json_parse(struct sc_slice text, json_t **doc_out, struct sc_diag *diag)
{
    json_error_t why;
    json_t *doc = json_loadb((const char *)text.ptr, text.size, JSON_REJECT_DUPLICATES, &why);
    if (doc == NULL)
        return sc_fail(diag, SC_E_MALFORMED, "line %d, column %d: %s", why.line, why.column, why.text);
    *doc_out = doc;
    return SC_OK;
}

sc_err sc_json_read(const char *path, size_t size_max, json_t **doc_out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf text = {.size_max = size_max};
    SC_TRY(sc_file_read(path, size_max, &text, diag));
    return sc_context(diag, sc_json_parse(sc_buf_slice(&text), doc_out, diag), "%s", path);
}

sc_err sc_json_write(const char *path, const json_t *doc, struct sc_diag *diag)
{
    SC_CLEANUP(sc_freep) char *text = json_dumps(doc, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15));
    if (text == NULL)
        return sc_fail(diag, SC_E_NOMEM, "%s", path);
    return sc_file_write(path, sc_slice_str(text), 0644, diag);
}

static sc_err missing(const char *name, const char *type, struct sc_diag *diag)
{
    return sc_fail(diag, SC_E_MALFORMED, "member \"%s\": %s expected", name, type);
}

sc_err sc_json_get_str(const json_t *obj, const char *name, const char **out, struct sc_diag *diag)
{
    const json_t *v = json_object_get(obj, name);
    if (!json_is_string(v))
        return missing(name, "a string", diag);
    *out = json_string_value(v);
    return SC_OK;
}

sc_err sc_json_get_int(const json_t *obj, const char *name, int64_t min, int64_t max, int64_t *out,
                       struct sc_diag *diag)
{
    const json_t *v = json_object_get(obj, name);
    if (!json_is_integer(v))
        return missing(name, "an integer", diag);
    const int64_t i = json_integer_value(v);
    if (i < min || i > max)
        return sc_fail(diag, SC_E_MALFORMED, "member \"%s\": %" PRId64 " is outside %" PRId64 "..%" PRId64, name, i,
                       min, max);
    *out = i;
    return SC_OK;
}

sc_err sc_json_get_num(const json_t *obj, const char *name, double *out, struct sc_diag *diag)
{
    const json_t *v = json_object_get(obj, name);
    if (!json_is_number(v))
        return missing(name, "a number", diag);
    *out = json_number_value(v);
    return SC_OK;
}

sc_err sc_json_opt_str(const json_t *obj, const char *name, const char **out, struct sc_diag *diag)
{
    return json_object_get(obj, name) == NULL ? SC_OK : sc_json_get_str(obj, name, out, diag);
}

sc_err sc_json_opt_int(const json_t *obj, const char *name, int64_t min, int64_t max, int64_t *out,
                       struct sc_diag *diag)
{
    return json_object_get(obj, name) == NULL ? SC_OK : sc_json_get_int(obj, name, min, max, out, diag);
}
