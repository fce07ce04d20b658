/* securecloud-kvs: a volume in a directory, from the command line. */
#include "kvs/kvs.h"

#include "base/file.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static const char help[] =
    "usage: securecloud-kvs COMMAND DIR --key-file FILE [options] [arguments]\n"
    "\n"
    "An encrypted, authenticated key-value volume in the directory DIR.\n"
    "\n"
    "commands:\n"
    "  get KEY          print the value of KEY (exit status 3: there is none)\n"
    "  put KEY VALUE    set it (VALUE - : from standard input); creates the volume\n"
    "  delete KEY       remove it\n"
    "  scan [FROM [TO]] print all pairs with FROM <= key < TO, one a line, key TAB value\n"
    "  stats            print the volume's figures\n"
    "  compact          merge everything into one run of tables\n"
    "  verify           read and check every byte that belongs to the volume\n"
    "\n"
    "options:\n"
    "  --key-file FILE  the root key: 32 bytes, or 64 hexadecimal digits\n"
    "                   (make one with: head -c 32 /dev/urandom > FILE; chmod 600 FILE)\n"
    "  --counter FILE   the counter that makes a rolled-back volume visible; kept outside DIR, always the same\n"
    "                   file; insecure against whoever restores both\n"
    "  --hex            keys and values are given and printed in hexadecimal\n"
    "  --reverse        scan from the last key to the first\n"
    "  --limit N        scan at most N pairs\n"
    "  --help           this text\n";

struct args {
    const char *command, *dir, *key_file, *counter_file;
    bool hex, reverse;
    uint64_t limit;
    char **rest;
    int rest_count;
};

struct volume {
    struct sc_store *store;
    struct sc_kvs_counter counter;
    struct sc_kvs *kvs;
};

static void volume_close(struct volume *v)
{
    sc_kvs_close(v->kvs);
    sc_kvs_counter_file_close(&v->counter);
    sc_store_free(v->store);
}

static sc_err key_read(const char *path, struct sc_key *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_wipe) struct sc_buf content = {0};
    SC_TRY(sc_file_read(path, 128, &content, diag));
    if (content.size == sizeof out->bytes) {
        memcpy(out->bytes, content.ptr, content.size);
        return SC_OK;
    }
    if (content.size == 2 * sizeof out->bytes + 1 && content.ptr[content.size - 1] == '\n')
        content.size--;
    if (content.size == 2 * sizeof out->bytes &&
        sc_hex_decode(sc_buf_cstr(&content), out->bytes, sizeof out->bytes) == SC_OK)
        return SC_OK;
    return sc_fail(diag, SC_E_USAGE, "%s: a key is 32 bytes or 64 hexadecimal digits", path);
}

static sc_err volume_open(const struct args *a, bool create, bool read_only, struct volume *v, struct sc_diag *diag)
{
    SC_CLEANUP(sc_key_wipe) struct sc_key key = {0};
    SC_TRY(key_read(a->key_file, &key, diag));
    if (!create && access(a->dir, F_OK) != 0)
        return sc_fail_errno(diag, SC_E_NOT_FOUND, "%s", a->dir);
    SC_TRY(sc_store_dir_open(a->dir, &v->store, diag));
    if (a->counter_file != NULL)
        SC_TRY(sc_kvs_counter_insecure_file(a->counter_file, &v->counter, diag));
    const struct sc_kvs_options opt = {
        .store = v->store, .root_key = &key, .counter = v->counter, .create = create, .read_only = read_only};
    return sc_context(diag, sc_kvs_open(&opt, &v->kvs, diag), "%s", a->dir);
}

/* ---- keys and values as text or hex ---- */

static sc_err bytes_of(const struct args *a, const char *text, struct sc_buf *out, struct sc_diag *diag)
{
    if (!a->hex) {
        sc_buf_put_str(out, text);
        return sc_buf_status(out);
    }
    const size_t size = strlen(text) / 2;
    uint8_t *p = sc_buf_extend(out, size);
    if (p == NULL)
        return sc_buf_status(out);
    if (strlen(text) % 2 != 0 || sc_hex_decode(text, p, size) != SC_OK)
        return sc_fail(diag, SC_E_USAGE, "%s: not hexadecimal", text);
    return SC_OK;
}

static sc_err stdin_read(struct sc_buf *out, struct sc_diag *diag)
{
    for (;;) {
        uint8_t chunk[16384];
        const size_t n = fread(chunk, 1, sizeof chunk, stdin);
        sc_buf_put_bytes(out, sc_slice_of(chunk, n));
        if (n < sizeof chunk)
            break;
    }
    if (ferror(stdin))
        return sc_fail(diag, SC_E_IO, "standard input");
    return sc_buf_status(out);
}

