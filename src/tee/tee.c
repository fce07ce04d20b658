#include "tee/internal.h"

#include "base/file.h"
#include "tee/box.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define SEAL_MAGIC     "SCSEAL1"
#define SEAL_HEAD_SIZE ((size_t)8) /* magic (7), bind (1) */
#define SEAL_PURPOSE   "tee/seal v1"
static_assert(SEAL_HEAD_SIZE + TEE_BOX_EXTRA == SC_TEE_SEALED_EXTRA, "tee.h tells callers the overhead");

struct sc_tee {
    enum sc_tee_backend backend;
    const struct tee_backend *ops;
    void *self;
};

struct sc_tee_counter {
    struct sc_tee *tee; /* borrowed */
    enum sc_tee_bind bind;
    char name[SC_TEE_COUNTER_NAME_MAX + 1];
};

static const struct {
    const char *name, *root;
    const struct tee_backend *ops;
} backends[] = {
    [SC_TEE_SOFTWARE] = {"software", SC_TEE_SOCKET_DEFAULT, &tee_backend_software},
    [SC_TEE_SGX] = {"sgx", SC_TEE_SGX_DEFAULT, &tee_backend_sgx},
    [SC_TEE_TSM] = {"tsm", SC_TEE_TSM_DEFAULT, &tee_backend_tsm},
};
#define BACKEND_COUNT (sizeof backends / sizeof backends[0])

sc_err sc_tee_backend_parse(const char *name, enum sc_tee_backend *out)
{
    for (size_t i = 0; i < BACKEND_COUNT; i++) {
        if (strcmp(name, backends[i].name) == 0) {
            *out = (enum sc_tee_backend)i;
            return SC_OK;
        }
    }
    return SC_E_USAGE;
}

void sc_tee_options_detect(struct sc_tee_options *out)
{
    *out = (struct sc_tee_options){.backend = SC_TEE_SOFTWARE};
    if (access(SC_TEE_SGX_DEFAULT "/attestation_type", R_OK) == 0)
        out->backend = SC_TEE_SGX;
    else if (access(SC_TEE_TSM_DEFAULT, W_OK) == 0)
        out->backend = SC_TEE_TSM;
}

sc_err sc_tee_open(const struct sc_tee_options *opt, struct sc_tee **out, struct sc_diag *diag)
{
    struct sc_tee_options full = *opt;
    SC_ASSERT((size_t)opt->backend < BACKEND_COUNT);
    if (full.root == NULL)
        full.root = backends[opt->backend].root;
    if (full.timeout_ms == 0)
        full.timeout_ms = 10000;
    SC_CLEANUP(sc_tee_freep) struct sc_tee *tee = calloc(1, sizeof *tee);
    if (tee == NULL)
        return sc_fail(diag, SC_E_NOMEM, "enclave");
    tee->backend = opt->backend;
    tee->ops = backends[opt->backend].ops;
    SC_TRY(tee->ops->open(&full, &tee->self, diag));
    *out = SC_TAKE(tee);
    return SC_OK;
}

void sc_tee_free(struct sc_tee *tee)
{
    if (tee == NULL)
        return;
    if (tee->self != NULL)
        tee->ops->free(tee->self);
    free(tee);
}

void sc_tee_freep(struct sc_tee **tee)
{
    sc_tee_free(*tee);
}

const char *sc_tee_label(const struct sc_tee *tee)
{
    return tee->backend == SC_TEE_SOFTWARE ? "SIMULATED" : backends[tee->backend].name;
}

sc_err sc_tee_identity(struct sc_tee *tee, struct sc_tee_identity *out, struct sc_diag *diag)
{
    struct sc_tee_identity id = {0};
    SC_TRY(tee->ops->identity(tee->self, &id, diag));
    *out = id;
    return SC_OK;
}

sc_err sc_tee_evidence(struct sc_tee *tee, const uint8_t report_data[static 64], struct sc_buf *out,
                       struct sc_buf *extra_out, struct sc_diag *diag)
{
    return tee->ops->evidence(tee->self, report_data, out, extra_out, diag);
}

/* ---- sealing: magic, bind | box ---- */
static sc_err seal_key(struct sc_tee *tee, uint8_t bind, struct sc_key *out, struct sc_diag *diag)
{
    if (bind != SC_TEE_BIND_CODE && bind != SC_TEE_BIND_SIGNER)
        return sc_fail(diag, SC_E_MALFORMED, "sealed bytes: bound to %u, which is neither code nor signer", bind);
    if (tee->ops->seal_key == NULL)
        return sc_fail(diag, SC_E_UNSUPPORTED, "the %s backend has no sealing key", backends[tee->backend].name);
    return tee->ops->seal_key(tee->self, (enum sc_tee_bind)bind, out, diag);
}

static sc_err bound_data(const uint8_t head[static SEAL_HEAD_SIZE], struct sc_slice aad, struct sc_buf *out)
{
    sc_buf_put_bytes(out, sc_slice_of(head, SEAL_HEAD_SIZE));
    sc_buf_put_bytes(out, aad);
    return sc_buf_status(out);
}

