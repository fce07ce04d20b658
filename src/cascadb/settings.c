/* SET and SHOW: the settings that PostgreSQL's clients ask for.  Hardly any can be changed. */
#include "cascadb/settings.h"
#include "cascadb/internal.h"

#include <stdio.h>
#include <strings.h>

enum change { FIXED, QUIETLY, APPLICATION_NAME };
struct setting {
    const char *name;
    const char *value;
    bool reported;      /* in a ParameterStatus at start */
    enum change change; /* what SET does: only to its own value, accepted without a word, or really */
};
static const struct setting settings[] = {
    {"server_version", "15.0 (CascaDB " SC_VERSION ")", true, FIXED},
    {"server_version_num", "150000", false, FIXED},
    {"server_encoding", "UTF8", true, FIXED},
    {"client_encoding", "UTF8", true, FIXED},
    {"standard_conforming_strings", "on", true, FIXED},
    {"integer_datetimes", "on", true, FIXED},
    {"is_superuser", "off", true, FIXED},
    {"transaction_isolation", "repeatable read", false, QUIETLY},
    {"default_transaction_isolation", "repeatable read", false, QUIETLY},
    {"DateStyle", "ISO, MDY", true, QUIETLY},
    {"IntervalStyle", "postgres", true, QUIETLY},
    {"TimeZone", "UTC", true, FIXED},
    {"application_name", "", true, APPLICATION_NAME},
    {"extra_float_digits", "1", false, QUIETLY},
    {"bytea_output", "hex", false, FIXED},
    {"search_path", "public", false, QUIETLY},
    {"client_min_messages", "notice", false, QUIETLY},
    {"max_identifier_length", "127", false, FIXED},
    {"statement_timeout", "0", false, FIXED},
    {"lock_timeout", "0", false, QUIETLY},
    {"idle_in_transaction_session_timeout", "0", false, QUIETLY},
};
#define SETTING_COUNT (sizeof settings / sizeof settings[0])

static const struct setting *setting_find(const char *name)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (strcasecmp(settings[i].name, name) == 0)
            return &settings[i];
    return NULL;
}

static const char *value_of(const struct pg_connection *c, const struct setting *s)
{
    return s->change == APPLICATION_NAME ? c->application_name : s->value;
}

const char *pg_setting_default(const char *name)
{
    const struct setting *s = setting_find(name);
    return s != NULL ? s->value : NULL;
}

const char *pg_setting(void *connection, const char *name)
{
    const struct pg_connection *c = connection;
    const struct setting *s = setting_find(name);
    return s != NULL ? value_of(c, s) : NULL;
}

void pg_settings_send(struct pg_connection *c)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (settings[i].reported)
            pg_put_parameter(&c->out, settings[i].name, value_of(c, &settings[i]));
    pg_put_parameter(&c->out, "session_authorization", c->who.name);
}

/* The name that SET or SHOW is about; *lx is behind it.  "" when there is none. */
static void name_of(struct sql_lexer *lx, char name[static 64])
{
    struct sql_token t = sql_lex(lx); /* SET or SHOW */
    t = sql_lex(lx);
    struct sql_lexer ahead = *lx;
    if ((sql_token_is(t, "SESSION") || sql_token_is(t, "LOCAL")) && sql_lex(&ahead).kind == SQL_TOKEN_WORD)
        t = sql_lex(lx);
    name[0] = '\0';
    if (t.kind == SQL_TOKEN_STRING)
        return;
    if (sql_token_name(t, name, 64) != SC_OK) {
        name[0] = '\0';
        return;
    }
    ahead = *lx;
    if (strcasecmp(name, "time") == 0 && sql_token_is(sql_lex(&ahead), "ZONE")) {
        snprintf(name, 64, "TimeZone");
        *lx = ahead;
    } else if (strcasecmp(name, "transaction") == 0 || strcasecmp(name, "characteristics") == 0) {
        snprintf(name, 64, "transaction_isolation"); /* ISOLATION LEVEL ..., READ ONLY: there is one kind */
    } else if (strcasecmp(name, "names") == 0) {
        snprintf(name, 64, "client_encoding");
    }
}