static void print(const struct args *a, struct sc_slice s)
{
    if (!a->hex) {
        fwrite(s.ptr, 1, s.size, stdout);
        return;
    }
    for (size_t i = 0; i < s.size; i++)
        printf("%02x", s.ptr[i]);
}

/* ---- commands ---- */

static sc_err run_get(const struct args *a, struct sc_diag *diag)
{
    SC_CLEANUP(volume_close) struct volume v = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf value = {0};
    SC_TRY(bytes_of(a, a->rest[0], &key, diag));
    SC_TRY(volume_open(a, false, true, &v, diag));
    SC_TRY(sc_context(diag, sc_kvs_get(v.kvs, NULL, sc_buf_slice(&key), &value, diag), "%s", a->rest[0]));
    print(a, sc_buf_slice(&value));
    putchar('\n');
    return SC_OK;
}

static sc_err write_one(const struct args *a, bool is_put, struct sc_diag *diag)
{
    SC_CLEANUP(volume_close) struct volume v = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf key = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf value = {0};
    struct sc_kvs_txn *txn;
    SC_TRY(bytes_of(a, a->rest[0], &key, diag));
    if (is_put && strcmp(a->rest[1], "-") == 0)
        SC_TRY(stdin_read(&value, diag));
    else if (is_put)
        SC_TRY(bytes_of(a, a->rest[1], &value, diag));
    SC_TRY(volume_open(a, is_put, false, &v, diag));
    SC_TRY(sc_kvs_txn_begin(v.kvs, &txn));
    const sc_err err = is_put ? sc_kvs_txn_put(txn, sc_buf_slice(&key), sc_buf_slice(&value))
                              : sc_kvs_txn_delete(txn, sc_buf_slice(&key));
    if (err != SC_OK) {
        sc_kvs_txn_abort(txn);
        return sc_fail(diag, err, "key or value: %s", sc_err_name(err));
    }
    return sc_kvs_txn_commit(txn, true, diag);
}

static sc_err run_put(const struct args *a, struct sc_diag *diag)
{
    return write_one(a, true, diag);
}

static sc_err run_delete(const struct args *a, struct sc_diag *diag)
{
    return write_one(a, false, diag);
}

static sc_err scan(const struct args *a, struct sc_kvs_iter *it, struct sc_diag *diag)
{
    bool valid;
    SC_TRY(a->reverse ? sc_kvs_iter_last(it, &valid, diag) : sc_kvs_iter_first(it, &valid, diag));
    for (uint64_t n = 0; valid && n < a->limit; n++) {
        print(a, sc_kvs_iter_key(it));
        putchar('\t');
        print(a, sc_kvs_iter_value(it));
        putchar('\n');
        SC_TRY(a->reverse ? sc_kvs_iter_prev(it, &valid, diag) : sc_kvs_iter_next(it, &valid, diag));
    }
    return SC_OK;
}

static sc_err run_scan(const struct args *a, struct sc_diag *diag)
{
    SC_CLEANUP(volume_close) struct volume v = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf from = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf to = {0};
    struct sc_kvs_iter *it;
    if (a->rest_count > 0)
        SC_TRY(bytes_of(a, a->rest[0], &from, diag));
    if (a->rest_count > 1)
        SC_TRY(bytes_of(a, a->rest[1], &to, diag));
    SC_TRY(volume_open(a, false, true, &v, diag));
    const struct sc_kvs_range range = {sc_buf_slice(&from), sc_buf_slice(&to)};
    SC_TRY(sc_kvs_iter_new(v.kvs, NULL, &range, &it, diag));
    const sc_err err = scan(a, it, diag);
    sc_kvs_iter_free(it);
    return err;
}

static sc_err run_stats(const struct args *a, struct sc_diag *diag)
{
    SC_CLEANUP(volume_close) struct volume v = {0};
    struct sc_kvs_stats s;
    SC_TRY(volume_open(a, false, true, &v, diag));
    sc_kvs_stats(v.kvs, &s);
    printf("tables\t%" PRIu64 "\ntable bytes\t%" PRIu64 "\nmemtable bytes\t%" PRIu64 "\nepoch\t%" PRIu64 "\n",
           s.table_count, s.table_bytes, s.memtable_bytes, s.epoch);
    if (a->counter_file != NULL)
        printf("counter\t%" PRIu64 "\n", s.counter);
    return SC_OK;
}

