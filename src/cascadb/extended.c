/* The extended query protocol: prepared statements, portals, pipelines.  An error is answered once; what follows is
 * skipped up to the next Sync, which also ends the pipeline's transaction. */
#include "cascadb/internal.h"

#include "base/clock.h"

static sc_err out_of_memory(struct pg_connection *c)
{
    return pg_fail(&c->error, SC_E_NOMEM, "53200", "out of memory");
}

static sc_err name_copy(struct pg_connection *c, struct sc_slice name, struct sc_slice *out)
{
    uint8_t *copy = malloc(name.size + 1);
    if (copy == NULL)
        return out_of_memory(c);
    memcpy(copy, name.ptr, name.size);
    *out = (struct sc_slice){copy, name.size};
    return SC_OK;
}

static void name_free(struct sc_slice name)
{
    free((uint8_t *)name.ptr);
}

/* ---- lists ---- */
static struct pg_statement *statement_find(struct pg_connection *c, struct sc_slice name)
{
    struct pg_statement *s = c->statements;
    while (s != NULL && !sc_slice_eq(s->name, name))
        s = s->next;
    return s;
}

static struct pg_portal *portal_find(struct pg_connection *c, struct sc_slice name)
{
    struct pg_portal *p = c->portals;
    while (p != NULL && !sc_slice_eq(p->name, name))
        p = p->next;
    return p;
}

static void portal_free(struct pg_portal *p)
{
    if (p->statement != NULL && p->statement->user == p)
        p->statement->user = NULL;
    pg_portal_deinit(p);
    name_free(p->name);
    free(p);
}

static void portal_close(struct pg_connection *c, struct pg_portal *p)
{
    struct pg_portal **at = &c->portals;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    c->portal_count--;
    portal_free(p);
}

static void statement_free(struct pg_statement *s)
{
    sc_sql_stmt_free(s->stmt);
    free(s->param_oids);
    name_free(s->name);
    free(s);
}

/* Its portals go with it. */
static void statement_close(struct pg_connection *c, struct pg_statement *s)
{
    for (struct pg_portal *p = c->portals, *next; p != NULL; p = next) {
        next = p->next;
        if (p->statement == s)
            portal_close(c, p);
    }
    struct pg_statement **at = &c->statements;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    c->statement_count--;
    statement_free(s);
}

void pg_portals_close(struct pg_connection *c)
{
    while (c->portals != NULL)
        portal_close(c, c->portals);
}

void pg_statements_close(struct pg_connection *c)
{
    while (c->statements != NULL)
        statement_close(c, c->statements);
}

void pg_unnamed_close(struct pg_connection *c)
{
    struct pg_portal *p = portal_find(c, SC_SLICE_EMPTY);
    if (p != NULL)
        portal_close(c, p);
    struct pg_statement *s = statement_find(c, SC_SLICE_EMPTY);
    if (s != NULL)
        statement_close(c, s);
}

/* ---- Parse ---- */
static sc_err param_types(struct pg_connection *c, struct pg_statement *s, struct sc_slice oids)
{
    const size_t given = oids.size / 4;
    s->param_count = sc_sql_param_count(s->stmt);
    if (given > s->param_count) /* PostgreSQL allows types for parameters that are not used */
        s->param_count = given;
    s->param_oids = calloc(s->param_count + 1, sizeof *s->param_oids);
    if (s->param_oids == NULL)
        return out_of_memory(c);
    for (size_t i = 0; i < s->param_count; i++) {
        s->param_oids[i] = i < given ? sc_load_u32be(oids.ptr + 4 * i) : PG_OID_NONE;
        if ((s->param_oids[i] == PG_OID_NONE || s->param_oids[i] == PG_OID_UNKNOWN) && i < sc_sql_param_count(s->stmt))
            s->param_oids[i] = pg_oid_of_declared(sc_sql_param_type(s->stmt, i + 1));
    }
    return SC_OK;
}

static sc_err prepare_into(struct pg_connection *c, const struct pg_parse *m, struct pg_statement *s)
{
    size_t used = 0;
    SC_TRY(pg_check_transaction(c, sql_kind_of(m->text)));
    const int64_t begun_us = sc_mono_us(&sc_clock_system);
    const sc_err err = pg_prepare(c->session, m->text, &s->stmt, &used, &c->error);
    if (err != SC_OK) {
        pg_note(c, m->text, begun_us, 0, err);
        return err;
    }
    if (sql_kind_of((struct sc_slice){m->text.ptr + used, m->text.size - used}) != SQL_KIND_EMPTY)
        return pg_fail(&c->error, SC_E_USAGE, "42601", "cannot insert multiple commands into a prepared statement");
    SC_TRY(param_types(c, s, m->type_oids));
    return name_copy(c, m->name, &s->name);
}