sc_err sc_tee_seal(struct sc_tee *tee, enum sc_tee_bind bind, struct sc_slice aad, struct sc_slice plain,
                   struct sc_buf *out, struct sc_diag *diag)
{
    uint8_t head[SEAL_HEAD_SIZE] = SEAL_MAGIC;
    SC_CLEANUP(sc_key_wipe) struct sc_key key = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf bound = {0};
    head[7] = (uint8_t)bind;
    SC_TRY(seal_key(tee, head[7], &key, diag));
    SC_TRY(bound_data(head, aad, &bound));
    sc_buf_put_bytes(out, sc_slice_of(head, sizeof head));
    return tee_box_seal(&key, SEAL_PURPOSE, sc_buf_slice(&bound), plain, out);
}

sc_err sc_tee_unseal(struct sc_tee *tee, struct sc_slice aad, struct sc_slice sealed, struct sc_buf *out,
                     struct sc_diag *diag)
{
    SC_CLEANUP(sc_key_wipe) struct sc_key key = {0};
    SC_CLEANUP(sc_buf_deinit) struct sc_buf bound = {0};
    if (sealed.size < SC_TEE_SEALED_EXTRA || memcmp(sealed.ptr, SEAL_MAGIC, 7) != 0)
        return sc_fail(diag, SC_E_MALFORMED, "these bytes were not sealed");
    SC_TRY(seal_key(tee, sealed.ptr[7], &key, diag));
    SC_TRY(bound_data(sealed.ptr, aad, &bound));
    const struct sc_slice box = {sealed.ptr + SEAL_HEAD_SIZE, sealed.size - SEAL_HEAD_SIZE};
    const sc_err err = tee_box_open(&key, SEAL_PURPOSE, sc_buf_slice(&bound), box, out);
    if (err == SC_E_AUTH)
        return sc_fail(diag, err, "sealed by other code, on another machine, for another purpose, or changed");
    return err;
}

/* ---- counters ---- */
sc_err sc_tee_counter_open(struct sc_tee *tee, enum sc_tee_bind bind, const char *name, struct sc_tee_counter **out,
                           struct sc_diag *diag)
{
    if (tee->ops->counter_read == NULL)
        return sc_fail(diag, SC_E_UNSUPPORTED, "the %s backend has no monotonic counters", backends[tee->backend].name);
    if (name[0] == '\0' || strlen(name) > SC_TEE_COUNTER_NAME_MAX)
        return sc_fail(diag, SC_E_USAGE, "a counter's name has 1 to %zu bytes", SC_TEE_COUNTER_NAME_MAX);
    struct sc_tee_counter *c = calloc(1, sizeof *c);
    if (c == NULL)
        return sc_fail(diag, SC_E_NOMEM, "counter %s", name);
    *c = (struct sc_tee_counter){.tee = tee, .bind = bind};
    memcpy(c->name, name, strlen(name) + 1);
    *out = c;
    return SC_OK;
}

void sc_tee_counter_free(struct sc_tee_counter *c)
{
    free(c);
}

void sc_tee_counter_freep(struct sc_tee_counter **c)
{
    sc_tee_counter_free(*c);
}

sc_err sc_tee_counter_read(void *self, uint64_t *value_out, struct sc_diag *diag)
{
    struct sc_tee_counter *c = self;
    return c->tee->ops->counter_read(c->tee->self, c->bind, c->name, value_out, diag);
}

sc_err sc_tee_counter_advance(void *self, uint64_t from, uint64_t to, struct sc_diag *diag)
{
    struct sc_tee_counter *c = self;
    return c->tee->ops->counter_advance(c->tee->self, c->bind, c->name, from, to, diag);
}

/* ---- files of a device ---- */
sc_err tee_file_read(const char *dir, const char *name, size_t size_max, struct sc_buf *out, struct sc_diag *diag)
{
    SC_CLEANUP(sc_freep) char *path = sc_path_join(dir, name);
    if (path == NULL)
        return SC_E_NOMEM;
    SC_CLEANUP(sc_fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return sc_fail_errno(diag, errno == ENOENT ? SC_E_NOT_FOUND : SC_E_IO, "%s", path);
    const size_t start = out->size;
    for (;;) {
        uint8_t part[4096];
        const ssize_t n = read(fd, part, sizeof part);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sc_fail_errno(diag, SC_E_IO, "%s", path);
        if (n == 0)
            return sc_buf_status(out);
        if (out->size - start + (size_t)n > size_max)
            return sc_fail(diag, SC_E_LIMIT, "%s: more than %zu bytes", path, size_max);
        sc_buf_put_bytes(out, sc_slice_of(part, (size_t)n));
    }
}

sc_err tee_file_write(const char *dir, const char *name, struct sc_slice bytes, struct sc_diag *diag)
{
    SC_CLEANUP(sc_freep) char *path = sc_path_join(dir, name);
    if (path == NULL)
        return SC_E_NOMEM;
    SC_CLEANUP(sc_fd_closep) int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return sc_fail_errno(diag, SC_E_IO, "%s", path);
    if (write(fd, bytes.ptr, bytes.size) != (ssize_t)bytes.size)
        return sc_fail_errno(diag, errno == EBUSY ? SC_E_AGAIN : SC_E_IO, "%s", path);
    return SC_OK;
}
