/* kvs/cmd.h - what the commands of securecloud-kvs share: their arguments, opening a volume, exit codes.  Part of the
 * program, not of the engine. */
#ifndef SC_KVS_CMD_H
#define SC_KVS_CMD_H

#include "kvs/kvs.h"

/* Exit codes; docs/services/kvs.md. */
enum { CMD_EXIT_FAILED = 1, CMD_EXIT_USAGE = 2, CMD_EXIT_NOT_FOUND = 3, CMD_EXIT_NOT_GENUINE = 4, CMD_EXIT_BUSY = 5 };

struct cmd_args {
    const char *dir, *key_file, *counter_file, *new_key_file;
    bool hex, reverse, range, json, link, rewrite;
    uint64_t limit, rows, seconds, seed;
    size_t cache_size, memtable_size, block_size; /* bytes; 0: the engine's choice */
    char **rest;                                  /* behind DIR */
    int rest_count;
};

/* ---- volumes (cmd.c) ---- */
struct cmd_volume {
    struct sc_store *store;
    struct sc_kvs_counter counter;
    struct sc_kvs *kvs;
};
enum cmd_mode { CMD_READ, CMD_WRITE, CMD_CREATE };
void cmd_volume_close(struct cmd_volume *v); /* zeroed and half-open ones are fine */
/* DIR with the arguments' key, counter and memory.  Errors begin with DIR. */
sc_err cmd_volume_open(const struct cmd_args *a, enum cmd_mode mode, struct cmd_volume *v, struct sc_diag *diag)
    SC_MUST_CHECK;
sc_err cmd_key_read(const char *path, struct sc_key *out, struct sc_diag *diag) SC_MUST_CHECK;
/* sc_kvs_verify() with a progress line called `what`. */
sc_err cmd_verify(struct sc_kvs *kvs, const char *what, struct sc_diag *diag) SC_MUST_CHECK;

/* ---- keys and values as text or hexadecimal (cmd.c) ---- */
sc_err cmd_bytes_of(const struct cmd_args *a, const char *text, struct sc_buf *out, struct sc_diag *diag) SC_MUST_CHECK;
void cmd_print(const struct cmd_args *a, struct sc_slice s);

/* ---- the commands ---- */
sc_err cmd_get(const struct cmd_args *a, struct sc_diag *diag) SC_MUST_CHECK; /* cmd_data.c */
sc_err cmd_put(const struct cmd_args *a, struct sc_diag *diag) SC_MUST_CHECK;
sc_err cmd_load(const struct cmd_args *a, struct sc_diag *diag) SC_MUST_CHECK;
sc_err cmd_delete(const struct cmd_args *a, struct sc_diag *diag) SC_MUST_CHECK;
sc_err cmd_scan(const struct cmd_args *a, struct sc_diag *diag) SC_MUST_CHECK;
sc_err cmd_stats(const struct cmd_args *a, struct sc_diag *diag) SC_MUST_CHECK; /* cmd_keep.c */
sc_err cmd_compact(const struct cmd_args *a, struct sc_diag *diag) SC_MUST_CHECK;
sc_err cmd_check(const struct cmd_args *a, struct sc_diag *diag) SC_MUST_CHECK; /* `verify` */
sc_err cmd_rotate(const struct cmd_args *a, struct sc_diag *diag) SC_MUST_CHECK;
sc_err cmd_backup(const struct cmd_args *a, struct sc_diag *diag) SC_MUST_CHECK; /* cmd_copy.c */
sc_err cmd_restore(const struct cmd_args *a, struct sc_diag *diag) SC_MUST_CHECK;
sc_err cmd_bench(const struct cmd_args *a, struct sc_diag *diag) SC_MUST_CHECK; /* cmd_bench.c */

#endif
