/* securecloud cas: working with sessions (policies) before they go anywhere. */
#include "cas/session.h"

#include <stdio.h>

static const char help[] =
    "Usage: securecloud cas check SESSION.yaml\n"
    "       securecloud cas explain SESSION.yaml\n"
    "       securecloud cas diff OLDER.yaml NEWER.yaml\n"
    "\n"
    "  check    is it whole?  Mistakes with line and column, then what deserves a second look\n"
    "  explain  who can get what, who may change it\n"
    "  diff     what the newer one changes: '-' goes, '+' comes\n"
    "\n"
    "Exit codes: 0 good (diff: no change), 1 a mistake in a session (diff: changes), 2 wrong usage.\n"
    "The language: docs/services/cas.md\n";

static int failed(const struct sc_diag *diag, sc_err err)
{
    fprintf(stderr, "securecloud cas: %s\n", sc_diag_text(diag, err));
    return 1;
}

static void print_note(void *arg, unsigned line, const char *text)
{
    printf("%s:%u: note: %s\n", (const char *)arg, line, text);
}

static int run_check(char *path)
{
    SC_CLEANUP(sc_session_freep) const struct sc_session *s = NULL;
    struct sc_diag diag = {0};
    char hex[65];
    const sc_err err = sc_session_read(path, &s, &diag);
    if (err != SC_OK)
        return failed(&diag, err);
    const size_t notes = sc_session_lint(s, print_note, path);
    sc_hex_encode(sc_slice_of(s->hash.bytes, 32), hex);
    printf("%s: session %s: %zu services, %zu secrets, %zu notes\nhash %s\n", path, s->name, s->service_count,
           s->secret_count, notes, hex);
    return 0;
}

static int print(struct sc_buf *out)
{
    if (sc_buf_status(out) != SC_OK)
        return failed(NULL, sc_buf_status(out));
    fwrite(out->ptr, 1, out->size, stdout);
    return 0;
}

static int run_explain(const char *path)
{
    SC_CLEANUP(sc_session_freep) const struct sc_session *s = NULL;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf out = {0};
    struct sc_diag diag = {0};
    const sc_err err = sc_session_read(path, &s, &diag);
    if (err != SC_OK)
        return failed(&diag, err);
    sc_session_explain(s, &out);
    return print(&out);
}

static int run_diff(const char *older_path, const char *newer_path)
{
    SC_CLEANUP(sc_session_freep) const struct sc_session *older = NULL;
    SC_CLEANUP(sc_session_freep) const struct sc_session *newer = NULL;
    SC_CLEANUP(sc_buf_deinit) struct sc_buf out = {0};
    struct sc_diag diag = {0};
    sc_err err = sc_session_read(older_path, &older, &diag);
    if (err == SC_OK)
        err = sc_session_read(newer_path, &newer, &diag);
    if (err != SC_OK)
        return failed(&diag, err);
    if (newer->has_predecessor && memcmp(newer->predecessor.bytes, older->hash.bytes, 32) != 0)
        fprintf(stderr, "securecloud cas: note: %s does not name %s as its predecessor\n", newer_path, older_path);
    const size_t changes = sc_session_diff(older, newer, &out);
    return print(&out) != 0 || changes != 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "check") == 0)
        return run_check(argv[2]);
    if (argc == 3 && strcmp(argv[1], "explain") == 0)
        return run_explain(argv[2]);
    if (argc == 4 && strcmp(argv[1], "diff") == 0)
        return run_diff(argv[2], argv[3]);
    fprintf(stderr, "securecloud cas: check, explain or diff; see securecloud cas --help\n");
    return 2;
}
