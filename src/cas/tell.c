/* Telling people about a session: lint, explain, diff. */
#include "cas/session.h"

#include <stdio.h>

/* ---- lint ---- */
struct notes {
    sc_session_note_fn note;
    void *arg;
    size_t count;
};

static void tell(struct notes *n, unsigned line, const char *fmt, ...) SC_PRINTF(3, 4);
static void tell(struct notes *n, unsigned line, const char *fmt, ...)
{
    char text[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    n->count++;
    n->note(n->arg, line, text);
}

static bool template_uses(const char *content, const char *name)
{
    struct sc_slice rest = sc_slice_str(content);
    struct sc_template_part part;
    while (sc_template_next(&rest, &part, NULL) == SC_OK)
        if (part.kind == SC_PART_SECRET && strcmp(part.secret, name) == 0)
            return true;
    return false;
}

/* How this service comes to the secret; NULL: it does not. */
static const char *gets(const struct sc_session_service *v, const struct sc_session_secret *x, const char **where)
{
    *where = "";
    for (size_t i = 0; i < v->secret_count; i++)
        if (v->secrets[i] == x)
            return "by name";
    for (size_t i = 0; i < v->volume_count; i++) {
        *where = v->volumes[i].name;
        if (v->volumes[i].key == x)
            return "as the key of volume";
    }
    for (size_t i = 0; i < v->file_count; i++) {
        *where = v->files[i].path;
        if (template_uses(v->files[i].content, x->name))
            return "in the file";
    }
    return NULL;
}

static bool anybody_gets(const struct sc_session *s, const struct sc_session_secret *x)
{
    const char *where;
    for (size_t i = 0; i < s->service_count; i++)
        if (gets(&s->services[i], x, &where) != NULL)
            return true;
    for (size_t i = 0; i < s->secret_count; i++)
        if (s->secrets[i].issuer == x)
            return true;
    return x->is_public || x->export_count != 0;
}

static void lint_secrets(const struct sc_session *s, struct notes *n)
{
    for (size_t i = 0; i < s->secret_count; i++) {
        const struct sc_session_secret *x = &s->secrets[i];
        if (!anybody_gets(s, x))
            tell(n, x->line, "secret %s: nobody gets it", x->name);
        if (x->kind == SC_SECRET_VALUE)
            tell(n, x->line, "secret %s: its value stands in the policy, which owners and readers see", x->name);
        if (x->is_public && x->kind != SC_SECRET_CA && x->kind != SC_SECRET_CERT)
            tell(n, x->line, "secret %s: exported to everybody: it is no secret", x->name);
        if (x->is_public && (x->kind == SC_SECRET_CA || x->kind == SC_SECRET_CERT))
            tell(n, x->line, "secret %s: public: of it only the certificates are given to everybody", x->name);
    }
}

static bool same_code(const struct sc_session_service *a, const struct sc_session_service *b)
{
    if (a->signer_size != 0 || b->signer_size != 0)
        return a->signer_size == b->signer_size && memcmp(a->signer, b->signer, a->signer_size) == 0 &&
               a->product_id == b->product_id;
    for (size_t i = 0; i < a->measurement_count; i++)
        for (size_t k = 0; k < b->measurement_count; k++)
            if (a->measurement_sizes[i] == b->measurement_sizes[k] &&
                memcmp(a->measurements[i], b->measurements[k], a->measurement_sizes[i]) == 0)
                return true;
    return false;
}

static void lint_services(const struct sc_session *s, struct notes *n)
{
    for (size_t i = 0; i < s->service_count; i++) {
        const struct sc_session_service *v = &s->services[i];
        for (size_t k = 0; k < i; k++)
            if (same_code(v, &s->services[k]))
                tell(n, v->line, "service %s: the same code may also become %s, and choose which", v->name,
                     s->services[k].name);
        if (v->signer_size != 0 && v->svn_min == 0)
            tell(n, v->line, "service %s: any version of the product, the vulnerable ones too (minimum_svn)", v->name);
        if (v->certificate_s > 86400)
            tell(n, v->line, "service %s: a certificate that lives longer than a day cannot be taken back that long",
                 v->name);
        for (size_t k = 0; k < v->volume_count; k++)
            if (!v->volumes[k].counter)
                tell(n, v->line, "service %s: volume %s without a counter: an older copy put back is not noticed",
                     v->name, v->volumes[k].name);
        for (size_t k = 0; k < v->argument_count; k++)
            if (strstr(v->arguments[k], "{{") != NULL)
                tell(n, v->line, "service %s: arguments are visible to everybody on the machine and are no templates",
                     v->name);
    }
}

size_t sc_session_lint(const struct sc_session *s, sc_session_note_fn note, void *arg)
{
    struct notes n = {note, arg, 0};
    if (s->kinds[SC_ATTEST_SOFTWARE])
        tell(&n, 1, "attestation: software evidence is SIMULATED: whoever controls the machine controls the services");
    if (s->allow_debug)
        tell(&n, 1, "attestation: debuggable enclaves are admitted: the host reads their secrets");
    for (size_t i = SC_TCB_UP_TO_DATE + 1; i < SC_TCB_STATUS_COUNT; i++)
        if (s->statuses[i])
            tell(&n, 1, "attestation: platforms in the state %s are tolerated",
                 sc_tcb_status_name((enum sc_tcb_status)i));
    if (s->owner_count > 1 && s->threshold == 1)
        tell(&n, 1, "owners: any one of %zu can change everything alone (threshold)", s->owner_count);
    if (s->owner_count > 1 && s->threshold == s->owner_count)
        tell(&n, 1, "owners: all of %zu must sign: one lost key, and nothing can be changed any more", s->owner_count);
    lint_secrets(s, &n);
    lint_services(s, &n);
    return n.count;
}

/* ---- explain ---- */
static void put_code(const struct sc_session_service *v, struct sc_buf *out)
{
    char hex[97];
    for (size_t i = 0; i < v->measurement_count; i++) {
        sc_hex_encode(sc_slice_of(v->measurements[i], v->measurement_sizes[i]), hex);
        sc_buf_put_fmt(out, "  is the code    %s\n", hex);
    }
    if (v->signer_size != 0) {
        sc_hex_encode(sc_slice_of(v->signer, v->signer_size), hex);
        sc_buf_put_fmt(out, "  is code of     signer %s,\n                 product %u, version %u and later\n", hex,
                       v->product_id, v->svn_min);
    }
}

static void put_service(const struct sc_session *s, const struct sc_session_service *v, struct sc_buf *out)
{
    const char *where;
    sc_buf_put_fmt(out, "\nservice %s\n", v->name);
    put_code(v, out);
    sc_buf_put_fmt(out, "  gets           a certificate for %lld seconds\n", (long long)v->certificate_s);
    for (size_t i = 0; i < s->secret_count; i++) {
        const char *how = gets(v, &s->secrets[i], &where);
        if (how != NULL)
            sc_buf_put_fmt(out, "  gets           secret %s, %s%s%s\n", s->secrets[i].name, how,
                           where[0] != '\0' ? " " : "", where);
    }
    for (size_t i = 0; i < v->file_count; i++)
        sc_buf_put_fmt(out, "  gets           file %s\n", v->files[i].path);
    for (size_t i = 0; i < v->volume_count; i++)
        sc_buf_put_fmt(out, "  opens          volume %s, %s\n", v->volumes[i].name,
                       v->volumes[i].counter ? "its freshness counted by CAS" : "freshness not counted");
    for (size_t i = 0; i < v->talk_count; i++)
        sc_buf_put_fmt(out, "  may talk to    %s\n", v->talks_to[i]);
}

static void put_secret(const struct sc_session_secret *x, struct sc_buf *out)
{
    sc_buf_put_fmt(out, "\nsecret %s (%s)\n", x->name, sc_secret_kind_name(x->kind));
    if (x->kind == SC_SECRET_IMPORT)
        sc_buf_put_fmt(out, "  comes from     session %s, secret %s, if that one exports it here\n", x->from_session,
                       x->from_secret);
    if (x->issuer != NULL)
        sc_buf_put_fmt(out, "  issued by      %s\n", x->issuer->name);
    for (size_t i = 0; i < x->export_count; i++)
        sc_buf_put_fmt(out, "  also for       the services of session %s that import it\n", x->exports[i]);
    if (x->is_public)
        sc_buf_put_str(out, "  also for       everybody\n");
}

void sc_session_explain(const struct sc_session *s, struct sc_buf *out)
{
    char hex[65];
    sc_hex_encode(sc_slice_of(s->hash.bytes, 32), hex);
    sc_buf_put_fmt(out, "session %s\n  hash           %s\n", s->name, hex);
    if (s->has_predecessor) {
        sc_hex_encode(sc_slice_of(s->predecessor.bytes, 32), hex);
        sc_buf_put_fmt(out, "  replaces       %s\n", hex);
    }
    sc_buf_put_fmt(out, "  is changed by  %zu of %zu owners:", s->threshold, s->owner_count);
    for (size_t i = 0; i < s->owner_count; i++)
        sc_buf_put_fmt(out, " %s", s->owners[i].name);
    sc_buf_put_str(out, "\n  is read by     its owners");
    for (size_t i = 0; i < s->reader_count; i++)
        sc_buf_put_fmt(out, ", %s", s->readers[i]);
    sc_buf_put_str(out, "\n  believes       ");
    for (size_t i = 0, told = 0; i <= SC_ATTEST_SOFTWARE; i++)
        if (s->kinds[i])
            sc_buf_put_fmt(out, "%s%s%s", told++ != 0 ? ", " : "", sc_attest_kind_name((enum sc_attest_kind)i),
                           i == SC_ATTEST_SOFTWARE ? " (SIMULATED)" : "");
    sc_buf_put_str(out, s->allow_debug ? "; debuggable enclaves too (insecure)\n" : "; no debuggable enclaves\n");
    for (size_t i = 0; i < s->service_count; i++)
        put_service(s, &s->services[i], out);
    for (size_t i = 0; i < s->secret_count; i++)
        put_secret(&s->secrets[i], out);
}

/* ---- diff: of what explain says, part by part ---- */
static size_t count_lines(const char *text, const char *line, size_t size)
{
    size_t n = 0;
    for (const char *at = text; *at != '\0';) {
        const size_t line_size = strcspn(at, "\n");
        n += line_size == size && memcmp(at, line, size) == 0;
        at += line_size + (at[line_size] == '\n');
    }
    return n;
}

/* Lines of one part's text that the other has less often. */
static size_t put_missing(const char *part, const char *from, const char *to, char sign, struct sc_buf *out)
{
    size_t changes = 0;
    for (const char *at = from; *at != '\0';) {
        const size_t size = strcspn(at, "\n");
        if (size != 0 && count_lines(to, at, size) < count_lines(from, at, size)) {
            const size_t indent = strspn(at, " ");
            sc_buf_put_fmt(out, "%c %s: %.*s\n", sign, part, (int)(size - indent), at + indent);
            changes++;
        }
        at += size + (at[size] == '\n');
    }
    return changes;
}

static size_t diff_texts(const char *part, struct sc_buf *a, struct sc_buf *b, struct sc_buf *out)
{
    const char *older = sc_buf_cstr(a);
    const char *newer = sc_buf_cstr(b);
    return put_missing(part, older, newer, '-', out) + put_missing(part, newer, older, '+', out);
}

/* What explain leaves out because it is long: content of files, arguments, environment, values. */
static void put_details(const struct sc_session_service *v, struct sc_buf *out)
{
    for (size_t i = 0; i < v->argument_count; i++)
        sc_buf_put_fmt(out, "argument %zu: %s\n", i + 1, v->arguments[i]);
    for (size_t i = 0; i < v->environment_count; i++)
        sc_buf_put_fmt(out, "environment %s=%s\n", v->environment[2 * i], v->environment[2 * i + 1]);
    if (v->working_directory != NULL)
        sc_buf_put_fmt(out, "working directory %s\n", v->working_directory);
    for (size_t i = 0; i < v->file_count; i++) {
        struct sc_hash hash;
        char hex[65];
        sc_hash_of(sc_slice_str(v->files[i].content), &hash);
        sc_hex_encode(sc_slice_of(hash.bytes, 32), hex);
        sc_buf_put_fmt(out, "content of %s (SHA-256 %.16s...)\n", v->files[i].path, hex);
    }
}

static void put_secret_details(const struct sc_session_secret *x, struct sc_buf *out)
{
    if (x->size != 0)
        sc_buf_put_fmt(out, "size %zu\n", x->size);
    if (x->algorithm != 0)
        sc_buf_put_fmt(out, "algorithm %s\n", sc_sign_alg_name(x->algorithm));
    if (x->common_name != NULL)
        sc_buf_put_fmt(out, "common name %s, %s, for %lld days\n", x->common_name,
                       x->dns != NULL ? x->dns : "no DNS name", (long long)x->days);
}

static size_t diff_service(const struct sc_session *a, const struct sc_session_service *x, const struct sc_session *b,
                           const struct sc_session_service *y, struct sc_buf *out)
{
    char part[96];
    SC_CLEANUP(sc_buf_deinit) struct sc_buf older = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf newer = {0};
    snprintf(part, sizeof part, "service %s", (x != NULL ? x : y)->name);
    if (x != NULL) {
        put_service(a, x, &older);
        put_details(x, &older);
    }
    if (y != NULL) {
        put_service(b, y, &newer);
        put_details(y, &newer);
    }
    return diff_texts(part, &older, &newer, out);
}

static size_t diff_secret(const struct sc_session_secret *x, const struct sc_session_secret *y, struct sc_buf *out)
{
    char part[96];
    SC_CLEANUP(sc_buf_deinit) struct sc_buf older = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf newer = {0};
    snprintf(part, sizeof part, "secret %s", (x != NULL ? x : y)->name);
    if (x != NULL) {
        put_secret(x, &older);
        put_secret_details(x, &older);
    }
    if (y != NULL) {
        put_secret(y, &newer);
        put_secret_details(y, &newer);
    }
    const size_t changes = diff_texts(part, &older, &newer, out);
    if (x == NULL || y == NULL || x->value == NULL || y->value == NULL || strcmp(x->value, y->value) == 0)
        return changes;
    sc_buf_put_fmt(out, "~ %s: another value\n", part); /* neither it nor its hash: a diff is shown around */
    return changes + 1;
}

static void put_frame(const struct sc_session *s, struct sc_buf *out)
{
    sc_buf_put_fmt(out, "name %s\n%zu of %zu owners must sign\n", s->name, s->threshold, s->owner_count);
    for (size_t i = 0; i < s->owner_count; i++) {
        char hex[65];
        sc_hex_encode(sc_slice_of(s->owners[i].id.bytes, 32), hex);
        sc_buf_put_fmt(out, "owner %s (key %.16s...)\n", s->owners[i].name, hex);
    }
    for (size_t i = 0; i < s->reader_count; i++)
        sc_buf_put_fmt(out, "reader %s\n", s->readers[i]);
    for (size_t i = 0; i <= SC_ATTEST_SOFTWARE; i++)
        if (s->kinds[i])
            sc_buf_put_fmt(out, "accepts %s evidence\n", sc_attest_kind_name((enum sc_attest_kind)i));
    for (size_t i = 0; i < SC_TCB_STATUS_COUNT; i++)
        if (s->statuses[i])
            sc_buf_put_fmt(out, "tolerates %s\n", sc_tcb_status_name((enum sc_tcb_status)i));
    sc_buf_put_str(out, s->allow_debug ? "admits debuggable enclaves (insecure)\n" : "");
}

size_t sc_session_diff(const struct sc_session *older, const struct sc_session *newer, struct sc_buf *out)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf a = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf b = {0};
    put_frame(older, &a);
    put_frame(newer, &b);
    size_t changes = diff_texts("session", &a, &b, out);
    for (size_t i = 0; i < older->service_count; i++) {
        const struct sc_session_service *x = &older->services[i];
        changes += diff_service(older, x, newer, sc_session_service_find(newer, x->name), out);
    }
    for (size_t i = 0; i < newer->service_count; i++)
        if (sc_session_service_find(older, newer->services[i].name) == NULL)
            changes += diff_service(older, NULL, newer, &newer->services[i], out);
    for (size_t i = 0; i < older->secret_count; i++)
        changes += diff_secret(&older->secrets[i], sc_session_secret_find(newer, older->secrets[i].name), out);
    for (size_t i = 0; i < newer->secret_count; i++)
        if (sc_session_secret_find(older, newer->secrets[i].name) == NULL)
            changes += diff_secret(NULL, &newer->secrets[i], out);
    return changes;
}
