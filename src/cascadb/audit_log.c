#include "cascadb/audit_log.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "cascadb/json_text.h"
#include "crypto/password.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#define LINE_SIZE_MAX ((size_t)16 << 10)
#define CERT_SIZE_MAX ((size_t)8 << 10)

struct audit_log {
    int fd;
    const struct sc_signer *signer;
    struct sc_buf certificate; /* DER, base64 */
    pthread_mutex_t lock;      /* guards what follows */
    uint64_t count;
    struct sc_hash head;
    uint64_t since_checkpoint;
    struct sc_buf line;
    _Atomic bool broken;
};

static void put_hash(struct sc_buf *out, const struct sc_hash *h)
{
    char hex[2 * sizeof h->bytes + 1];
    sc_hex_encode(sc_slice_of(h->bytes, sizeof h->bytes), hex);
    sc_buf_put_str(out, hex);
}

/* What a checkpoint signs. */
static void put_signed(struct sc_buf *out, uint64_t n, int64_t time_ms, const struct sc_hash *prev)
{
    sc_buf_put_fmt(out, "securecloud cascadb audit v1\n%" PRIu64 "\n%" PRId64 "\n", n, time_ms);
    put_hash(out, prev);
}

/* ---- writing ---- */
static sc_err broken(struct audit_log *a)
{
    a->broken = true;
    return SC_E_IO;
}

static void line_begin(struct audit_log *a, int64_t time_ms)
{
    sc_buf_reset(&a->line);
    sc_buf_put_fmt(&a->line, "{\"n\":%" PRIu64 ",\"time_ms\":%" PRId64, a->count + 1, time_ms);
}

static sc_err line_end(struct audit_log *a)
{
    sc_buf_put_str(&a->line, ",\"prev\":\"");
    put_hash(&a->line, &a->head);
    sc_buf_put_str(&a->line, "\"}\n");
    if (sc_buf_status(&a->line) != SC_OK || sc_fd_write_all(a->fd, sc_buf_slice(&a->line), NULL) != SC_OK)
        return broken(a);
    sc_hash_of((struct sc_slice){a->line.ptr, a->line.size - 1}, &a->head);
    a->count++;
    a->since_checkpoint++;
    return SC_OK;
}

static sc_err checkpoint(struct audit_log *a)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf text = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf signature = {0};
    const int64_t now_ms = sc_wall_ms(&sc_clock_system);
    put_signed(&text, a->count + 1, now_ms, &a->head);
    if (sc_buf_status(&text) != SC_OK || sc_signer_sign(a->signer, sc_buf_slice(&text), &signature) != SC_OK)
        return broken(a);
    line_begin(a, now_ms);
    sc_buf_put_str(&a->line, ",\"checkpoint\":{\"certificate\":\"");
    sc_buf_put_bytes(&a->line, sc_buf_slice(&a->certificate));
    sc_buf_put_str(&a->line, "\",\"signature\":\"");
    sc_base64_encode(sc_buf_slice(&signature), &a->line);
    sc_buf_put_str(&a->line, "\"}");
    SC_TRY(line_end(a));
    a->since_checkpoint = 0;
    return fdatasync(a->fd) == 0 ? SC_OK : broken(a);
}

sc_err audit_log_put(struct audit_log *a, const struct audit_record *r)
{
    sc_err err = SC_E_IO;
    pthread_mutex_lock(&a->lock);
    if (!a->broken) {
        line_begin(a, sc_wall_ms(&sc_clock_system));
        sc_buf_put_str(&a->line, ",\"who\":");
        json_put_string(&a->line, sc_slice_str(r->who));
        sc_buf_put_str(&a->line, ",\"statement\":");
        json_put_string(&a->line, sc_slice_str(r->statement));
        sc_buf_put_fmt(&a->line, ",\"rows\":%" PRId64 ",\"state\":\"%s\",\"us\":%" PRId64, r->rows, r->sqlstate,
                       r->duration_us);
        err = line_end(a);
        if (err == SC_OK && a->since_checkpoint >= AUDIT_CHECKPOINT_RECORDS)
            err = checkpoint(a);
    }
    pthread_mutex_unlock(&a->lock);
    return err;
}

bool audit_log_broken(const struct audit_log *a)
{
    return a->broken;
}

void audit_log_head(struct audit_log *a, uint64_t *count_out, char hex_out[static 2 * SC_HASH_SIZE + 1])
{
    pthread_mutex_lock(&a->lock);
    *count_out = a->count;
    sc_hex_encode(sc_slice_of(a->head.bytes, sizeof a->head.bytes), hex_out);
    pthread_mutex_unlock(&a->lock);
}

