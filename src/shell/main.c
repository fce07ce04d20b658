/* securecloud-sql: CascaDB's own shell, on a server or on a database in this process. */
#include "slt/main.h"
#include "base/file.h"
#include "shell/shell.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <unistd.h>

#define COMMAND_COUNT_MAX 64

static void print_help(void)
{
    printf(
        "Usage: securecloud sql --identity DIR | --local DIR --key-file FILE | --memory  [OPTIONS]\n"
        "       securecloud sql --slt FILE...       runs sqllogictest scripts; see securecloud sql --slt --help\n\n"
        "Runs SQL: the statements of -c, or a file on standard input, or what you type.\n\n"
        "On what\n"
        "  --identity DIR     CascaDB's server, as whom: cert.pem, key.pem, ca.pem and config.json with \"database\"\n"
        "  --local DIR        a volume in this directory, opened by this process alone\n"
        "  --key-file FILE    ... its root key: 32 bytes, or 64 hexadecimal digits\n"
        "  --counter FILE     ... its counter, which shows a volume that was rolled back\n"
        "  --create           ... made, with a new key in FILE, when there is none\n"
        "  --memory           an empty database in memory, gone at the end\n"
        "  --read-only        nothing can be changed (with --local)\n\n"
        "What\n"
        "  -c, --command SQL  run this and leave; may be given several times, and be a command: -c '\\import f.csv t'\n"
        "  --format FORMAT    table (default on a terminal), csv (default elsewhere), tsv, json, jsonl, lines, "
        "markdown\n"
        "  --timing           tell how long each statement took\n\n"
        "Commands\n%s\n"
        "Exit codes: 0 all worked, 1 a statement failed (those behind it are not run), 2 wrong usage.\n",
        shell_command_help);
}

struct arguments {
    const char *identity, *local, *key_file, *counter, *format;
    bool memory, create, read_only, timing;
    const char *commands[COMMAND_COUNT_MAX];
    size_t command_count;
};

enum { OPT_LOCAL = 256, OPT_KEY_FILE, OPT_COUNTER, OPT_CREATE, OPT_MEMORY, OPT_READ_ONLY, OPT_TIMING };

static bool option_take(int o, struct arguments *a)
{
    switch (o) {
    case 'i':
        a->identity = optarg;
        return true;
    case 'f':
        a->format = optarg;
        return true;
    case 'c':
        if (a->command_count == COMMAND_COUNT_MAX)
            return false;
        a->commands[a->command_count++] = optarg;
        return true;
    case OPT_LOCAL:
        a->local = optarg;
        return true;
    case OPT_KEY_FILE:
        a->key_file = optarg;
        return true;
    case OPT_COUNTER:
        a->counter = optarg;
        return true;
    case OPT_CREATE:
        return a->create = true;
    case OPT_MEMORY:
        return a->memory = true;
    case OPT_READ_ONLY:
        return a->read_only = true;
    case OPT_TIMING:
        return a->timing = true;
    default:
        return false;
    }
}

/* NULL: they make sense. */
static const char *arguments_judge(const struct arguments *a)
{
    if ((a->identity != NULL) + (a->local != NULL) + a->memory != 1)
        return "one of --identity DIR, --local DIR and --memory is required";
    if (a->local != NULL && a->key_file == NULL)
        return "--local needs --key-file FILE";
    if (a->local == NULL && (a->key_file != NULL || a->counter != NULL || a->create || a->read_only))
        return "--key-file, --counter, --create and --read-only belong to --local";
    return a->create && a->read_only ? "--create writes, --read-only does not" : NULL;
}

