/* Commands that copy a volume: backup, restore. */
#include "kvs/cmd.h"

#include "base/progress.h"
#include "base/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

/* ---- a copy that stands by itself ----
 * Within one file system the engine would share tables by hard links: quick and small, but one bad sector then hits
 * both.  So unless --link is given, the source does not offer it. */

static void share_not(struct sc_store *store, struct sc_store_ops *ops)
{
    *ops = *store->ops;
    ops->share = NULL;
    store->ops = ops;
}

/* ---- what the target holds ---- */

#define NAME_SIZE ((size_t)72)

static sc_err name_note(void *arg, const char *name)
{
    struct sc_buf *names = arg;
    char *p = (char *)sc_buf_extend(names, NAME_SIZE);
    if (p == NULL)
        return SC_E_NOMEM;
    snprintf(p, NAME_SIZE, "%s", name);
    return SC_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* The objects of a store, sorted. */
static sc_err names_list(struct sc_store *store, struct sc_buf *names, struct sc_diag *diag)
{
    SC_TRY(store->ops->list(store, name_note, names, diag));
    if (names->size != 0)
        qsort(names->ptr, names->size / NAME_SIZE, NAME_SIZE, by_name);
    return SC_OK;
}

static bool names_have(const struct sc_buf *names, const char *name)
{
    return names->size != 0 && bsearch(name, names->ptr, names->size / NAME_SIZE, NAME_SIZE, by_name) != NULL;
}

/* Bytes of the objects that were not there before. */
static sc_err new_bytes(struct sc_store *store, const struct sc_buf *before, uint64_t *bytes_out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf after = {0};
    uint64_t bytes = 0;
    SC_TRY(names_list(store, &after, diag));
    for (size_t at = 0; at < after.size; at += NAME_SIZE) {
        const char *name = (const char *)after.ptr + at;
        uint64_t size;
        if (names_have(before, name))
            continue;
        SC_TRY(store->ops->size(store, name, &size, diag));
        bytes += size;
    }
    *bytes_out = bytes;
    return SC_OK;
}

/* A copy that was cut short has no root yet: everything in it is the source's, too.  Anything else is something that
 * must not be swept away, such as a volume that has lost its root. */
static sc_err rootless_judge(struct sc_store *from, struct sc_store *to, const struct sc_buf *names,
                             struct sc_diag *diag)
{
    for (size_t at = 0; at < names->size; at += NAME_SIZE) {
        const char *name = (const char *)names->ptr + at;
        uint64_t have, want;
        SC_TRY(to->ops->size(to, name, &have, diag));
        if (from->ops->size(from, name, &want, NULL) != SC_OK || have != want)
            return sc_fail(diag, SC_E_EXISTS,
                           "no volume, and object %s is not the source's: use an empty directory, or remove this one",
                           name);
    }
    return SC_OK;
}

/* The target's volume must be this one, and not newer than what would replace it. */
static sc_err older_judge(const struct cmd_args *a, struct sc_kvs *from, struct sc_store *to, struct sc_diag *diag)
{
    SC_CLEANUP(sc_key_wipe) struct sc_key key = {0};
    SC_CLEANUP(sc_kvs_closep) struct sc_kvs *there = NULL;
    SC_TRY(cmd_key_read(a->key_file, &key, diag));
    const struct sc_kvs_options opt = {.store = to, .root_key = &key, .read_only = true};
    struct sc_diag why = {0};
    const sc_err err = sc_kvs_open(&opt, &there, &why);
    if (err != SC_OK)
        return sc_fail(diag, SC_E_EXISTS,
                       "holds something that is no whole copy under this key: use an empty directory, or remove this "
                       "one (%s)",
                       sc_diag_text(&why, err));
    struct sc_kvs_stats ours, theirs;
    sc_kvs_stats(from, &ours);
    sc_kvs_stats(there, &theirs);
    if (memcmp(theirs.volume_id, ours.volume_id, sizeof ours.volume_id) != 0)
        return sc_fail(diag, SC_E_EXISTS, "holds another volume");
    if (theirs.fresh > ours.fresh)
        return sc_fail(diag, SC_E_EXISTS,
                       "holds a newer state of this volume (%" PRIu64 ") than the source (%" PRIu64 ")", theirs.fresh,
                       ours.fresh);
    return SC_OK;
}

static sc_err target_judge(const struct cmd_args *a, const struct cmd_volume *from, struct sc_store *to,
                           const struct sc_buf *names, struct sc_diag *diag)
{
    uint8_t record[SC_STORE_ROOT_SIZE_MAX];
    size_t size = 0;
    SC_TRY(to->ops->root_get(to, record, &size, diag));
    return size != 0 ? older_judge(a, from->kvs, to, diag) : rootless_judge(from->store, to, names, diag);
}

/* "." and the directory's full name are one directory. */
static sc_err directories_differ(const char *from, const char *to, struct sc_diag *diag)
{
    struct stat a, b;
    if (stat(from, &a) == 0 && stat(to, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
        return sc_fail(diag, SC_E_USAGE, "%s and %s are one directory", from, to);
    return SC_OK;
}

/* ---- copying ---- */

struct copied {
    uint64_t bytes; /* that were not there before */
};

static sc_err copy(const struct cmd_args *a, const struct cmd_volume *from, struct sc_store *to,
                   const struct sc_kvs_counter *counter, const char *what, struct copied *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf before = {0};
    SC_TRY(names_list(to, &before, diag));
    SC_TRY(target_judge(a, from, to, &before, diag));
    SC_CLEANUP(sc_progress_end) struct sc_progress progress;
    sc_progress_begin(&progress, what, SC_PROGRESS_BYTES);
    const struct sc_kvs_copy_options opt = {
        .counter = counter, .progress = sc_progress_report, .progress_arg = &progress};
    SC_TRY(sc_kvs_copy(from->kvs, to, &opt, diag));
    return new_bytes(to, &before, &out->bytes, diag);
}

/* Opens what was written, as anybody would, and reads all of it. */
static sc_err copy_verify(const struct cmd_args *a, struct sc_store *to, const struct sc_kvs_counter *counter,
                          struct sc_kvs_stats *stats_out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_key_wipe) struct sc_key key = {0};
    SC_CLEANUP(sc_kvs_closep) struct sc_kvs *kvs = NULL;
    SC_TRY(cmd_key_read(a->key_file, &key, diag));
    const struct sc_kvs_options opt = {
        .store = to,
        .root_key = &key,
        .counter = counter != NULL ? *counter : (struct sc_kvs_counter){0},
        .read_only = true,
        .block_cache_size_max = a->cache_size,
    };
    SC_TRY(sc_kvs_open(&opt, &kvs, diag));
    SC_TRY(cmd_verify(kvs, "verify the copy", diag));
    sc_kvs_stats(kvs, stats_out);
    return SC_OK;
}

static void told(const char *dir, const struct sc_kvs_stats *s, const struct copied *c, const char *end)
{
    char all[SC_UNITS_TEXT_SIZE], fresh[SC_UNITS_TEXT_SIZE];
    printf("%s: %" PRIu64 " table%s, %s (%s written): all genuine%s\n", dir, s->table_count,
           s->table_count == 1 ? "" : "s", sc_size_text(s->table_bytes, all), sc_size_text(c->bytes, fresh), end);
}

sc_err cmd_backup(const struct cmd_args *a, struct sc_diag *diag)
{
    const char *target = a->rest[0];
    struct sc_store_ops ops; /* outlives the store */
    SC_CLEANUP(cmd_volume_close) struct cmd_volume v = {0};
    SC_CLEANUP(sc_store_freep) struct sc_store *to = NULL;
    struct sc_kvs_stats s;
    struct copied c;
    SC_TRY(directories_differ(a->dir, target, diag));
    SC_TRY(cmd_volume_open(a, CMD_WRITE, &v, diag)); /* to write: what its log holds becomes tables */
    if (!a->link)
        share_not(v.store, &ops);
    SC_TRY(sc_store_dir_open(target, &to, diag));
    SC_TRY(sc_context(diag, copy(a, &v, to, NULL, "backup", &c, diag), "%s", target));
    SC_TRY(sc_context(diag, copy_verify(a, to, NULL, &s, diag), "%s", target));
    told(target, &s, &c, "");
    return SC_OK;
}

/* The backup, read-only and as it is: no counter vouches for it. */
static sc_err backup_open(const struct cmd_args *a, struct cmd_volume *v, struct sc_diag *diag)
{
    struct cmd_args plain = *a;
    plain.counter_file = NULL;
    SC_TRY(cmd_volume_open(&plain, CMD_READ, v, diag));
    return sc_context(diag, cmd_verify(v->kvs, "verify the backup", diag), "%s", a->dir);
}

/* Moves the counter on: from now on it refuses the state that was there before the restore. */
static sc_err make_current(const struct cmd_args *a, struct sc_store *store, const struct sc_kvs_counter *counter,
                           struct sc_diag *diag)
{
    SC_CLEANUP(sc_key_wipe) struct sc_key key = {0};
    struct sc_kvs *kvs;
    SC_TRY(cmd_key_read(a->key_file, &key, diag));
    const struct sc_kvs_options opt = {.store = store, .root_key = &key, .counter = *counter};
    SC_TRY(sc_kvs_open(&opt, &kvs, diag)); /* opening to write takes a number of its own */
    sc_kvs_close(kvs);
    return SC_OK;
}

static void counter_closep(struct sc_kvs_counter *counter)
{
    sc_kvs_counter_file_close(counter);
}

sc_err cmd_restore(const struct cmd_args *a, struct sc_diag *diag)
{
    const char *target = a->rest[0];
    struct sc_store_ops ops; /* outlives the store */
    SC_CLEANUP(cmd_volume_close) struct cmd_volume v = {0};
    SC_CLEANUP(sc_store_freep) struct sc_store *to = NULL;
    SC_CLEANUP(counter_closep) struct sc_kvs_counter counter = {0};
    struct sc_kvs_stats s;
    struct copied c;
    SC_TRY(directories_differ(a->dir, target, diag));
    SC_TRY(backup_open(a, &v, diag)); /* nothing is written before all of it was found genuine */
    if (!a->link)
        share_not(v.store, &ops);
    if (a->counter_file != NULL)
        SC_TRY(sc_kvs_counter_insecure_file(a->counter_file, &counter, diag));
    const struct sc_kvs_counter *guard = a->counter_file != NULL ? &counter : NULL;
    SC_TRY(sc_store_dir_open(target, &to, diag));
    SC_TRY(sc_context(diag, copy(a, &v, to, guard, "restore", &c, diag), "%s", target));
    SC_TRY(sc_context(diag, copy_verify(a, to, guard, &s, diag), "%s", target));
    if (guard != NULL)
        SC_TRY(sc_context(diag, make_current(a, to, guard, diag), "%s", target));
    told(target, &s, &c, guard != NULL ? ", and the current state for that counter" : "");
    return SC_OK;
}