/* ---- reading ---- */
struct line {
    uint64_t n;
    int64_t time_ms;
    struct sc_hash prev;
    const json_t *checkpoint; /* NULL: a statement */
};

/* All that a statement's line has: what is neither that nor a checkpoint is not ours. */
static sc_err statement_parse(const json_t *doc, struct sc_diag *diag)
{
    const char *text = NULL;
    int64_t number = 0;
    SC_TRY(sc_json_get_str(doc, "who", &text, diag));
    SC_TRY(sc_json_get_str(doc, "statement", &text, diag));
    SC_TRY(sc_json_get_str(doc, "state", &text, diag));
    SC_TRY(sc_json_get_int(doc, "rows", INT64_MIN, INT64_MAX, &number, diag));
    return sc_json_get_int(doc, "us", 0, INT64_MAX, &number, diag);
}

static sc_err line_parse(const json_t *doc, struct line *out, struct sc_diag *diag)
{
    int64_t n = 0;
    const char *prev = NULL;
    SC_TRY(sc_json_get_int(doc, "n", 1, INT64_MAX, &n, diag));
    SC_TRY(sc_json_get_int(doc, "time_ms", 0, INT64_MAX, &out->time_ms, diag));
    SC_TRY(sc_json_get_str(doc, "prev", &prev, diag));
    if (strlen(prev) != 2 * sizeof out->prev.bytes ||
        sc_hex_decode(prev, out->prev.bytes, sizeof out->prev.bytes) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "\"prev\" is not a hash");
    out->n = (uint64_t)n;
    out->checkpoint = json_object_get(doc, "checkpoint");
    return out->checkpoint != NULL ? SC_OK : statement_parse(doc, diag);
}

static sc_err decode(const json_t *obj, const char *name, struct sc_buf *out, struct sc_diag *diag)
{
    const char *text = NULL;
    size_t size = 0;
    SC_TRY(sc_json_get_str(obj, name, &text, diag));
    uint8_t *to = sc_buf_extend(out, CERT_SIZE_MAX);
    if (to == NULL)
        return sc_fail(diag, SC_E_NOMEM, "audit log");
    if (sc_base64_decode(sc_slice_str(text), to, CERT_SIZE_MAX, &size) != SC_OK)
        return sc_fail(diag, SC_E_MALFORMED, "\"%s\" is not base64", name);
    out->size = size;
    return SC_OK;
}

static sc_err checkpoint_check(const struct line *l, const struct sc_cert *root, const char *signer_id,
                               struct sc_diag *diag)
{
    SC_CLEANUP(sc_buf_deinit) struct sc_buf der = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf signature = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf text = {0};
    SC_CLEANUP(sc_cert_freep) struct sc_cert *cert = NULL;
    SC_CLEANUP(sc_verifier_freep) struct sc_verifier *verifier = NULL;
    char id[256];
    SC_TRY(decode(l->checkpoint, "certificate", &der, diag));
    SC_TRY(decode(l->checkpoint, "signature", &signature, diag));
    SC_TRY(sc_cert_from_der(sc_buf_slice(&der), &cert, diag));
    SC_TRY(sc_cert_verify(cert, root, l->time_ms, diag));
    SC_TRY(sc_cert_uri(cert, id, sizeof id, diag));
    if (strcmp(id, signer_id) != 0)
        return sc_fail(diag, SC_E_AUTH, "the checkpoint is signed by %s, not by %s", id, signer_id);
    SC_TRY(sc_cert_verifier(cert, &verifier, diag));
    put_signed(&text, l->n, l->time_ms, &l->prev);
    SC_TRY(sc_buf_status(&text));
    return sc_verifier_check(verifier, sc_buf_slice(&text), sc_buf_slice(&signature)) == SC_OK
               ? SC_OK
               : sc_fail(diag, SC_E_AUTH, "the checkpoint's signature is wrong");
}

static sc_err line_check(struct sc_slice text, const struct sc_cert *root, const char *signer_id,
                         struct audit_verdict *v, struct sc_hash *head, struct sc_diag *diag)
{
    SC_CLEANUP(sc_json_freep) json_t *doc = NULL;
    struct line l = {0};
    SC_TRY(sc_json_parse(text, &doc, diag));
    SC_TRY(line_parse(doc, &l, diag));
    if (l.n != v->count + 1)
        return sc_fail(diag, SC_E_AUTH, "number %" PRIu64 " stands where %" PRIu64 " should", l.n, v->count + 1);
    if (memcmp(l.prev.bytes, head->bytes, sizeof head->bytes) != 0)
        return sc_fail(diag, SC_E_AUTH, "the line before is not the one that was written");
    v->count++;
    if (l.checkpoint != NULL) {
        if (root != NULL)
            SC_TRY(checkpoint_check(&l, root, signer_id, diag));
        v->checkpoints++;
        v->signed_count = v->count;
    }
    sc_hash_of(text, head);
    return SC_OK;
}