/* -1: go on; else the exit code. */
static int arguments_parse(int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {
        {"identity", required_argument, NULL, 'i'},
        {"command", required_argument, NULL, 'c'},
        {"format", required_argument, NULL, 'f'},
        {"local", required_argument, NULL, OPT_LOCAL},
        {"key-file", required_argument, NULL, OPT_KEY_FILE},
        {"counter", required_argument, NULL, OPT_COUNTER},
        {"create", no_argument, NULL, OPT_CREATE},
        {"memory", no_argument, NULL, OPT_MEMORY},
        {"read-only", no_argument, NULL, OPT_READ_ONLY},
        {"timing", no_argument, NULL, OPT_TIMING},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    int o;
    while ((o = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        if (o == 'h') {
            print_help();
            return 0;
        }
        if (o == 'V') {
            printf("securecloud-sql %s\n", SC_VERSION);
            return 0;
        }
        if (!option_take(o, a))
            return 2;
    }
    const char *why = optind != argc ? "SQL is given with -c or on standard input" : arguments_judge(a);
    if (why == NULL)
        return -1;
    fprintf(stderr, "securecloud-sql: %s; see --help\n", why);
    return 2;
}

/* ---- opening ---- */
/* A new volume's key; one that is there is never written over. */
static sc_err key_make(const char *path, struct sc_diag *diag)
{
    SC_CLEANUP(sc_key_wipe) struct sc_key key;
    if (access(path, F_OK) == 0)
        return SC_OK;
    if (errno != ENOENT)
        return sc_fail_errno(diag, SC_E_IO, "%s", path);
    sc_key_random(&key);
    return sc_file_write(path, sc_slice_of(key.bytes, sizeof key.bytes), 0600, diag);
}

static sc_err local_open(const struct arguments *a, struct shell_backend **out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_key_wipe) struct sc_key key = {0};
    SC_CLEANUP(sc_local_closep) struct sc_local *local = NULL;
    struct sc_local_options opt = {.create = a->create, .read_only = a->read_only, .counter_path = a->counter};
    if (a->local != NULL) {
        if (a->create)
            SC_TRY(key_make(a->key_file, diag));
        SC_TRY(sc_local_key_read(a->key_file, &key, diag));
        opt.dir = a->local;
        opt.root_key = &key;
    }
    SC_TRY(sc_local_open(&opt, &local, diag));
    SC_TRY(shell_backend_local(local, a->read_only, out, diag));
    local = NULL; /* the backend's now */
    return SC_OK;
}

/* ---- running ---- */
static struct shell_backend *volatile running;

static void interrupt_handler(int signal_number)
{
    (void)signal_number;
    if (running != NULL)
        running->ops->cancel(running);
}

static void run_all(struct shell *sh, const struct arguments *a)
{
    for (size_t i = 0; i < a->command_count && !sh->failed && !sh->leave; i++)
        shell_run_text(sh, a->commands[i]);
    if (a->command_count != 0)
        return;
    sh->input = shell_input_new(sh, sh->interactive ? NULL : stdin);
    if (sh->input != NULL)
        shell_run_input(sh);
    shell_input_free(sh->input);
}

static int shell_main(const struct arguments *a, enum shell_format format)
{
    struct shell sh = {
        .output = {.file = stdout, .format = format, .headers = true}, .timing = a->timing, .progress = true};
    struct sc_diag diag = {0};
    sh.interactive = a->command_count == 0 && isatty(STDIN_FILENO);
    const sc_err err =
        a->identity != NULL ? shell_backend_server(a->identity, &sh.backend, &diag) : local_open(a, &sh.backend, &diag);
    if (err != SC_OK) {
        fprintf(stderr, "securecloud-sql: %s\n", sc_diag_text(&diag, err));
        return 1;
    }
    sc_buf_init(&sh.text, SHELL_STATEMENT_SIZE_MAX);
    running = sh.backend;
    signal(SIGINT, interrupt_handler);
    run_all(&sh, a);
    const bool lost = sh.backend->ops->lost(sh.backend);
    running = NULL;
    sh.backend->ops->free(sh.backend);
    shell_complete_forget();
    sc_buf_deinit(&sh.text);
    shell_output_deinit(&sh.output);
    if (sh.output_file != NULL && fclose(sh.output_file) != 0)
        sh.failed = true;
    if (fflush(stdout) != 0 || ferror(stdout) != 0) { /* a full disk behind a redirection is not success */
        fprintf(stderr, "securecloud-sql: the output is not whole: %s\n", strerror(errno));
        sh.failed = true;
    }
    if (lost)
        fprintf(stderr, "securecloud-sql: connection lost\n");
    return lost || (sh.failed && !sh.interactive) ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct arguments a = {0};
    enum shell_format format = isatty(STDOUT_FILENO) ? SHELL_TABLE : SHELL_CSV;
    if (argc > 1 && strcmp(argv[1], "--slt") == 0)
        return sc_slt_main(argc - 1, argv + 1);
    sc_process_harden();
    const int code = arguments_parse(argc, argv, &a);
    if (code >= 0)
        return code;
    if (a.format != NULL && !shell_format_parse(a.format, &format)) {
        fprintf(stderr, "securecloud-sql: --format is table, csv, tsv, json, jsonl, lines or markdown\n");
        return 2;
    }
    return shell_main(&a, format);
}
