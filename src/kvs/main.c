/* securecloud-kvs: a volume in a directory, from the command line. */
#include "kvs/cmd.h"

#include "base/units.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

static const char help[] =
    "usage: securecloud-kvs COMMAND DIR [arguments] --key-file FILE [options]\n"
    "\n"
    "An encrypted, authenticated key-value volume in the directory DIR.\n"
    "\n"
    "keys and values:\n"
    "  get DIR KEY               print the value of KEY (exit code 3: there is none)\n"
    "  put DIR KEY VALUE         set it (VALUE - : from standard input); creates the volume\n"
    "  load DIR                  set all pairs from standard input, key TAB value, as scan prints them; durable after\n"
    "                            each 1000 lines\n"
    "  delete DIR KEY            remove it\n"
    "  delete DIR --range FROM TO\n"
    "                            remove all keys with FROM <= key < TO; \"\" is the start, the end\n"
    "  scan DIR [FROM [TO]]      print all pairs with FROM <= key < TO, one a line, key TAB value\n"
    "\n"
    "keeping a volume well:\n"
    "  stats DIR                 print the volume's figures\n"
    "  verify DIR                read and check every byte that belongs to the volume; says which object and bytes\n"
    "                            are bad\n"
    "  compact DIR               merge everything into one run of tables\n"
    "  rotate DIR                a new data key for what is written from now on\n"
    "      --new-key-file FILE   and a new root key, which alone opens the volume then\n"
    "      --rewrite             and everything that is there is written anew, so that old keys open nothing of it\n"
    "\n"
    "copies:\n"
    "  backup DIR TARGET         copy the volume into the directory TARGET and verify the copy; into an older copy "
    "only\n"
    "                            what is new is written\n"
    "  restore BACKUP TARGET     verify the copy in BACKUP, then copy it into TARGET, an empty directory or an older\n"
    "                            copy; with --counter the restored state counts as the current one from then on\n"
    "      --link                share tables with the source by hard links where the file system can: quick and "
    "small,\n"
    "                            but no protection from a bad disk\n"
    "\n"
    "  bench DIR                 measure a meter's workload on a scratch volume under DIR (needs no key)\n"
    "      --rows N              rows to load (200000)\n"
    "      --seconds N           of each phase that follows (3)\n"
    "      --seed N              of the data and the choices (1)\n"
    "\n"
    "options:\n"
    "  --key-file FILE    the root key: 32 bytes, or 64 hexadecimal digits\n"
    "                     (make one with: head -c 32 /dev/urandom > FILE; chmod 600 FILE)\n"
    "  --counter FILE     the counter that makes a rolled-back volume visible; kept outside DIR, always the same "
    "file;\n"
    "                     insecure against whoever restores both\n"
    "  --hex              keys and values are given and printed in hexadecimal\n"
    "  --reverse          scan from the last key to the first\n"
    "  --limit N          scan at most N pairs\n"
    "  --json             stats and bench as JSON\n"
    "  --cache SIZE       memory for blocks and indexes (32M)\n"
    "  --memtable SIZE    memory for what was written and is not in tables yet (8M); twice that while it is flushed\n"
    "  --block-size SIZE  of the blocks written from now on (8K; 256 to 1M)\n"
    "                     SIZE: bytes, or with K, M, G (1024, ...)\n"
    "  --help             this text\n"
    "\n"
    "exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 not genuine, not whole, not current or of another "
    "key,\n"
    "5 in use by another process.  See docs/services/kvs.md.\n";

/* ---- what each command takes ---- */

enum option_code {
    OPT_KEY_FILE,
    OPT_COUNTER,
    OPT_NEW_KEY_FILE,
    OPT_HEX,
    OPT_REVERSE,
    OPT_RANGE,
    OPT_JSON,
    OPT_LINK,
    OPT_REWRITE,
    OPT_LIMIT,
    OPT_ROWS,
    OPT_SECONDS,
    OPT_SEED,
    OPT_CACHE,
    OPT_MEMTABLE,
    OPT_BLOCK_SIZE,
    OPT_HELP
};
#define BIT(code) (UINT32_C(1) << (code))
#define MEMORY    (BIT(OPT_CACHE) | BIT(OPT_MEMTABLE) | BIT(OPT_BLOCK_SIZE))
#define VOLUME    (BIT(OPT_KEY_FILE) | BIT(OPT_COUNTER) | MEMORY)