static sc_err set_fixed(struct pg_connection *c, const struct setting *s, const char *value)
{
    const bool utf8 = strcasecmp(s->name, "client_encoding") == 0 &&
                      (strcasecmp(value, "utf-8") == 0 || strcasecmp(value, "unicode") == 0);
    if (utf8 || strcasecmp(value, s->value) == 0 || strcasecmp(value, "default") == 0)
        return SC_OK;
    if (strcasecmp(s->name, "TimeZone") == 0 || strcasecmp(s->name, "statement_timeout") == 0) {
        pg_notice_send(c, "01000", "%s stays %s", s->name, s->value);
        return SC_OK;
    }
    return pg_fail(&c->error, SC_E_UNSUPPORTED, "22023", "parameter \"%s\" can only be \"%s\"", s->name, s->value);
}

sc_err pg_set_run(struct pg_connection *c, struct sc_slice text)
{
    char name[64];
    char value[128] = "";
    struct sql_lexer lx = sql_lexer_of(text);
    name_of(&lx, name);
    if (name[0] == '\0')
        return pg_fail(&c->error, SC_E_USAGE, "42601", "syntax error: SET name = value");
    struct sql_token t = sql_lex(&lx);
    if (sql_token_is(t, "TO") || sql_token_is_punct(t, '='))
        t = sql_lex(&lx);
    if (t.kind == SQL_TOKEN_NUMBER)
        snprintf(value, sizeof value, "%.*s", (int)(t.text.size < 64 ? t.text.size : 64), (const char *)t.text.ptr);
    else if (t.kind != SQL_TOKEN_END && sql_token_name(t, value, sizeof value) != SC_OK)
        value[0] = '\0';
    const struct setting *s = setting_find(name);
    if (s == NULL) {
        pg_notice_send(c, "01000", "parameter \"%s\" means nothing here and is ignored",
                       pg_utf8_valid(sc_slice_str(name)) ? name : "?");
        return SC_OK;
    }
    if (s->change == FIXED)
        return set_fixed(c, s, value);
    if (s->change == APPLICATION_NAME) {
        if (!pg_utf8_valid(sc_slice_str(value)))
            return pg_fail(&c->error, SC_E_MALFORMED, "22021", "invalid byte sequence for encoding \"UTF8\"");
        size_t n = strlen(value) < sizeof c->application_name ? strlen(value) : sizeof c->application_name - 1;
        while (n != 0 && n < strlen(value) && (value[n] & 0xc0) == 0x80)
            n--; /* not through a character */
        memcpy(c->application_name, value, n);
        c->application_name[n] = '\0';
        pg_put_parameter(&c->out, s->name, c->application_name);
    }
    return SC_OK;
}

sc_err pg_show_find(struct pg_connection *c, struct sc_slice text, const char **name_out, const char **value_out)
{
    char name[64];
    struct sql_lexer lx = sql_lexer_of(text);
    name_of(&lx, name);
    if (strcasecmp(name, "transaction_read_only") == 0) {
        *name_out = "transaction_read_only";
        *value_out = c->who.read_only ? "on" : "off";
        return SC_OK;
    }
    if (strcasecmp(name, "session_authorization") == 0) {
        *name_out = "session_authorization";
        *value_out = c->who.name;
        return SC_OK;
    }
    const struct setting *s = setting_find(name);
    if (s == NULL)
        return pg_fail(&c->error, SC_E_NOT_FOUND, "42704", "unrecognized configuration parameter \"%s\"",
                       pg_utf8_valid(sc_slice_str(name)) ? name : "?");
    *name_out = s->name;
    *value_out = value_of(c, s);
    return SC_OK;
}
