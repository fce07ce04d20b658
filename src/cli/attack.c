#include "cli/attack.h"

#include "base/clock.h"
#include "metering/reading.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const names[] = {"none", "drop", "duplicate", "alter", "replay", "reorder", "steal"};

sc_err sc_attack_parse(const char *name, enum sc_attack *out)
{
    for (int i = SC_ATTACK_DROP; i <= SC_ATTACK_STEAL; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (enum sc_attack)i;
            return SC_OK;
        }
    return SC_E_USAGE;
}

const char *sc_attack_name(enum sc_attack attack)
{
    return names[attack];
}

bool sc_attack_on_database(enum sc_attack attack)
{
    return attack != SC_ATTACK_NONE && attack != SC_ATTACK_STEAL;
}

/* Runs a statement that must change exactly one row. */
static sc_err change_one(PGconn *db, struct sc_buf *sql, struct sc_diag *diag)
{
    SC_TRY(sc_buf_status(sql));
    SC_CLEANUP(sc_db_result_freep) PGresult *res = PQexec(db, sc_buf_cstr(sql));
    SC_TRY(sc_db_check(db, res, "attack", diag));
    if (strcmp(PQcmdTuples(res), "1") != 0)
        return sc_fail(diag, SC_E_IO, "attack: %s rows changed instead of one", PQcmdTuples(res));
    return SC_OK;
}

/* INSERT of a copy of the row at from_ms, standing at at_ms. */
static void sql_copy(struct sc_buf *sql, uint64_t client_id, int64_t from_ms, int64_t at_ms)
{
    static const char before[] = "client_id,timestamp,";
    SC_ASSERT(strncmp(sc_reading_columns, before, sizeof before - 1) == 0);
    const char *rest = sc_reading_columns + sizeof before - 1;
    sc_buf_reset(sql);
    sc_buf_put_fmt(sql,
                   "INSERT INTO reading(%s) SELECT client_id, %" PRId64 ", %s FROM reading WHERE client_id = %" PRIu64
                   " AND timestamp = %" PRId64,
                   sc_reading_columns, at_ms, rest, client_id, from_ms);
}

static void sql_delete(struct sc_buf *sql, uint64_t client_id, int64_t at_ms)
{
    sc_buf_reset(sql);
    sc_buf_put_fmt(sql, "DELETE FROM reading WHERE client_id = %" PRIu64 " AND timestamp = %" PRId64, client_id, at_ms);
}

static sc_err move_row(PGconn *db, struct sc_buf *sql, uint64_t client_id, int64_t from_ms, int64_t to_ms,
                       struct sc_diag *diag)
{
    sql_copy(sql, client_id, from_ms, to_ms);
    SC_TRY(change_one(db, sql, diag));
    sql_delete(sql, client_id, from_ms);
    return change_one(db, sql, diag);
}

struct target {
    int64_t victim_ms; /* a measured interval with consumption */
    int64_t other_ms;  /* an earlier one with less */
};

/* The victim is drawn among the thirstier half of the measured intervals; the other is the least of the earlier ones.
 */
static sc_err choose(PGconn *db, uint64_t client_id, uint64_t seed, struct target *out, struct sc_diag *diag)
{
    char id[24];
    snprintf(id, sizeof id, "%" PRIu64, client_id);
    const char *const values[] = {id};
    SC_CLEANUP(sc_db_result_freep)
    PGresult *res =
        PQexecParams(db,
                     "SELECT timestamp, demand_kw FROM reading WHERE client_id = $1 AND demand_kw IS NOT NULL"
                     " ORDER BY demand_kw DESC, timestamp",
                     1, (const Oid[]){20}, values, NULL, NULL, 0);
    SC_TRY(sc_db_check(db, res, "attack", diag));
    const int n = PQntuples(res);
    if (n < 4)
        return sc_fail(diag, SC_E_USAGE, "customer %s has %d measured readings: too few to attack", id, n);
    struct sc_prng prng;
    sc_prng_init_stream(&prng, seed, client_id);
    for (int attempt = 0; attempt < 1000; attempt++) {
        const int victim = (int)sc_prng_below(&prng, (uint64_t)n / 2);
        out->victim_ms = strtoll(PQgetvalue(res, victim, 0), NULL, 10);
        for (int i = n - 1; i > victim; i--) {
            out->other_ms = strtoll(PQgetvalue(res, i, 0), NULL, 10);
            if (out->other_ms < out->victim_ms &&
                strtod(PQgetvalue(res, i, 1), NULL) < strtod(PQgetvalue(res, victim, 1), NULL))
                return SC_OK;
        }
    }
    return sc_fail(diag, SC_E_USAGE, "customer %s consumes nothing that could be hidden", id);
}