static const struct command {
    const char *name;
    int rest_min, rest_max; /* arguments behind DIR */
    uint32_t options;       /* that mean something to it */
    sc_err (*run)(const struct cmd_args *a, struct sc_diag *diag);
} commands[] = {
    {"get", 1, 1, VOLUME | BIT(OPT_HEX), cmd_get},
    {"put", 2, 2, VOLUME | BIT(OPT_HEX), cmd_put},
    {"load", 0, 0, VOLUME | BIT(OPT_HEX), cmd_load},
    {"delete", 1, 2, VOLUME | BIT(OPT_HEX) | BIT(OPT_RANGE), cmd_delete},
    {"scan", 0, 2, VOLUME | BIT(OPT_HEX) | BIT(OPT_REVERSE) | BIT(OPT_LIMIT), cmd_scan},
    {"stats", 0, 0, VOLUME | BIT(OPT_JSON), cmd_stats},
    {"compact", 0, 0, VOLUME, cmd_compact},
    {"verify", 0, 0, VOLUME, cmd_check},
    {"rotate", 0, 0, VOLUME | BIT(OPT_NEW_KEY_FILE) | BIT(OPT_REWRITE), cmd_rotate},
    {"backup", 1, 1, VOLUME | BIT(OPT_LINK), cmd_backup},
    {"restore", 1, 1, VOLUME | BIT(OPT_LINK), cmd_restore},
    {"bench", 0, 0, MEMORY | BIT(OPT_ROWS) | BIT(OPT_SECONDS) | BIT(OPT_SEED) | BIT(OPT_JSON), cmd_bench},
};

static const struct option options[] = {
    {"key-file", required_argument, NULL, OPT_KEY_FILE},
    {"counter", required_argument, NULL, OPT_COUNTER},
    {"new-key-file", required_argument, NULL, OPT_NEW_KEY_FILE},
    {"hex", no_argument, NULL, OPT_HEX},
    {"reverse", no_argument, NULL, OPT_REVERSE},
    {"range", no_argument, NULL, OPT_RANGE},
    {"json", no_argument, NULL, OPT_JSON},
    {"link", no_argument, NULL, OPT_LINK},
    {"rewrite", no_argument, NULL, OPT_REWRITE},
    {"limit", required_argument, NULL, OPT_LIMIT},
    {"rows", required_argument, NULL, OPT_ROWS},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"seed", required_argument, NULL, OPT_SEED},
    {"cache", required_argument, NULL, OPT_CACHE},
    {"memtable", required_argument, NULL, OPT_MEMTABLE},
    {"block-size", required_argument, NULL, OPT_BLOCK_SIZE},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

/* ---- arguments ---- */

static const char *option_name(int code)
{
    for (const struct option *o = options; o->name != NULL; o++)
        if (o->val == code)
            return o->name;
    return "?";
}

static sc_err number_get(int code, const char *text, uint64_t min, uint64_t max, uint64_t *out, struct sc_diag *diag)
{
    uint64_t v;
    const sc_err err = sc_number_parse(text, max, &v);
    if (err != SC_OK || v < min)
        return sc_fail(diag, SC_E_USAGE, "--%s %s: not a number from %llu to %llu", option_name(code), text,
                       (unsigned long long)min, (unsigned long long)max);
    *out = v;
    return SC_OK;
}

static sc_err size_get(int code, const char *text, uint64_t min, uint64_t max, size_t *out, struct sc_diag *diag)
{
    uint64_t v;
    char least[SC_UNITS_TEXT_SIZE], most[SC_UNITS_TEXT_SIZE];
    const sc_err err = sc_size_parse(text, max, &v);
    if (err != SC_OK || v < min)
        return sc_fail(diag, SC_E_USAGE, "--%s %s: not a size from %s to %s (such as 4096, 64K, 8M)", option_name(code),
                       text, sc_size_text(min, least), sc_size_text(max, most));
    *out = (size_t)v;
    return SC_OK;
}

#define KIB ((uint64_t)1 << 10)
#define GIB ((uint64_t)1 << 30)

