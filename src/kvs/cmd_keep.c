/* Commands that keep a volume well: stats, compact, verify, rotate. */
#include "kvs/cmd.h"

#include "base/json.h"
#include "base/units.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

/* ---- stats ---- */

static const struct figure {
    const char *name;  /* in JSON */
    const char *label; /* for people */
    size_t offset;     /* in struct sc_kvs_stats */
    bool is_bytes;
} figures[] = {
#define FIGURE(member, label, is_bytes)                                                                                \
    {                                                                                                                  \
#member, label, offsetof(struct sc_kvs_stats, member), is_bytes                                                \
    }
    FIGURE(table_count, "tables", false),
    FIGURE(table_bytes, "table bytes", true),
    FIGURE(log_bytes, "log bytes", true),
    FIGURE(memtable_bytes, "memtable bytes", true),
    FIGURE(cache_bytes, "cache bytes", true),
    FIGURE(range_count, "deleted ranges", false),
    FIGURE(data_key_count, "data keys", false),
    FIGURE(epoch, "epoch", false),
    FIGURE(counter, "counter", false),
    FIGURE(commit_count, "commits", false),
    FIGURE(sync_count, "syncs", false),
    FIGURE(flush_count, "flushes", false),
    FIGURE(compaction_count, "compactions", false),
    FIGURE(block_reads, "block reads", false),
    FIGURE(cache_hits, "cache hits", false),
    FIGURE(bytes_written, "bytes written", true),
#undef FIGURE
};
#define FIGURE_COUNT (sizeof figures / sizeof figures[0])

static uint64_t value_of(const struct figure *f, const struct sc_kvs_stats *s)
{
    uint64_t v;
    memcpy(&v, (const char *)s + f->offset, sizeof v);
    return v;
}

/* Without the counter's file its value is not zero but unknown. */
static bool is_unknown(const struct cmd_args *a, const struct figure *f)
{
    return a->counter_file == NULL && f->offset == offsetof(struct sc_kvs_stats, counter);
}

static void stats_print(const struct cmd_args *a, const struct sc_kvs_stats *s)
{
    char size[SC_UNITS_TEXT_SIZE];
    for (size_t i = 0; i < FIGURE_COUNT; i++) {
        const struct figure *f = &figures[i];
        const uint64_t v = value_of(f, s);
        if (is_unknown(a, f))
            printf("%s\tunknown (no --counter)\n", f->label);
        else if (f->is_bytes && v >= 1024)
            printf("%s\t%" PRIu64 "\t(%s)\n", f->label, v, sc_size_text(v, size));
        else
            printf("%s\t%" PRIu64 "\n", f->label, v);
    }
}

static sc_err stats_print_json(const struct cmd_args *a, const struct sc_kvs_stats *s)
{
    SC_CLEANUP(sc_json_freep) json_t *doc = json_object();
    for (size_t i = 0; i < FIGURE_COUNT; i++) {
        const struct figure *f = &figures[i];
        json_t *v = is_unknown(a, f) ? json_null() : json_integer((json_int_t)value_of(f, s));
        if (json_object_set_new(doc, f->name, v) != 0)
            return SC_E_NOMEM;
    }
    if (json_dumpf(doc, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER) != 0)
        return SC_E_IO;
    putchar('\n');
    return SC_OK;
}

sc_err cmd_stats(const struct cmd_args *a, struct sc_diag *diag)
{
    SC_CLEANUP(cmd_volume_close) struct cmd_volume v = {0};
    struct sc_kvs_stats s;
    SC_TRY(cmd_volume_open(a, CMD_READ, &v, diag));
    sc_kvs_stats(v.kvs, &s);
    if (a->json)
        return stats_print_json(a, &s);
    stats_print(a, &s);
    return SC_OK;
}

/* ---- the others ---- */

sc_err cmd_compact(const struct cmd_args *a, struct sc_diag *diag)
{
    SC_CLEANUP(cmd_volume_close) struct cmd_volume v = {0};
    SC_TRY(cmd_volume_open(a, CMD_WRITE, &v, diag));
    return sc_kvs_compact(v.kvs, diag);
}

