/* A second reader of the format, written after docs/formats/kvs.md alone (reader.py), on a volume with what the command
 * line cannot make: versions above each other and deletions within one table, kept for a snapshot. */
#include "model.h"

#include "base/file.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define PYTHON "/usr/bin/python3" /* Debian's, which python3-cryptography belongs to */

static void must_(const char *what, sc_err err, const struct sc_diag *diag)
{
    if (err != SC_OK)
        fail_msg("%s: %s", what, sc_diag_text(diag, err));
}
#define MUST(expr) must_(#expr, (expr), &diag)

static void row_put(struct sc_kvs_batch *b, unsigned i, unsigned version)
{
    char key[32];
    uint64_t value[5] = {i * 900, version, UINT64_MAX - i, 0, i % 7};
    const double reading = (double)(i * version) / 10;
    memcpy(&value[3], &reading, sizeof reading);
    snprintf(key, sizeof key, "row/%06u", i);
    sc_ignore(sc_kvs_batch_put(b, sc_slice_str(key), sc_slice_of(value, sizeof value - i % 3))); /* sticky */
}

static void row_delete(struct sc_kvs_batch *b, unsigned i)
{
    char key[32];
    snprintf(key, sizeof key, "row/%06u", i);
    sc_ignore(sc_kvs_batch_delete(b, sc_slice_str(key))); /* sticky */
}

/* Round by round all rows get another version and some are deleted; a snapshot keeps what was before. */
static void fill(struct sc_kvs *kvs, struct sc_kvs_snapshot *snapshots[], unsigned rounds)
{
    struct sc_diag diag = {0};
    SC_CLEANUP(sc_kvs_batch_freep) struct sc_kvs_batch *b = NULL;
    MUST(sc_kvs_batch_new(&b));
    for (unsigned round = 0; round < rounds; round++) {
        sc_kvs_batch_reset(b);
        for (unsigned i = 0; i < 300; i++) {
            if ((i + round) % 5 == 0)
                row_delete(b, i);
            else if ((i + round) % 3 != 0)
                row_put(b, i, round + 1);
        }
        MUST(sc_kvs_write(kvs, b, true, &diag));
        MUST(sc_kvs_snapshot_new(kvs, &snapshots[round]));
    }
}

/* One commit in which order matters: what stands before the range goes, what stands behind it stays. */
static void commit_with_a_range(struct sc_kvs *kvs)
{
    struct sc_diag diag = {0};
    SC_CLEANUP(sc_kvs_batch_freep) struct sc_kvs_batch *b = NULL;
    MUST(sc_kvs_batch_new(&b));
    row_put(b, 40, 90);
    const struct sc_kvs_range range = {sc_slice_str("row/000030"), sc_slice_str("row/000060")};
    sc_ignore(sc_kvs_batch_delete_range(b, &range)); /* sticky */
    row_put(b, 50, 91);
    row_put(b, 50, 92);
    MUST(sc_kvs_write(kvs, b, true, &diag));
}

static void dump(struct sc_kvs *kvs, const char *path)
{
    struct sc_diag diag = {0};
    struct sc_kvs_iter *it;
    bool valid;
    char hex[256];
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    MUST(sc_kvs_iter_new(kvs, NULL, &(struct sc_kvs_range){SC_SLICE_EMPTY, SC_SLICE_EMPTY}, &it, &diag));
    for (MUST(sc_kvs_iter_first(it, &valid, &diag)); valid;) {
        sc_hex_encode(sc_kvs_iter_key(it), hex);
        fprintf(f, "%s\t", hex);
        sc_hex_encode(sc_kvs_iter_value(it), hex);
        fprintf(f, "%s\n", hex);
        MUST(sc_kvs_iter_next(it, &valid, &diag));
    }
    sc_kvs_iter_free(it);
    assert_int_equal(fclose(f), 0);
}

static void assert_reader_agrees(struct sc_kvs *kvs, const char *base)
{
    char path[128], command[1024];
    snprintf(path, sizeof path, "%s/ours", base);
    dump(kvs, path);
    snprintf(command, sizeof command, PYTHON " %s %s/v %s/key %s/seen > %s/theirs && cmp %s/ours %s/theirs", SC_READER,
             base, base, base, base, base, base);
    assert_int_equal(system(command), 0);
}

static void assert_seen(const char *base, const char *part)
{
    char command[256];
    snprintf(command, sizeof command, "grep -qx '%s' %s/seen", part, base);
    if (system(command) != 0)
        fail_msg("the volume has no \"%s\" in it", part);
}

static void versions_and_deletions_in_one_table_are_read_as_the_document_says(void **state)
{
    char base[] = "/tmp/sc_kvs_reader_XXXXXX", path[128];
    struct sc_diag diag = {0};
    struct sc_store *store;
    struct sc_kvs *kvs;
    struct sc_kvs_snapshot *snapshots[4];
    (void)state;
    if (system(PYTHON " -c 'import cryptography' 2>/dev/null") != 0) {
        print_message("no python3-cryptography: skipped\n");
        skip();
    }
    assert_non_null(mkdtemp(base));
    snprintf(path, sizeof path, "%s/key", base);
    MUST(sc_file_write(path, sc_slice_of(&test_root_key, sizeof test_root_key), 0600, &diag));
    snprintf(path, sizeof path, "%s/v", base);
    MUST(sc_store_dir_open(path, &store, &diag));
    const struct sc_kvs_options opt = {
        .store = store, .root_key = &test_root_key, .create = true, .memtable_size_max = 1 << 20, .block_size = 1024};
    MUST(sc_kvs_open(&opt, &kvs, &diag));
    fill(kvs, snapshots, 4);
    assert_reader_agrees(kvs, base); /* all of it in the log */
    assert_seen(base, "log record 0");
    MUST(sc_kvs_settle(kvs, &diag));
    commit_with_a_range(kvs);
    assert_reader_agrees(kvs, base); /* a table, and a log above it */
    assert_seen(base, "columns put");
    assert_seen(base, "columns deletion");
    assert_seen(base, "flag 1 off"); /* versions of one key in one block */
    assert_seen(base, "log record 2");
    MUST(sc_kvs_settle(kvs, &diag));
    assert_reader_agrees(kvs, base);
    assert_seen(base, "deleted range");
    for (unsigned i = 0; i < 4; i++)
        sc_kvs_snapshot_free(snapshots[i]);
    MUST(sc_kvs_compact(kvs, &diag));
    assert_reader_agrees(kvs, base);
    sc_kvs_close(kvs);
    sc_store_free(store);
    MUST(sc_dir_remove(base, &diag));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_and_deletions_in_one_table_are_read_as_the_document_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