static sc_err attack_rows(PGconn *db, enum sc_attack attack, uint64_t client_id, const struct target *t,
                          struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf sql = {0};
    switch (attack) {
    case SC_ATTACK_DROP:
        sql_delete(&sql, client_id, t->victim_ms);
        return change_one(db, &sql, diag);
    case SC_ATTACK_DUPLICATE:
        sql_copy(&sql, client_id, t->victim_ms, t->victim_ms + 1000); /* the key forbids the same millisecond */
        return change_one(db, &sql, diag);
    case SC_ATTACK_ALTER:
        sc_buf_put_fmt(&sql,
                       "UPDATE reading SET demand_kw = demand_kw / 8, active_power_w = active_power_w / 8 WHERE "
                       "client_id = %" PRIu64 " AND timestamp = %" PRId64,
                       client_id, t->victim_ms);
        return change_one(db, &sql, diag);
    case SC_ATTACK_REPLAY:
        sql_delete(&sql, client_id, t->victim_ms);
        SC_TRY(change_one(db, &sql, diag));
        sql_copy(&sql, client_id, t->other_ms, t->victim_ms);
        return change_one(db, &sql, diag);
    case SC_ATTACK_REORDER:
        SC_TRY(move_row(db, &sql, client_id, t->victim_ms, t->victim_ms + 1, diag));
        SC_TRY(move_row(db, &sql, client_id, t->other_ms, t->victim_ms, diag));
        return move_row(db, &sql, client_id, t->victim_ms + 1, t->other_ms, diag);
    case SC_ATTACK_NONE:
    case SC_ATTACK_STEAL:
        break;
    }
    return sc_fail(diag, SC_E_USAGE, "not an attack on the database");
}

sc_err sc_attack_run(PGconn *db, enum sc_attack attack, uint64_t client_id, uint64_t seed, char *what_out,
                     size_t what_size, struct sc_diag *diag)
{
    struct target t = {0};
    char victim[SC_TIME_TEXT_SIZE];
    char other[SC_TIME_TEXT_SIZE];
    SC_TRY(choose(db, client_id, seed, &t, diag));
    SC_TRY(sc_db_exec(db, "BEGIN", diag));
    const sc_err err = attack_rows(db, attack, client_id, &t, diag);
    if (err != SC_OK) {
        sc_ignore(sc_db_exec(db, "ROLLBACK", NULL)); /* the first error is the one to tell */
        return err;
    }
    SC_TRY(sc_db_exec(db, "COMMIT", diag));
    sc_time_text(t.victim_ms, victim);
    sc_time_text(t.other_ms, other);
    static const char *const stories[] = {
        [SC_ATTACK_DROP] = "the reading of %s was deleted",
        [SC_ATTACK_DUPLICATE] = "the reading of %s was inserted a second time",
        [SC_ATTACK_ALTER] = "the demand of %s was divided by 8",
        [SC_ATTACK_REPLAY] = "the reading of %s was overwritten with that of %s",
        [SC_ATTACK_REORDER] = "the readings of %s and %s were exchanged",
    };
    snprintf(what_out, what_size, stories[attack], victim, other);
    return SC_OK;
}