static sc_err parse(struct pg_connection *c, const struct pg_parse *m)
{
    struct pg_statement *old = statement_find(c, m->name);
    if (old != NULL && m->name.size != 0)
        return pg_fail(&c->error, SC_E_EXISTS, "42P05", "prepared statement \"%.*s\" already exists",
                       (int)(m->name.size < 64 ? m->name.size : 64), (const char *)m->name.ptr);
    if (old != NULL)
        statement_close(c, old);
    if (c->statement_count >= PG_STATEMENT_COUNT_MAX)
        return pg_fail(&c->error, SC_E_LIMIT, "54000", "more than %d prepared statements", PG_STATEMENT_COUNT_MAX);
    struct pg_statement *s = calloc(1, sizeof *s);
    if (s == NULL)
        return out_of_memory(c);
    const sc_err err = prepare_into(c, m, s);
    if (err != SC_OK) {
        statement_free(s);
        return err;
    }
    s->next = c->statements;
    c->statements = s;
    c->statement_count++;
    pg_put_empty(&c->out, '1');
    return SC_OK;
}

/* ---- Bind ---- */
/* The portal's statement: the prepared one, or a copy while another portal uses that. */
static sc_err portal_statement(struct pg_connection *c, struct pg_portal *p, struct pg_statement *s)
{
    p->statement = s;
    if (s->user == NULL || s->user->done) {
        if (s->user != NULL) { /* it has its rows; only asking again would need the statement */
            struct pg_portal *old = s->user;
            s->user = NULL;
            portal_close(c, old);
        }
        s->user = p;
        p->stmt = s->stmt;
        return SC_OK;
    }
    size_t used = 0;
    const sc_err err = sc_sql_prepare(c->session, sc_sql_stmt_text(s->stmt), &p->own, &used);
    p->stmt = p->own;
    return err == SC_OK ? SC_OK : pg_session_failed(c, err);
}

static sc_err params_bind(struct pg_connection *c, struct pg_portal *p, const struct pg_bind *m)
{
    struct sc_reader r = sc_reader_of(m->params);
    const size_t used = sc_sql_param_count(p->stmt);
    for (size_t i = 0; i < m->param_count; i++) {
        bool null;
        struct sc_slice wire;
        struct sc_sql_value v = sc_sql_null();
        SC_TRY(pg_param_next(&r, &null, &wire));
        if (!null) {
            const sc_err err = pg_value_parse(p->statement->param_oids[i], pg_format_of(m->formats, i) == 1, wire,
                                              &c->scratch, &v, &c->error);
            if (err != SC_OK) {
                sc_buf_put_fmt(&c->where, "parameter $%zu", i + 1);
                return err;
            }
        }
        if (i < used) {
            const sc_err err = sc_sql_bind(p->stmt, i + 1, &v);
            if (err != SC_OK)
                return pg_session_failed(c, err);
        }
    }
    return SC_OK;
}

static sc_err bind_into(struct pg_connection *c, const struct pg_bind *m, struct pg_statement *s, struct pg_portal *p)
{
    SC_TRY(name_copy(c, m->portal, &p->name));
    SC_TRY(pg_check_transaction(c, sc_sql_stmt_kind(s->stmt)));
    if (m->param_count != s->param_count)
        return pg_fail(&c->error, SC_E_USAGE, "08P01",
                       "bind message supplies %u parameters, but the statement requires %zu", m->param_count,
                       s->param_count);
    const size_t formats = m->result_formats.size / 2;
    if (formats > 1 && formats != sc_sql_column_count(s->stmt))
        return pg_fail(&c->error, SC_E_USAGE, "08P01",
                       "bind message has %zu result formats, but the query has %zu columns", formats,
                       sc_sql_column_count(s->stmt));
    SC_TRY(portal_statement(c, p, s));
    sc_buf_put_bytes(&p->result_formats, m->result_formats);
    if (sc_buf_status(&p->result_formats) != SC_OK)
        return out_of_memory(c);
    return params_bind(c, p, m);
}

/* A client that was told types for the statement must get those. */
static sc_err described_types(struct pg_connection *c, struct pg_portal *p)
{
    if (!p->statement->described)
        return SC_OK;
    return pg_portal_types_static(p) == SC_OK ? SC_OK : out_of_memory(c);
}

static sc_err bind(struct pg_connection *c, const struct pg_bind *m)
{
    struct pg_statement *s = statement_find(c, m->statement);
    if (s == NULL)
        return pg_fail(&c->error, SC_E_NOT_FOUND, "26000", "prepared statement \"%.*s\" does not exist",
                       (int)(m->statement.size < 64 ? m->statement.size : 64), (const char *)m->statement.ptr);
    struct pg_portal *old = portal_find(c, m->portal);
    if (old != NULL && m->portal.size != 0)
        return pg_fail(&c->error, SC_E_EXISTS, "42P03", "portal \"%.*s\" already exists",
                       (int)(m->portal.size < 64 ? m->portal.size : 64), (const char *)m->portal.ptr);
    if (old != NULL)
        portal_close(c, old);
    if (c->portal_count >= PG_PORTAL_COUNT_MAX)
        return pg_fail(&c->error, SC_E_LIMIT, "54000", "more than %d portals", PG_PORTAL_COUNT_MAX);
    struct pg_portal *p = calloc(1, sizeof *p);
    if (p == NULL)
        return out_of_memory(c);
    sc_err err = bind_into(c, m, s, p);
    if (err == SC_OK)
        err = described_types(c, p);
    if (err != SC_OK) {
        portal_free(p);
        return err;
    }
    p->next = c->portals;
    c->portals = p;
    c->portal_count++;
    pg_put_empty(&c->out, '2');
    return SC_OK;
}