/* Reads lines from the current position. */
static sc_err lines_check(FILE *f, const struct sc_cert *root, const char *signer_id, struct audit_verdict *v,
                          struct sc_hash *head, struct sc_diag *diag)
{
    SC_CLEANUP(sc_freep) char *line = malloc(LINE_SIZE_MAX + 2);
    if (line == NULL)
        return sc_fail(diag, SC_E_NOMEM, "audit log");
    while (fgets(line, (int)LINE_SIZE_MAX + 2, f) != NULL) {
        const size_t size = strlen(line);
        struct sc_diag why = {0};
        if (size == 0 || line[size - 1] != '\n')
            return sc_fail(diag, SC_E_MALFORMED, "line %" PRIu64 " is not whole", v->count + 1);
        const sc_err err = line_check(sc_slice_of(line, size - 1), root, signer_id, v, head, &why);
        if (err != SC_OK)
            return sc_fail(diag, err == SC_E_NOMEM ? err : SC_E_AUTH, "line %" PRIu64 ": %s", v->count + 1,
                           sc_diag_text(&why, err));
    }
    return ferror(f) ? sc_fail_errno(diag, SC_E_IO, "audit log") : SC_OK;
}

sc_err audit_log_check(const char *path, const struct sc_cert *root, const char *signer_id, struct audit_verdict *out,
                       struct sc_diag *diag)
{
    struct audit_verdict v = {0};
    struct sc_hash head = {{0}};
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return sc_fail_errno(diag, SC_E_IO, "%s", path);
    const sc_err err = lines_check(f, root, signer_id, &v, &head, diag);
    fclose(f);
    if (err != SC_OK)
        return err;
    sc_hex_encode(sc_slice_of(head.bytes, sizeof head.bytes), v.head);
    *out = v;
    return SC_OK;
}

/* ---- opening ---- */
static void log_free(struct audit_log *a)
{
    if (a == NULL)
        return;
    if (a->fd >= 0)
        close(a->fd);
    sc_buf_deinit(&a->certificate);
    sc_buf_deinit(&a->line);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

static void log_freep(struct audit_log **a)
{
    log_free(*a);
}

sc_err audit_log_open(const char *path, const struct sc_signer *signer, const struct sc_cert *certificate,
                      struct audit_log **out, struct sc_diag *diag)
{
    SC_CLEANUP(log_freep) struct audit_log *a = calloc(1, sizeof *a);
    SC_CLEANUP(sc_buf_deinit) struct sc_buf der = {0};
    struct audit_verdict v = {0};
    if (a == NULL)
        return sc_fail(diag, SC_E_NOMEM, "audit log");
    a->signer = signer;
    pthread_mutex_init(&a->lock, NULL);
    sc_buf_init(&a->line, LINE_SIZE_MAX);
    a->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (a->fd < 0)
        return sc_fail_errno(diag, SC_E_IO, "audit log %s", path);
    if (flock(a->fd, LOCK_EX | LOCK_NB) != 0)
        return sc_fail(diag, SC_E_IO, "audit log %s: another process writes it", path);
    /* the whole chain, not only its end: a log that was tampered with is not gone on with as if nothing were */
    SC_TRY(sc_context(diag, audit_log_check(path, NULL, NULL, &v, diag), "audit log %s", path));
    a->count = v.count;
    SC_TRY(sc_hex_decode(v.head, a->head.bytes, sizeof a->head.bytes));
    SC_TRY(sc_cert_to_der(certificate, &der));
    sc_base64_encode(sc_buf_slice(&der), &a->certificate);
    SC_TRY(sc_buf_status(&a->certificate));
    if (checkpoint(a) != SC_OK)
        return sc_fail(diag, SC_E_IO, "audit log %s: cannot be written", path);
    *out = SC_TAKE(a);
    return SC_OK;
}

void audit_log_close(struct audit_log *a, uint64_t *count_out, char hex_out[static 2 * SC_HASH_SIZE + 1])
{
    pthread_mutex_lock(&a->lock);
    if (!a->broken)
        sc_ignore(checkpoint(a)); /* a log that cannot be written says so by the missing checkpoint */
    pthread_mutex_unlock(&a->lock);
    audit_log_head(a, count_out, hex_out);
    log_free(a);
}