static sc_err run_compact(const struct args *a, struct sc_diag *diag)
{
    SC_CLEANUP(volume_close) struct volume v = {0};
    SC_TRY(volume_open(a, false, false, &v, diag));
    return sc_kvs_compact(v.kvs, diag);
}

static void show_progress(void *arg, uint64_t done, uint64_t total)
{
    (void)arg;
    fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " bytes", done, total);
}

static sc_err run_verify(const struct args *a, struct sc_diag *diag)
{
    SC_CLEANUP(volume_close) struct volume v = {0};
    struct sc_kvs_stats s;
    SC_TRY(volume_open(a, false, true, &v, diag));
    const bool terminal = isatty(STDERR_FILENO);
    const sc_err err = sc_kvs_verify(v.kvs, terminal ? show_progress : NULL, NULL, diag);
    if (terminal)
        fputc('\n', stderr);
    SC_TRY(err);
    sc_kvs_stats(v.kvs, &s);
    printf("%s: %" PRIu64 " tables, %" PRIu64 " bytes: all genuine%s\n", a->dir, s.table_count, s.table_bytes,
           a->counter_file != NULL ? " and current" : "; whether current is unknown without --counter");
    return SC_OK;
}

static const struct command {
    const char *name;
    int rest_min, rest_max;
    sc_err (*run)(const struct args *a, struct sc_diag *diag);
} commands[] = {
    {"get", 1, 1, run_get},     {"put", 2, 2, run_put},         {"delete", 1, 1, run_delete}, {"scan", 0, 2, run_scan},
    {"stats", 0, 0, run_stats}, {"compact", 0, 0, run_compact}, {"verify", 0, 0, run_verify},
};

enum option_code { OPT_KEY_FILE = 256, OPT_COUNTER, OPT_HEX, OPT_REVERSE, OPT_LIMIT, OPT_HELP };
static const struct option options[] = {
    {"key-file", required_argument, NULL, OPT_KEY_FILE},
    {"counter", required_argument, NULL, OPT_COUNTER},
    {"hex", no_argument, NULL, OPT_HEX},
    {"reverse", no_argument, NULL, OPT_REVERSE},
    {"limit", required_argument, NULL, OPT_LIMIT},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

static bool limit_parse(const char *text, uint64_t *out)
{
    char *end;
    *out = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0';
}

/* false: wrong usage, told. */
static bool args_parse(int argc, char **argv, struct args *a)
{
    *a = (struct args){.limit = UINT64_MAX};
    for (int opt; (opt = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (opt) {
        case OPT_KEY_FILE:
            a->key_file = optarg;
            break;
        case OPT_COUNTER:
            a->counter_file = optarg;
            break;
        case OPT_HEX:
            a->hex = true;
            break;
        case OPT_REVERSE:
            a->reverse = true;
            break;
        case OPT_LIMIT:
            if (limit_parse(optarg, &a->limit))
                break;
            fprintf(stderr, "securecloud-kvs: --limit %s: not a number\n", optarg);
            return false;
        case OPT_HELP:
            fputs(help, stdout);
            exit(0);
        default:
            return false;
        }
    }
    if (argc - optind < 2 || a->key_file == NULL) {
        fprintf(stderr, "securecloud-kvs: COMMAND, DIR and --key-file are needed; see --help\n");
        return false;
    }
    a->command = argv[optind];
    a->dir = argv[optind + 1];
    a->rest = argv + optind + 2;
    a->rest_count = argc - optind - 2;
    return true;
}

int main(int argc, char **argv)
{
    struct args a;
    struct sc_diag diag = {0};
    sc_process_harden();
    if (!args_parse(argc, argv, &a))
        return 2;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        const struct command *c = &commands[i];
        if (strcmp(a.command, c->name) != 0)
            continue;
        if (a.rest_count < c->rest_min || a.rest_count > c->rest_max) {
            fprintf(stderr, "securecloud-kvs: %s: wrong number of arguments; see --help\n", c->name);
            return 2;
        }
        const sc_err err = c->run(&a, &diag);
        if (err == SC_OK)
            return fflush(stdout) == 0 ? 0 : 1;
        fprintf(stderr, "securecloud-kvs: %s\n", sc_diag_text(&diag, err));
        return err == SC_E_NOT_FOUND ? 3 : err == SC_E_USAGE ? 2 : 1;
    }
    fprintf(stderr, "securecloud-kvs: %s: no such command; see --help\n", a.command);
    return 2;
}