static sc_err option_take(struct cmd_args *a, int code, const char *text, struct sc_diag *diag)
{
    switch (code) {
    case OPT_KEY_FILE:
        a->key_file = text;
        return SC_OK;
    case OPT_COUNTER:
        a->counter_file = text;
        return SC_OK;
    case OPT_NEW_KEY_FILE:
        a->new_key_file = text;
        return SC_OK;
    case OPT_HEX:
        a->hex = true;
        return SC_OK;
    case OPT_REVERSE:
        a->reverse = true;
        return SC_OK;
    case OPT_RANGE:
        a->range = true;
        return SC_OK;
    case OPT_JSON:
        a->json = true;
        return SC_OK;
    case OPT_LINK:
        a->link = true;
        return SC_OK;
    case OPT_REWRITE:
        a->rewrite = true;
        return SC_OK;
    case OPT_LIMIT:
        return number_get(code, text, 0, UINT64_MAX, &a->limit, diag);
    case OPT_ROWS:
        return number_get(code, text, 1000, 100000000, &a->rows, diag);
    case OPT_SECONDS:
        return number_get(code, text, 1, 3600, &a->seconds, diag);
    case OPT_SEED:
        return number_get(code, text, 0, UINT64_MAX, &a->seed, diag);
    case OPT_CACHE:
        return size_get(code, text, 64 * KIB, 1024 * GIB, &a->cache_size, diag);
    case OPT_MEMTABLE:
        return size_get(code, text, 64 * KIB, GIB / 2, &a->memtable_size, diag);
    case OPT_BLOCK_SIZE:
        return size_get(code, text, 256, 1024 * KIB, &a->block_size, diag);
    default:
        SC_ASSERT(false);
        return SC_E_USAGE;
    }
}

static sc_err command_find(const char *name, const struct command **out, struct sc_diag *diag)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(name, commands[i].name) == 0) {
            *out = &commands[i];
            return SC_OK;
        }
    }
    return sc_fail(diag, SC_E_USAGE, "%s: no such command", name);
}

/* Whether what was given is what the command takes. */
static sc_err fits(const struct command *c, const struct cmd_args *a, uint32_t given, struct sc_diag *diag)
{
    for (int code = 0; code < OPT_HELP; code++)
        if ((given & ~c->options & BIT(code)) != 0)
            return sc_fail(diag, SC_E_USAGE, "--%s means nothing to %s", option_name(code), c->name);
    if (a->dir == NULL)
        return sc_fail(diag, SC_E_USAGE, "%s: DIR is missing", c->name);
    if (a->rest_count < c->rest_min || a->rest_count > c->rest_max)
        return sc_fail(diag, SC_E_USAGE, "%s: wrong number of arguments", c->name);
    if ((c->options & BIT(OPT_KEY_FILE)) != 0 && a->key_file == NULL)
        return sc_fail(diag, SC_E_USAGE, "%s: --key-file is missing", c->name);
    return SC_OK;
}

static sc_err args_parse(int argc, char **argv, struct cmd_args *a, const struct command **out, struct sc_diag *diag)
{
    uint32_t given = 0;
    *a = (struct cmd_args){.limit = UINT64_MAX, .rows = 200000, .seconds = 3, .seed = 1};
    for (int code; (code = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (code == '?')
            return sc_fail(diag, SC_E_USAGE, "the line is not understood"); /* getopt has told why */
        if (code == OPT_HELP) {
            fputs(help, stdout);
            exit(0);
        }
        SC_TRY(option_take(a, code, optarg, diag));
        given |= BIT(code);
    }
    if (optind == argc)
        return sc_fail(diag, SC_E_USAGE, "COMMAND and DIR are missing");
    SC_TRY(command_find(argv[optind], out, diag));
    if (argc - optind > 1)
        a->dir = argv[optind + 1];
    a->rest = argv + optind + 2;
    a->rest_count = argc - optind > 2 ? argc - optind - 2 : 0;
    return fits(*out, a, given, diag);
}

static int exit_code(sc_err err)
{
    switch (err) {
    case SC_OK:
        return 0;
    case SC_E_USAGE:
        return CMD_EXIT_USAGE;
    case SC_E_NOT_FOUND:
        return CMD_EXIT_NOT_FOUND;
    case SC_E_AUTH:
    case SC_E_MALFORMED:
        return CMD_EXIT_NOT_GENUINE;
    case SC_E_CONFLICT:
        return CMD_EXIT_BUSY;
    default:
        return CMD_EXIT_FAILED;
    }
}

int main(int argc, char **argv)
{
    struct cmd_args a;
    const struct command *command = NULL;
    struct sc_diag diag = {0};
    sc_process_harden();
    static char name[] = "securecloud-kvs"; /* what getopt's messages begin with */
    if (argc > 0)
        argv[0] = name;
    sc_err err = args_parse(argc, argv, &a, &command, &diag);
    if (err != SC_OK) {
        fprintf(stderr, "securecloud-kvs: %s; see --help\n", sc_diag_text(&diag, err));
        return exit_code(err);
    }
    err = command->run(&a, &diag);
    if (err == SC_OK && (fflush(stdout) != 0 || ferror(stdout)))
        err = sc_fail(&diag, SC_E_IO, "standard output");
    if (err != SC_OK)
        fprintf(stderr, "securecloud-kvs: %s\n", sc_diag_text(&diag, err));
    return exit_code(err);
}