sc_err cmd_check(const struct cmd_args *a, struct sc_diag *diag)
{
    SC_CLEANUP(cmd_volume_close) struct cmd_volume v = {0};
    struct sc_kvs_stats s;
    SC_TRY(cmd_volume_open(a, CMD_READ, &v, diag));
    SC_TRY(sc_context(diag, cmd_verify(v.kvs, "verify", diag), "%s", a->dir));
    sc_kvs_stats(v.kvs, &s);
    printf("%s: %" PRIu64 " table%s, %" PRIu64 " bytes: all genuine%s\n", a->dir, s.table_count,
           s.table_count == 1 ? "" : "s", s.table_bytes,
           a->counter_file != NULL ? " and current" : "; whether current is unknown without --counter");
    return SC_OK;
}

/* ---- rotate ---- */

static sc_err new_key_read(const struct cmd_args *a, struct sc_key *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_key_wipe) struct sc_key old = {0};
    SC_TRY(cmd_key_read(a->key_file, &old, diag));
    SC_TRY(cmd_key_read(a->new_key_file, out, diag));
    if (sc_ct_equal(&old, out, sizeof old))
        return sc_fail(diag, SC_E_USAGE, "%s: the same key as before", a->new_key_file);
    return SC_OK;
}

static sc_err rotate(const struct cmd_args *a, const struct sc_key *new_key, struct sc_diag *diag)
{
    SC_CLEANUP(cmd_volume_close) struct cmd_volume v = {0};
    SC_TRY(cmd_volume_open(a, CMD_WRITE, &v, diag));
    struct sc_diag why = {0};
    sc_err err = sc_kvs_rotate(v.kvs, new_key, &why);
    if (err == SC_E_LIMIT && a->rewrite) { /* old keys take all the room: make some */
        why = (struct sc_diag){0};
        err = sc_kvs_compact(v.kvs, &why);
        if (err == SC_OK)
            err = sc_kvs_rotate(v.kvs, new_key, &why);
    }
    return err == SC_OK ? err : sc_fail(diag, err, "%s: %s", a->dir, sc_diag_text(&why, err));
}

/* Opened anew first: so the log is under the new key, too, and the old ones have nothing left once the tables are. */
static sc_err rewrite(const struct cmd_args *a, struct sc_kvs_stats *stats_out, struct sc_diag *diag)
{
    SC_CLEANUP(cmd_volume_close) struct cmd_volume v = {0};
    SC_TRY(cmd_volume_open(a, CMD_WRITE, &v, diag));
    SC_TRY(sc_context(diag, sc_kvs_compact(v.kvs, diag), "%s", a->dir));
    sc_kvs_stats(v.kvs, stats_out);
    return SC_OK;
}

static sc_err stats_now(const struct cmd_args *a, struct sc_kvs_stats *out, struct sc_diag *diag)
{
    SC_CLEANUP(cmd_volume_close) struct cmd_volume v = {0};
    SC_TRY(cmd_volume_open(a, CMD_READ, &v, diag));
    sc_kvs_stats(v.kvs, out);
    return SC_OK;
}

sc_err cmd_rotate(const struct cmd_args *a, struct sc_diag *diag)
{
    SC_CLEANUP(sc_key_wipe) struct sc_key new_key = {0};
    struct cmd_args after = *a;
    struct sc_kvs_stats s;
    if (a->new_key_file != NULL) {
        SC_TRY(new_key_read(a, &new_key, diag));
        after.key_file = a->new_key_file;
    }
    SC_TRY(rotate(a, a->new_key_file != NULL ? &new_key : NULL, diag));
    if (a->new_key_file != NULL)
        printf("%s: opens with %s from now on, and with nothing else\n", a->dir, a->new_key_file);
    fflush(stdout); /* a failure below must not hide it */
    SC_TRY(a->rewrite ? rewrite(&after, &s, diag) : stats_now(&after, &s, diag));
    printf("%s: %" PRIu64 " data key%s in use%s\n", a->dir, s.data_key_count, s.data_key_count == 1 ? "" : "s",
           s.data_key_count == 1 ? "" : "; --rewrite puts everything under the newest");
    return SC_OK;
}
