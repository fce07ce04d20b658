/* securecloud-cascadb-user: users with passwords, as the server's configuration names them. */
#include "base/file.h"
#include "base/json.h"
#include "cascadb/auth.h"

#include <getopt.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#define PASSWORD_SIZE_MIN ((size_t)8)
#define PASSWORD_SIZE_MAX ((size_t)256)
#define ITERATIONS        10000u

static const char usage[] = "Usage: securecloud-cascadb-user --file FILE [--right read|write] NAME    (the password is "
                            "read from standard input)\n"
                            "       securecloud-cascadb-user --file FILE --remove NAME\n"
                            "       securecloud-cascadb-user --file FILE\n";

static void print_help(void)
{
    printf("%s\n"
           "Adds, changes, removes or lists users of CascaDB who log in with a password (SCRAM-SHA-256).  FILE holds "
           "verifiers,\n"
           "from which nobody can log in; the server reads it at each login (member \"users\" of its config.json).\n\n"
           "  --file FILE     the file of users; made when it is not there\n"
           "  --right RIGHT   what the user may do: read (default) or write\n"
           "  --remove        the user shall be no more\n\n"
           "A password is one line of 8 to 256 printable ASCII characters.\n"
           "Exit codes: 0 done, 1 failed, 2 wrong usage.\n",
           usage);
}

static sc_err users_load(const char *path, json_t **out, struct sc_diag *diag)
{
    if (access(path, F_OK) == 0)
        return sc_json_read(path, (size_t)4 << 20, out, diag);
    *out = json_object();
    return *out != NULL ? SC_OK : sc_fail(diag, SC_E_NOMEM, "users");
}

static sc_err users_save(const char *path, const json_t *users, struct sc_diag *diag)
{
    SC_CLEANUP(sc_freep) char *text = json_dumps(users, JSON_INDENT(2) | JSON_SORT_KEYS);
    return text != NULL ? sc_file_write(path, sc_slice_str(text), 0600, diag) : sc_fail(diag, SC_E_NOMEM, "users");
}

/* One line, unseen where somebody types it. */
static sc_err password_read(char out[static PASSWORD_SIZE_MAX + 2], struct sc_diag *diag)
{
    struct termios shown;
    const bool terminal = tcgetattr(STDIN_FILENO, &shown) == 0;
    if (terminal) {
        struct termios hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        fputs("Password: ", stderr);
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    }
    const char *line = fgets(out, (int)PASSWORD_SIZE_MAX + 2, stdin);
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
        fputc('\n', stderr);
    }
    if (line == NULL)
        return sc_fail(diag, SC_E_USAGE, "no password on standard input");
    size_t n = strcspn(out, "\r\n");
    out[n] = '\0';
    if (n < PASSWORD_SIZE_MIN || n > PASSWORD_SIZE_MAX)
        return sc_fail(diag, SC_E_USAGE, "a password has %zu to %zu characters", PASSWORD_SIZE_MIN, PASSWORD_SIZE_MAX);
    while (n-- != 0)
        if (out[n] < 0x20 || out[n] > 0x7e)
            return sc_fail(diag, SC_E_USAGE, "a password is made of printable ASCII characters");
    return SC_OK;
}

static sc_err entry_make(const char *right, json_t **out, struct sc_diag *diag)
{
    char password[PASSWORD_SIZE_MAX + 2];
    uint8_t salt[16];
    SC_CLEANUP(scram_verifier_wipe) struct scram_verifier v = {0};
    SC_CLEANUP(sc_buf_wipe) struct sc_buf text = {0};
    SC_TRY(password_read(password, diag));
    sc_random(salt, sizeof salt);
    const sc_err err = scram_verifier_make(sc_slice_str(password), sc_slice_of(salt, sizeof salt), ITERATIONS, &v);
    explicit_bzero(password, sizeof password);
    if (err != SC_OK)
        return sc_fail(diag, err, "verifier");
    scram_verifier_write(&v, &text);
    *out = json_pack("{s:s, s:s}", "verifier", sc_buf_cstr(&text), "right", right);
    return *out != NULL && sc_buf_status(&text) == SC_OK ? SC_OK : sc_fail(diag, SC_E_NOMEM, "user");
}

static sc_err list(const json_t *users, struct sc_diag *diag)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)users, name, value)
    {
        const char *right = NULL;
        SC_TRY(sc_json_get_str(value, "right", &right, diag));
        printf("%s %s\n", right, name);
    }
    return SC_OK;
}

static sc_err run(const char *path, const char *name, const char *right, bool remove, struct sc_diag *diag)
{
    SC_CLEANUP(sc_json_freep) json_t *users = NULL;
    json_t *entry = NULL;
    SC_TRY(users_load(path, &users, diag));
    if (!json_is_object(users))
        return sc_fail(diag, SC_E_MALFORMED, "%s is not an object of users", path);
    if (name == NULL)
        return list(users, diag);
    if (name[0] == '\0' || strlen(name) >= PG_NAME_SIZE_MAX || strncmp(name, "spiffe:", 7) == 0)
        return sc_fail(diag, SC_E_USAGE, "\"%s\" is not a user's name", name);
    if (remove) {
        if (json_object_del(users, name) != 0)
            return sc_fail(diag, SC_E_NOT_FOUND, "%s: there is no user \"%s\"", path, name);
    } else {
        SC_TRY(entry_make(right, &entry, diag));
        if (json_object_set_new(users, name, entry) != 0)
            return sc_fail(diag, SC_E_NOMEM, "user");
    }
    return users_save(path, users, diag);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"file", required_argument, NULL, 'f'}, {"right", required_argument, NULL, 'r'},
        {"remove", no_argument, NULL, 'd'},     {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},    {NULL, 0, NULL, 0},
    };
    const char *path = NULL;
    const char *right = "read";
    bool remove = false;
    bool usable = true;
    int o;
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (o == 'h') {
            print_help();
            return 0;
        }
        if (o == 'V') {
            printf("securecloud-cascadb-user %s\n", SC_VERSION);
            return 0;
        }
        path = o == 'f' ? optarg : path;
        right = o == 'r' ? optarg : right;
        remove = remove || o == 'd';
        usable = usable && o != '?';
    }
    const char *name = optind < argc ? argv[optind] : NULL;
    usable = usable && path != NULL && optind + 1 >= argc && (!remove || name != NULL) &&
             (strcmp(right, "read") == 0 || strcmp(right, "write") == 0);
    if (!usable) {
        fputs(usage, stderr);
        return 2;
    }
    struct sc_diag diag = {0};
    const sc_err err = run(path, name, right, remove, &diag);
    if (err != SC_OK)
        fprintf(stderr, "securecloud-cascadb-user: %s\n", sc_diag_text(&diag, err));
    return err == SC_OK ? 0 : err == SC_E_USAGE ? 2 : 1;
}
