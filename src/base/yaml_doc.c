/* YAML through libyaml's events.  The builder keeps its open collections on a stack of fixed depth: no recursion. */
#include "base/yaml_doc.h"

#include "base/arena.h"
#include "base/file.h"

#include <errno.h>
#include <stdio.h>
#include <yaml.h>

struct sc_yaml {
    struct sc_arena arena;
    struct sc_yaml_node *root;
};

/* An open sequence or mapping, and where its next element goes. */
struct level {
    struct sc_yaml_node *node;
    const struct sc_yaml_node **link;
    const struct sc_yaml_node *key; /* mapping: the key that waits for its value */
};
struct builder {
    struct sc_yaml *y;
    struct level stack[SC_YAML_DEPTH_MAX];
    size_t depth;
    size_t node_count;
    bool done; /* the document is over */
    struct sc_diag *diag;
};

void sc_yaml_free(struct sc_yaml *y)
{
    if (y == NULL)
        return;
    sc_arena_deinit(&y->arena);
    free(y);
}

void sc_yaml_freep(struct sc_yaml **y)
{
    sc_yaml_free(*y);
}

const struct sc_yaml_node *sc_yaml_root(const struct sc_yaml *y)
{
    return y->root;
}

sc_err sc_yaml_fail(const struct sc_yaml_node *at, struct sc_diag *diag, sc_err code, const char *fmt, ...)
{
    char text[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return sc_fail(diag, code, "line %u, column %u: %s", at->line, at->column, text);
}

/* ---- building ---- */
static sc_err fail_at(struct builder *b, yaml_mark_t mark, sc_err code, const char *text)
{
    return sc_fail(b->diag, code, "line %zu, column %zu: %s", mark.line + 1, mark.column + 1, text);
}

static sc_err node_new(struct builder *b, const yaml_event_t *e, enum sc_yaml_kind kind, struct sc_yaml_node **out)
{
    if (++b->node_count > SC_YAML_NODES_MAX)
        return fail_at(b, e->start_mark, SC_E_LIMIT, "too many elements");
    struct sc_yaml_node *n = sc_arena_alloc(&b->y->arena, sizeof *n);
    if (n == NULL)
        return fail_at(b, e->start_mark, SC_E_NOMEM, "out of memory");
    n->kind = kind;
    n->line = (unsigned)e->start_mark.line + 1;
    n->column = (unsigned)e->start_mark.column + 1;
    *out = n;
    return SC_OK;
}

/* A scalar in a mapping that has no key waiting is one. */
static sc_err take_key(struct builder *b, struct level *top, struct sc_yaml_node *n)
{
    if (n->kind != SC_YAML_SCALAR)
        return sc_yaml_fail(n, b->diag, SC_E_UNSUPPORTED, "a key must be a scalar");
    if (top->node->count == SC_YAML_MEMBERS_MAX)
        return sc_yaml_fail(n, b->diag, SC_E_LIMIT, "more than %zu members", SC_YAML_MEMBERS_MAX);
    if (sc_yaml_get(top->node, n->text) != NULL)
        return sc_yaml_fail(n, b->diag, SC_E_MALFORMED, "\"%s\" is there twice", n->text);
    top->key = n;
    return SC_OK;
}

static sc_err place(struct builder *b, struct sc_yaml_node *n)
{
    if (b->depth == 0) {
        b->y->root = n;
        return SC_OK;
    }
    struct level *top = &b->stack[b->depth - 1];
    if (top->node->kind == SC_YAML_MAPPING && top->key == NULL)
        return take_key(b, top, n);
    n->key = SC_TAKE(top->key);
    *top->link = n;
    top->link = &n->next;
    top->node->count++;
    return SC_OK;
}

static sc_err take_scalar(struct builder *b, const yaml_event_t *e)
{
    struct sc_yaml_node *n = NULL;
    const char *value = (const char *)e->data.scalar.value;
    if (e->data.scalar.anchor != NULL || e->data.scalar.tag != NULL)
        return fail_at(b, e->start_mark, SC_E_UNSUPPORTED, "anchors and tags are not supported");
    if (strlen(value) != e->data.scalar.length)
        return fail_at(b, e->start_mark, SC_E_MALFORMED, "a zero byte");
    SC_TRY(node_new(b, e, SC_YAML_SCALAR, &n));
    n->text = sc_arena_strdup(&b->y->arena, value);
    if (n->text == NULL)
        return fail_at(b, e->start_mark, SC_E_NOMEM, "out of memory");
    n->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return place(b, n);
}

static sc_err open_collection(struct builder *b, const yaml_event_t *e, enum sc_yaml_kind kind, const void *anchor,
                              const void *tag)
{
    struct sc_yaml_node *n = NULL;
    if (anchor != NULL || tag != NULL)
        return fail_at(b, e->start_mark, SC_E_UNSUPPORTED, "anchors and tags are not supported");
    if (b->depth == SC_YAML_DEPTH_MAX)
        return fail_at(b, e->start_mark, SC_E_LIMIT, "nested too deeply");
    SC_TRY(node_new(b, e, kind, &n));
    SC_TRY(place(b, n));
    b->stack[b->depth++] = (struct level){.node = n, .link = &n->first};
    return SC_OK;
}

static sc_err take_event(struct builder *b, const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        return take_scalar(b, e);
    case YAML_SEQUENCE_START_EVENT:
        return open_collection(b, e, SC_YAML_SEQUENCE, e->data.sequence_start.anchor, e->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return open_collection(b, e, SC_YAML_MAPPING, e->data.mapping_start.anchor, e->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        b->depth--;
        return SC_OK;
    case YAML_ALIAS_EVENT:
        return fail_at(b, e->start_mark, SC_E_UNSUPPORTED, "aliases are not supported");
    case YAML_DOCUMENT_START_EVENT:
        if (b->done)
            return fail_at(b, e->start_mark, SC_E_UNSUPPORTED, "one document expected");
        return SC_OK;
    case YAML_DOCUMENT_END_EVENT:
        b->done = true;
        return SC_OK;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
        return SC_OK;
    }
    return SC_OK;
}

static sc_err parser_failed(struct builder *b, const yaml_parser_t *p)
{
    if (p->error == YAML_MEMORY_ERROR)
        return sc_fail(b->diag, SC_E_NOMEM, "YAML");
    /* a reader error (bad UTF-8) has no mark, only the parser's position */
    const yaml_mark_t mark = p->error == YAML_READER_ERROR ? p->mark : p->problem_mark;
    return fail_at(b, mark, SC_E_MALFORMED, p->problem != NULL ? p->problem : "not YAML");
}

static sc_err run(struct builder *b, yaml_parser_t *p)
{
    for (;;) {
        yaml_event_t e;
        if (yaml_parser_parse(p, &e) != 1)
            return parser_failed(b, p);
        const bool end = e.type == YAML_STREAM_END_EVENT;
        const sc_err err = take_event(b, &e);
        yaml_event_delete(&e);
        if (err != SC_OK)
            return err;
        if (end)
            break;
    }
    return b->y->root != NULL ? SC_OK : sc_fail(b->diag, SC_E_MALFORMED, "line 1, column 1: an empty document");
}

sc_err sc_yaml_parse(struct sc_slice text, struct sc_yaml **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_yaml_freep) struct sc_yaml *y = calloc(1, sizeof *y);
    struct builder b = {.y = y, .diag = diag};
    yaml_parser_t p;
    if (text.size > SC_YAML_SIZE_MAX)
        return sc_fail(diag, SC_E_LIMIT, "line 1, column 1: %zu bytes of YAML", text.size);
    if (y == NULL || yaml_parser_initialize(&p) != 1)
        return sc_fail(diag, SC_E_NOMEM, "YAML");
    sc_arena_init(&y->arena, (size_t)16 << 20);
    yaml_parser_set_input_string(&p, text.ptr, text.size);
    yaml_parser_set_encoding(&p, YAML_UTF8_ENCODING);
    const sc_err err = run(&b, &p);
    yaml_parser_delete(&p);
    if (err != SC_OK)
        return err;
    *out = SC_TAKE(y);
    return SC_OK;
}

sc_err sc_yaml_read(const char *path, struct sc_yaml **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf text = {0};
    SC_TRY(sc_file_read(path, SC_YAML_SIZE_MAX, &text, diag));
    return sc_context(diag, sc_yaml_parse(sc_buf_slice(&text), out, diag), "%s", path);
}

/* ---- reading ---- */
const struct sc_yaml_node *sc_yaml_get(const struct sc_yaml_node *mapping, const char *name)
{
    if (mapping == NULL || mapping->kind != SC_YAML_MAPPING)
        return NULL;
    for (const struct sc_yaml_node *n = mapping->first; n != NULL; n = n->next)
        if (strcmp(n->key->text, name) == 0)
            return n;
    return NULL;
}

sc_err sc_yaml_expect(const struct sc_yaml_node *node, enum sc_yaml_kind kind, struct sc_diag *diag)
{
    static const char *const names[] = {"a single value", "a list", "a mapping"};
    return node->kind == kind ? SC_OK : sc_yaml_fail(node, diag, SC_E_MALFORMED, "%s expected", names[kind]);
}

static bool is_among(const char *name, const char *const *names)
{
    for (; *names != NULL; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

sc_err sc_yaml_expect_members(const struct sc_yaml_node *node, const char *const *names, struct sc_diag *diag)
{
    SC_TRY(sc_yaml_expect(node, SC_YAML_MAPPING, diag));
    for (const struct sc_yaml_node *n = node->first; n != NULL; n = n->next)
        if (!is_among(n->key->text, names))
            return sc_yaml_fail(n->key, diag, SC_E_MALFORMED, "unknown member \"%.100s\"", n->key->text);
    return SC_OK;
}

sc_err sc_yaml_get_text(const struct sc_yaml_node *node, const char **out, struct sc_diag *diag)
{
    SC_TRY(sc_yaml_expect(node, SC_YAML_SCALAR, diag));
    *out = node->text;
    return SC_OK;
}

sc_err sc_yaml_get_uint(const struct sc_yaml_node *node, uint64_t max, uint64_t *out, struct sc_diag *diag)
{
    SC_TRY(sc_yaml_expect(node, SC_YAML_SCALAR, diag));
    const char *p = node->text;
    const bool hex = p[0] == '0' && (p[1] == 'x' || p[1] == 'X');
    char *end;
    errno = 0;
    const unsigned long long v = strtoull(p, &end, hex ? 16 : 10);
    if (p[0] < '0' || p[0] > '9' || end == p + (hex ? 2 : 0) || *end != '\0' || errno != 0 || v > max || node->quoted)
        return sc_yaml_fail(node, diag, SC_E_MALFORMED, "a number from 0 to %llu expected", (unsigned long long)max);
    *out = v;
    return SC_OK;
}

sc_err sc_yaml_get_bool(const struct sc_yaml_node *node, bool *out, struct sc_diag *diag)
{
    SC_TRY(sc_yaml_expect(node, SC_YAML_SCALAR, diag));
    const bool is_true = strcmp(node->text, "true") == 0;
    if (node->quoted || (!is_true && strcmp(node->text, "false") != 0))
        return sc_yaml_fail(node, diag, SC_E_MALFORMED, "true or false expected");
    *out = is_true;
    return SC_OK;
}

sc_err sc_yaml_get_duration_s(const struct sc_yaml_node *node, int64_t *out, struct sc_diag *diag)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    SC_TRY(sc_yaml_expect(node, SC_YAML_SCALAR, diag));
    const char *p = node->text;
    int64_t v = 0;
    for (; *p >= '0' && *p <= '9' && v < 100000000; p++)
        v = v * 10 + (*p - '0');
    for (size_t i = 0; p != node->text && i < sizeof units / sizeof units[0]; i++) {
        if (p[0] == units[i].unit && p[1] == '\0') {
            *out = v * units[i].seconds;
            return SC_OK;
        }
    }
    return sc_yaml_fail(node, diag, SC_E_MALFORMED, "a duration expected: a number and s, m, h or d");
}

sc_err sc_yaml_get_hex(const struct sc_yaml_node *node, uint8_t *out, size_t size, struct sc_diag *diag)
{
    SC_TRY(sc_yaml_expect(node, SC_YAML_SCALAR, diag));
    if (sc_hex_decode(node->text, out, size) != SC_OK)
        return sc_yaml_fail(node, diag, SC_E_MALFORMED, "%zu hexadecimal digits expected", 2 * size);
    return SC_OK;
}