/* ---- Describe, Execute, Close ---- */
static sc_err no_such_portal(struct pg_connection *c, struct sc_slice name)
{
    return pg_fail(&c->error, SC_E_NOT_FOUND, "34000", "portal \"%.*s\" does not exist",
                   (int)(name.size < 64 ? name.size : 64), (const char *)name.ptr);
}

static sc_err describe(struct pg_connection *c, const struct pg_target *m)
{
    if (m->portal) {
        struct pg_portal *p = portal_find(c, m->name);
        return p != NULL ? pg_portal_describe(c, p) : no_such_portal(c, m->name);
    }
    struct pg_statement *s = statement_find(c, m->name);
    if (s == NULL)
        return pg_fail(&c->error, SC_E_NOT_FOUND, "26000", "prepared statement \"%.*s\" does not exist",
                       (int)(m->name.size < 64 ? m->name.size : 64), (const char *)m->name.ptr);
    return pg_statement_describe(c, s);
}

static sc_err execute(struct pg_connection *c, const struct pg_execute *m)
{
    struct pg_portal *p = portal_find(c, m->portal);
    char tag[PG_TAG_SIZE];
    bool more = false;
    if (p == NULL)
        return no_such_portal(c, m->portal);
    const enum sql_kind kind = sc_sql_stmt_kind(p->stmt);
    if (kind == SQL_KIND_COMMIT || kind == SQL_KIND_ROLLBACK || kind == SQL_KIND_ROLLBACK_TO)
        for (struct pg_portal *other = c->portals, *next; other != NULL;
             other = next) { /* they end with the transaction */
            next = other->next;
            if (other != p)
                portal_close(c, other);
        }
    SC_TRY(pg_portal_run(c, p, m->row_count_max, false, &more, tag));
    if (more)
        pg_put_empty(&c->out, 's');
    else if (tag[0] == '\0')
        pg_put_empty(&c->out, 'I');
    else
        pg_put_command(&c->out, tag);
    return SC_OK;
}

static void close_target(struct pg_connection *c, const struct pg_target *m)
{
    struct pg_portal *p = m->portal ? portal_find(c, m->name) : NULL;
    struct pg_statement *s = m->portal ? NULL : statement_find(c, m->name);
    if (p != NULL)
        portal_close(c, p);
    if (s != NULL)
        statement_close(c, s);
    pg_put_empty(&c->out, '3'); /* what is not there is closed */
}

/* ---- messages ---- */
static sc_err malformed(struct pg_connection *c, uint8_t type)
{
    return pg_fatal(c, SC_E_MALFORMED, "08P01", "malformed message of type %c", type);
}

static sc_err on_parse(struct pg_connection *c, const struct pg_frame *f)
{
    struct pg_parse m;
    if (pg_parse_parse(f->body, &m) != SC_OK)
        return malformed(c, f->type);
    const sc_err err = parse(c, &m);
    if (err != SC_OK && !c->fatal)
        pg_report(c, m.text, 0);
    return err;
}

static sc_err on_others(struct pg_connection *c, const struct pg_frame *f)
{
    struct pg_bind b;
    struct pg_target t;
    struct pg_execute e;
    sc_err err = SC_OK;
    if (f->type == 'B')
        err = pg_bind_parse(f->body, &b) != SC_OK ? malformed(c, 'B') : bind(c, &b);
    else if (f->type == 'D')
        err = pg_target_parse(f->body, &t) != SC_OK ? malformed(c, 'D') : describe(c, &t);
    else if (f->type == 'E')
        err = pg_execute_parse(f->body, &e) != SC_OK ? malformed(c, 'E') : execute(c, &e);
    else if (pg_target_parse(f->body, &t) != SC_OK)
        err = malformed(c, 'C');
    else
        close_target(c, &t);
    if (err != SC_OK && !c->fatal)
        pg_report(c, SC_SLICE_EMPTY, 0);
    return err;
}

sc_err pg_extended(struct pg_connection *c, const struct pg_frame *f)
{
    const sc_err err = f->type == 'P' ? on_parse(c, f) : on_others(c, f);
    if (c->fatal)
        return err;
    c->skipping = err != SC_OK;
    return SC_OK;
}
